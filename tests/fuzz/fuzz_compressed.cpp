// CompressedWeights: a line with a quantization_config, then a safetensors file. Whatever they say, matrices are refused or decoded
// inside their bytes, into as many values as their shape has.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "format/compressed/compressed_weights.h"
#include "format/safetensors.h"

namespace {

using namespace vauban;

void decode(const CompressedWeights& weights, const std::string& name) {
  const auto tensor = weights.decode(name);
  if (tensor && tensor->view.bytes.size() != static_cast<std::size_t>(tensor->view.shape.elements()) * sizeof(float)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t line = all.find('\n');
  if (line == std::string_view::npos) return 0;
  const auto config = Json::parse(all.substr(0, line));
  // A copy of its own: a read beyond it is the sanitizer's to see.
  const std::string file(all.substr(line + 1));
  auto contents = parse_safetensors(std::as_bytes(std::span(file)));
  if (!config || !contents) return 0;
  const auto model = ModelFile::make(Container::safetensors, {nullptr}, std::move(contents->tensors), Json::object());
  if (!model) return 0;
  const auto weights = CompressedWeights::open(*model, *config, "quantization_config");
  if (!weights || !*weights) return 0;
  decode(**weights, "m.weight");
  for (const TensorEntry& tensor : (*model)->tensors()) decode(**weights, tensor.name);
  return 0;
}
