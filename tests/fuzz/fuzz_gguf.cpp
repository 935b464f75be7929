// parse_gguf: any bytes are refused or read, and what is read lies inside them, in order.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "format/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto contents = vauban::parse_gguf(bytes);
  if (!contents) return 0;
  const std::byte* end_of_last = bytes.data();
  for (const auto& tensor : contents->tensors) {
    const auto view = tensor.view.bytes;
    if (view.empty()) continue;
    if (view.data() < end_of_last || view.data() + view.size() > bytes.data() + bytes.size()) std::abort();
    end_of_last = view.data() + view.size();
    const auto values = vauban::decode_f32(tensor.view);
    if (values && static_cast<std::int64_t>(values->size()) != tensor.view.shape.elements()) std::abort();
  }
  return 0;
}
