/// For fuzz targets: what loads as a tokenizer must also encode, decode and stream without a fault.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/result.h"
#include "text/tokenizer.h"

inline void use_tokenizer(const vauban::Tokenizer& tokenizer) {
  const std::string text = " Hello  ab<s>\xC3\xA9 e\xCC\x81 12\n\xF0\x9F\x98\x80'll";
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
