#include "format/compressed/compressed_weights.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {
namespace {

/// GPTQ's own file (quantize_config.json) names no method.
Result<std::string> method_of(const SchemeKeys& keys) {
  VB_TRY(const std::string method, keys.text_or("quant_method", keys.find("bits") && keys.find("desc_act") ? "gptq" : ""));
  if (method == "" && keys.find("config_groups")) return std::string("compressed-tensors");
  if (method == "" && keys.find("sparsity_config")) return std::string("compressed-tensors");
  return method;
}

Result<CompressionScheme> scheme_of(const Json& config, const std::string& where) {
  if (!config.is_object()) return corrupt("{}: expected an object, found {}", where, config.type_name());
  const SchemeKeys keys(config, where);
  VB_TRY(const std::string method, method_of(keys));
  std::vector<std::string> names;
  for (const CompressionFormat& format : compression_formats()) {
    if (format.method == method) return format.open(keys);
    names.emplace_back(format.method);
  }
  return keys.unknown("quant_method", join(names, ", "));
}

bool is_code(DType dtype) {
  return dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16 && dtype != DType::f64;
}

}  // namespace

Result<std::shared_ptr<const CompressedWeights>> CompressedWeights::open(std::shared_ptr<const ModelFile> file, const Json& config, const std::string& where) {
  if (config.is_null()) return std::shared_ptr<const CompressedWeights>();
  VB_TRY(CompressionScheme scheme, scheme_of(config, where));
  std::shared_ptr<CompressedWeights> made(new CompressedWeights(std::move(file), std::move(scheme)));
  for (const TensorEntry& entry : made->file_->tensors())
    for (const std::string& mark : made->scheme_.marks) {
      if (!entry.name.ends_with(mark)) continue;
      const std::string stem = entry.name.substr(0, entry.name.size() - mark.size());
      made->stems_.emplace(stem + made->scheme_.target, stem);
    }
  return std::shared_ptr<const CompressedWeights>(std::move(made));
}

Result<DecodedTensor> CompressedWeights::decode(std::string_view name, std::int64_t index) const {
  const auto stem = stems_.find(name);
  if (stem == stems_.end()) return not_found("tensor '{}' is not among the compressed ones", printable(name));
  VB_TRY(const DecodedMatrix matrix, scheme_.decode(StoredParts(*file_, stem->second), index), "in tensor '{}' ({})", printable(name), scheme_.summary);
  auto bytes = std::make_shared<std::vector<std::byte>>(matrix.values.size() * sizeof(float));
  if (!bytes->empty()) std::memcpy(bytes->data(), matrix.values.data(), bytes->size());
  return DecodedTensor{.view = {.dtype = DType::f32, .shape = matrix.shape, .bytes = *bytes}, .bytes = bytes};
}

std::vector<std::string> CompressedWeights::parts_of(std::string_view name) const {
  std::vector<std::string> names;
  const auto stem = stems_.find(name);
  if (stem == stems_.end()) return names;
  for (const auto* suffixes : {&scheme_.parts, &scheme_.unread})
    for (const std::string& suffix : *suffixes)
      if (file_->find(stem->second + suffix)) names.push_back(stem->second + suffix);
  return names;
}

Result<void> CompressedWeights::check_plain(const TensorEntry& entry) const {
  if (!is_code(entry.view.dtype)) return ok();
  return corrupt("tensor '{}' is {}, and nothing beside it says what its numbers mean; {} has '{}' there", printable(entry.name),
                 to_string(entry.view.dtype), scheme_.summary, join(scheme_.marks, "' or '"));
}

bool CompressedWeights::is_harmless(const TensorEntry& entry) const {
  for (const std::string& suffix : scheme_.unread)
    if (entry.name.ends_with(suffix)) return true;
  if (!entry.name.ends_with(".bias") || !holds(entry.name.substr(0, entry.name.size() - 5) + scheme_.target)) return false;
  return std::ranges::all_of(entry.view.bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace vauban
