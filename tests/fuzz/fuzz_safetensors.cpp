// parse_safetensors and parse_safetensors_index: any bytes are refused or read, and what is read lies inside them.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "format/safetensors.h"

namespace {

void check_views(const vauban::SafetensorsContents& contents, std::span<const std::byte> bytes) {
  std::size_t total = 0;
  for (const auto& tensor : contents.tensors) {
    const auto view = tensor.view.bytes;
    if (!view.empty() && (view.data() < bytes.data() || view.data() + view.size() > bytes.data() + bytes.size()))
      std::abort();
    total += view.size();
  }
  if (total > bytes.size()) std::abort();  // two tensors share bytes
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto contents = vauban::parse_safetensors(bytes)) check_views(*contents, bytes);
  if (size == 0 || data[0] != '{') return 0;
  const auto index = vauban::parse_safetensors_index({reinterpret_cast<const char*>(data), size});
  if (!index) return 0;
  for (const auto& [tensor, shard] : index->weight_map)
    if (shard.find('/') != std::string::npos || shard == "..") std::abort();
  return 0;
}
