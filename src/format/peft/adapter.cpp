#include "format/peft/adapter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/json_file.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "format/safetensors.h"

namespace vauban {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kTrainingPrefix = "__training__.";
constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

struct PartName {
  AdapterPart part;
  std::string_view ending;
};
constexpr std::array kPartNames{PartName{AdapterPart::lora_a, ".lora_A.weight"},
                                PartName{AdapterPart::lora_b, ".lora_B.weight"},
                                PartName{AdapterPart::embedding_a, ".lora_embedding_A"},
                                PartName{AdapterPart::embedding_b, ".lora_embedding_B"}};

/// Endings that other methods, or parts of LoRA that are not known here, leave in a file.
struct ForeignName {
  std::string_view ending, method;
};
constexpr std::array kForeignNames{
    ForeignName{".lora_magnitude_vector", "DoRA"}, ForeignName{".lora_magnitude_vector.weight", "DoRA"},
    ForeignName{".lora_B.bias", "lora_bias"},      ForeignName{".lora_A", "AdaLoRA"},
    ForeignName{".lora_B", "AdaLoRA"},             ForeignName{".lora_E", "AdaLoRA"},
    ForeignName{".ia3_l", "IA3"},                  ForeignName{".token_adapter.trainable_tokens_delta", "trainable tokens"}};

Error incomplete(std::string_view key, std::string_view missing) {
  return corrupt("tensor '{}' has no partner: '{}' is missing", printable(key), printable(missing));
}

AdapterPart partner_of(AdapterPart part) {
  switch (part) {
    case AdapterPart::lora_a:
      return AdapterPart::lora_b;
    case AdapterPart::lora_b:
      return AdapterPart::lora_a;
    case AdapterPart::embedding_a:
      return AdapterPart::embedding_b;
    default:
      return AdapterPart::embedding_a;
  }
}

/// The rank stands first in A and last in B.
std::int64_t rank_of(const AdapterTensor& tensor) {
  const bool is_a = tensor.parsed.part == AdapterPart::lora_a || tensor.parsed.part == AdapterPart::embedding_a;
  return tensor.view.shape[is_a ? 0 : 1];
}

Result<void> check_pair(const Adapter& adapter, const AdapterTensor& tensor) {
  const std::string partner_key = pair_key(tensor.parsed.module, partner_of(tensor.parsed.part));
  const AdapterTensor* partner = adapter.find(partner_key);
  if (!partner) return incomplete(tensor.key, partner_key);
  for (const AdapterTensor* one : {&tensor, partner})
    if (one->view.shape.rank() != 2 || one->view.shape.elements() == 0)
      return corrupt("tensor '{}': expected a matrix, file has {}", printable(one->key), one->view.shape.to_string());
  if (rank_of(tensor) != rank_of(*partner))
    return corrupt("tensors '{}' {} and '{}' {} differ in rank", printable(tensor.key), tensor.view.shape.to_string(),
                   printable(partner_key), partner->view.shape.to_string());
  return ok();
}

Result<void> check_finite(const AdapterTensor& tensor) {
  VB_TRY(const std::vector<float> values, decode_f32(tensor.view), "in tensor '{}'", printable(tensor.key));
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return ok();
  return corrupt("tensor '{}': element {} is {}", printable(tensor.key), bad - values.begin(), *bad);
}

Result<void> check_tensors(const Adapter& adapter) {
  const auto& tensors = adapter.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i > 0 && tensors[i].key == tensors[i - 1].key)
      return corrupt("tensor '{}' is there more than once", printable(tensors[i].key));
    VB_TRY(const std::uint64_t size, size_bytes(tensors[i].view.dtype, tensors[i].view.shape), "in tensor '{}'",
           printable(tensors[i].key));
    if (size != tensors[i].view.bytes.size())
      return corrupt("tensor '{}': {} {} takes {} bytes, found {}", printable(tensors[i].key),
                     to_string(tensors[i].view.dtype), tensors[i].view.shape.to_string(), size,
                     tensors[i].view.bytes.size());
    if (tensors[i].parsed.part != AdapterPart::replacement) VB_CHECK(check_pair(adapter, tensors[i]));
    VB_CHECK(check_finite(tensors[i]));
  }
  return ok();
}

std::string hint_for(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / "adapter_model.bin", ignored))
    return "adapter_model.bin is a pickle, which is not read: save it as safetensors";
  if (fs::exists(folder / "config.json", ignored)) return "this is a model, not an adapter";
  return "an adapter folder holds adapter_config.json and adapter_model.safetensors";
}

Result<Json> read_config(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_regular_file(folder / kConfigFile, ignored))
    return with_hint(not_found("{} is missing", (folder / kConfigFile).string()), hint_for(folder));
  return read_json_file(folder / kConfigFile, kMaxConfigBytes);
}

void hash_text(Sha256& hash, std::string_view text) {
  hash.update(text);
  hash.update(std::string_view("\0", 1));
}

void hash_tensor(Sha256& hash, const AdapterTensor& tensor) {
  hash_text(hash, tensor.key);
  hash_text(hash, to_string(tensor.view.dtype));
  hash_text(hash, tensor.view.shape.to_string());
  hash.update(tensor.view.bytes);
}

}  // namespace

std::string pair_key(std::string_view module, AdapterPart part) {
  for (const PartName& name : kPartNames)
    if (name.part == part) return format("{}{}{}", kPrefix, module, name.ending);
  return {};
}

std::string replacement_key(std::string_view module, std::string_view tensor, bool in_adapted) {
  return format("{}{}{}.{}", kPrefix, module, in_adapted ? ".base_layer" : "", tensor);
}

Result<AdapterKey> parse_adapter_key(std::string_view key) {
  if (!key.starts_with(kPrefix))
    return corrupt("tensor '{}': expected a name that begins with '{}'", printable(key), kPrefix);
  std::string_view rest = key.substr(kPrefix.size());
  for (const PartName& name : kPartNames)
    if (rest.ends_with(name.ending))
      return AdapterKey{.module = std::string(rest.substr(0, rest.size() - name.ending.size())), .part = name.part};
  for (const ForeignName& name : kForeignNames)
    if (rest.ends_with(name.ending))
      return unsupported("tensor '{}' belongs to {}, which is not supported", printable(key), name.method);
  const std::size_t dot = rest.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == rest.size())
    return corrupt("tensor '{}': expected the name of a module and of its tensor", printable(key));
  AdapterKey parsed{.tensor = std::string(rest.substr(dot + 1))};
  rest = rest.substr(0, dot);
  parsed.in_adapted = rest.ends_with(".base_layer");
  if (parsed.in_adapted) rest.remove_suffix(std::string_view(".base_layer").size());
  parsed.module = std::string(rest);
  return parsed;
}

Result<std::shared_ptr<const Adapter>> Adapter::make(AdapterConfig config, std::vector<AdapterTensor> tensors,
                                                     std::string name) {
  for (AdapterTensor& tensor : tensors) {
    VB_TRY(tensor.parsed, parse_adapter_key(tensor.key));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const AdapterTensor& a, const AdapterTensor& b) { return a.key < b.key; });
  std::shared_ptr<Adapter> adapter(new Adapter());
  adapter->config_ = std::move(config);
  adapter->tensors_ = std::move(tensors);
  adapter->name_ = std::move(name);
  VB_CHECK(check_tensors(*adapter));
  return std::shared_ptr<const Adapter>(std::move(adapter));
}

Result<std::shared_ptr<const Adapter>> Adapter::open(const fs::path& folder, std::string name) {
  VB_TRY(const Json json, read_config(folder));
  VB_TRY(AdapterConfig config, adapter_config_from_json(json), "in {}", (folder / kConfigFile).string());
  std::error_code ignored;
  if (!fs::is_regular_file(folder / kWeightsFile, ignored))
    return with_hint(not_found("{} is missing", (folder / kWeightsFile).string()), hint_for(folder));
  VB_TRY(const std::shared_ptr<const ModelFile> file, open_safetensors(folder / kWeightsFile));
  std::vector<AdapterTensor> tensors;
  for (const TensorEntry& entry : file->tensors())
    if (!std::string_view(entry.name).starts_with(kTrainingPrefix))
      tensors.push_back({.key = entry.name, .view = entry.view, .keep_alive = file});
  VB_TRY(const std::shared_ptr<const Adapter> made, make(std::move(config), std::move(tensors), std::move(name)), "in {}",
         (folder / kWeightsFile).string());
  std::shared_ptr<Adapter> adapter(new Adapter(*made));
  adapter->path_ = folder;
  return std::shared_ptr<const Adapter>(std::move(adapter));
}

const AdapterTensor* Adapter::find(std::string_view key) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), key,
                                   [](const AdapterTensor& a, std::string_view b) { return a.key < b; });
  return at != tensors_.end() && at->key == key ? &*at : nullptr;
}

std::string Adapter::digest() const {
  AdapterConfig config = config_;
  config.base_model.clear();
  Sha256 hash;
  hash_text(hash, to_json(config).dump().value_or(""));
  for (const AdapterTensor& tensor : tensors_) hash_tensor(hash, tensor);
  return hash.finish_hex();
}

std::string Adapter::weight_name(const AdapterTensor& tensor) const {
  if (name_ == "default") return tensor.key;
  const std::string base = format("{}{}", kPrefix, tensor.parsed.module);
  switch (tensor.parsed.part) {
    case AdapterPart::lora_a:
      return format("{}.lora_A.{}.weight", base, name_);
    case AdapterPart::lora_b:
      return format("{}.lora_B.{}.weight", base, name_);
    case AdapterPart::embedding_a:
      return format("{}.lora_embedding_A.{}", base, name_);
    case AdapterPart::embedding_b:
      return format("{}.lora_embedding_B.{}", base, name_);
    case AdapterPart::replacement:
      break;
  }
  return format("{}.modules_to_save.{}.{}", base, name_, tensor.parsed.tensor);
}

Result<std::shared_ptr<const Adapter>> Adapter::with_values(const std::map<std::string, std::vector<float>>& values,
                                                            const std::vector<std::string>& transposed_names) const {
  std::vector<AdapterTensor> tensors;
  std::size_t used = 0;
  for (const AdapterTensor& tensor : tensors_) {
    const std::string name = weight_name(tensor);
    const auto found = values.find(name);
    if (found == values.end()) {
      tensors.push_back(tensor);
      continue;
    }
    ++used;
    const Shape& shape = tensor.view.shape;
    if (static_cast<std::int64_t>(found->second.size()) != shape.elements())
      return corrupt("adapter tensor '{}': expected {} values, found {}", name, shape.elements(), found->second.size());
    const bool turn = tensor.parsed.part == AdapterPart::embedding_a ||
                      std::find(transposed_names.begin(), transposed_names.end(), name) != transposed_names.end();
    if (turn && shape.rank() == 2)
      tensors.push_back(adapter_tensor(tensor.key, shape, transposed(found->second, shape[1], shape[0])));
    else
      tensors.push_back(adapter_tensor(tensor.key, shape, found->second));
  }
  if (used != values.size())
    for (const auto& [name, unused] : values)
      if (std::none_of(tensors_.begin(), tensors_.end(), [&](const auto& t) { return weight_name(t) == name; }))
        return not_found("the adapter has no tensor '{}'", printable(name));
  return make(config_, std::move(tensors), name_);
}

Result<void> Adapter::write(const fs::path& folder, SafetensorsMetadata metadata, FileOps& ops) const {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return io("cannot create folder '{}': {}", folder.string(), failed.message());
  metadata.emplace("format", "pt");  // readers of the Python side ask for it
  std::vector<NamedTensorView> tensors;
  for (const AdapterTensor& tensor : tensors_) tensors.push_back({tensor.key, tensor.view});
  VB_CHECK(write_safetensors(folder / kWeightsFile, tensors, metadata, ops));
  return write_json_file(folder / kConfigFile, to_json(config_), ops);
}

AdapterTensor adapter_tensor(std::string key, const Shape& shape, std::span<const float> values) {
  auto bytes = std::make_shared<std::vector<std::byte>>(values.size_bytes());
  if (!values.empty()) std::memcpy(bytes->data(), values.data(), values.size_bytes());
  return {.key = std::move(key), .view = {.dtype = DType::f32, .shape = shape, .bytes = *bytes}, .keep_alive = bytes};
}

std::vector<float> transposed(std::span<const float> values, std::int64_t rows, std::int64_t columns) {
  std::vector<float> out(values.size());
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column)
      out[static_cast<std::size_t>(column * rows + row)] = values[static_cast<std::size_t>(row * columns + column)];
  return out;
}

}  // namespace vauban
