/// For fuzz targets: what loads as a tokenizer must also encode, decode and stream without a fault.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/result.h"
#include "text/inputs/encode_inputs.h"

/// Pairs, cut and padded as the file says.
inline void use_input_rules(const vauban::Tokenizer& tokenizer, const std::string& text) {
  vauban::InputRules rules = tokenizer.input_rules();
  if (rules.padding && (rules.padding->length.value_or(0) > 1000 || rules.padding->multiple_of > 1000)) rules.padding.reset();
  const vauban::TextInput inputs[] = {{text, std::nullopt}, {text, "a second"}};
  const auto encoded = vauban::encode_inputs(tokenizer, inputs, rules);
  if (!encoded) return;
  for (const vauban::EncodedInput& input : *encoded)
    for (std::size_t i = 0; i <= input.overflowing.size(); ++i) {
      const vauban::ModelInput& window = i == 0 ? input.input : input.overflowing[i - 1];
      const std::size_t count = window.tokens.ids.size();
      if (window.tokens.offsets.size() != count || window.tokens.pieces.size() != count || window.type_ids.size() != count ||
          window.sequences.size() != count || window.attended.size() != count)
        std::abort();
    }
}

inline void use_tokenizer(const vauban::Tokenizer& tokenizer) {
  const std::string text = " Hello  ab<s>\xC3\xA9 e\xCC\x81 12\n\xF0\x9F\x98\x80'll";
  use_input_rules(tokenizer, text);
  for (const bool specials : {true, false}) {
    const auto encoding = tokenizer.encode(text, {.add_special = specials, .parse_special = specials});
    if (!encoding) continue;
    if (encoding->ids.size() != encoding->offsets.size() || encoding->ids.size() != encoding->pieces.size())
      std::abort();
    for (const vauban::TokenSpan& span : encoding->offsets)
      if (span.end > text.size()) std::abort();
    const auto whole = tokenizer.decode(encoding->ids, specials);
    vauban::StreamDecoder stream(tokenizer, specials);
    std::string joined;
    for (const std::int32_t id : encoding->ids) joined += stream.push(id).value_or("");
    joined += stream.finish().value_or("");
    if (whole && joined != *whole) std::abort();
  }
}
