// Bytes as a SentencePiece model (tokenizer.model).
#include <cstdint>
#include <string_view>

#include "use_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = vauban::load_sentencepiece(bytes);
  if (tokenizer) use_tokenizer(**tokenizer);
  return 0;
}
