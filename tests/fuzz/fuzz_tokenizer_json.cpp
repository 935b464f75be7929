// Bytes as a tokenizer.json. What loads must also encode, decode and stream without a fault. Members of the document
// that a tokenizer.json does not have stand for the files beside it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"

namespace {

using vauban::Json;

Json member(const Json& document, std::string_view key) {
  const Json* const found = document.find(key);
  return found ? *found : Json();
}

void use(const vauban::Tokenizer& tokenizer) {
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  vauban::TokenizerHints hints;
  if (const auto document = Json::parse(bytes)) {
    hints.tokenizer_config = member(*document, "tokenizer_config");
    hints.special_tokens_map = member(*document, "special_tokens_map");
    hints.generation_config = member(*document, "generation_config");
  }
  const auto tokenizer = vauban::load_tokenizer_json(bytes, hints);
  if (tokenizer) use(**tokenizer);
  return 0;
}
