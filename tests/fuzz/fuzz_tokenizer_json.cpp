// Bytes as a tokenizer.json. What loads must also encode, decode and stream without a fault. Members of the document
// that a tokenizer.json does not have stand for the files beside it.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"
#include "use_tokenizer.h"

namespace {

using vauban::Json;

Json member(const Json& document, std::string_view key) {
  const Json* const found = document.find(key);
  return found ? *found : Json();
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
  if (tokenizer) use_tokenizer(**tokenizer);
  return 0;
}
