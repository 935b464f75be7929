#include "format/direction.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/sha256.h"
#include "base/strings.h"
#include "format/gguf_writer.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban {
namespace {

constexpr std::string_view kDirection = "direction.";
constexpr std::string_view kArchitecture = "controlvector";
constexpr std::string_view kLayerConvention = "direction.N is added to the output of layer N, counted from 0";

std::string extension_of(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension;
}

Result<void> check_values(const std::string& name, const std::vector<float>& values) {
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::ranges::all_of(values, finite)) return corrupt("tensor '{}' holds NaN or infinities", printable(name));
  return ok();
}

Result<void> check_direction(const LayerDirection& entry) {
  const std::string name = format("{}{}", kDirection, entry.layer);
  VB_CHECK(check_values(name, entry.direction));
  if (std::ranges::all_of(entry.direction, [](float value) { return value == 0.0F; }))
    return corrupt("tensor '{}' is the zero vector", name);
  if (!std::isfinite(entry.norm) || entry.norm <= 0)
    return corrupt("tensor 'norm.{}': expected a positive length, found {}", entry.layer, entry.norm);
  return ok();
}

/// Rows that are not orthonormal would count a shared component twice (trace-contract 7.1).
Result<void> check_basis(const LayerDirection& entry) {
  constexpr double kTolerance = 1e-3;
  const std::size_t width = entry.direction.size(), rows = entry.basis.size() / width;
  for (std::size_t a = 0; a < rows; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (std::size_t i = 0; i < width; ++i)
        dot += static_cast<double>(entry.basis[a * width + i]) * static_cast<double>(entry.basis[b * width + i]);
      if (std::abs(dot - (a == b ? 1.0 : 0.0)) <= kTolerance) continue;
      return with_hint(
          corrupt("basis.{}: expected orthonormal rows (to {}), found a product of {:.6g} between rows {} and {}",
                  entry.layer, kTolerance, dot, a, b),
          "orthonormalise the rows; given inline as `basis` in [[interventions]] they are orthonormalised");
    }
  return ok();
}

/// Lengths and values of every layer; whatever the container.
Result<void> check(const DirectionFile& file) {
  if (file.layers.empty()) return not_found("expected tensors named direction.<layer>, found none");
  const std::size_t width = file.layers.front().direction.size();
  for (const LayerDirection& entry : file.layers) {
    VB_CHECK(check_direction(entry));
    if (entry.direction.size() != width)
      return corrupt("direction.{} has {} values, direction.{} has {}: expected one width", file.layers.front().layer,
                     width, entry.layer, entry.direction.size());
    for (const std::vector<float>* mean : {&entry.mean_positive, &entry.mean_negative}) {
      if (!mean->empty() && mean->size() != width)
        return corrupt("a mean of layer {} has {} values, its direction {}", entry.layer, mean->size(), width);
      VB_CHECK(check_values(format("mean_*.{}", entry.layer), *mean));
    }
    if (entry.basis.size() % width != 0)
      return corrupt("basis.{}: expected rows of {} values, found {} values", entry.layer, width, entry.basis.size());
    VB_CHECK(check_values(format("basis.{}", entry.layer), entry.basis));
    VB_CHECK(check_basis(entry));
  }
  return ok();
}

/// The layer of "direction.12". Errors: corrupt for anything but a plain number.
Result<int> layer_of(std::string_view name) {
  const std::string_view digits = name.substr(name.find('.') + 1);
  const bool plain = !digits.empty() && digits.size() <= 6 &&
                     digits.find_first_not_of("0123456789") == std::string_view::npos &&
                     (digits.size() == 1 || digits.front() != '0');
  if (!plain) return corrupt("tensor '{}': expected a layer number after the dot", printable(name));
  VB_TRY(const std::int64_t layer, parse_int(digits));
  return static_cast<int>(layer);
}

Result<std::vector<float>> values_of(const TensorEntry& entry, int rank) {
  if (entry.view.shape.rank() != rank)
    return corrupt("tensor '{}': expected rank {}, found {}", printable(entry.name), rank,
                   entry.view.shape.to_string());
  VB_TRY(std::vector<float> values, decode_f32(entry.view), "in tensor '{}'", printable(entry.name));
  if (values.empty()) return corrupt("tensor '{}' is empty", printable(entry.name));
  return values;
}

Result<std::vector<float>> optional_values(const ModelFile& file, std::string_view kind, int layer, int rank) {
  const TensorEntry* entry = file.find(format("{}.{}", kind, layer));
  if (!entry) return std::vector<float>();
  return values_of(*entry, rank);
}

Result<LayerDirection> read_layer(const ModelFile& file, const TensorEntry& entry) {
  LayerDirection out;
  VB_TRY(out.layer, layer_of(entry.name));
  VB_TRY(out.direction, values_of(entry, 1));
  VB_TRY(out.mean_positive, optional_values(file, "mean_positive", out.layer, 1));
  VB_TRY(out.mean_negative, optional_values(file, "mean_negative", out.layer, 1));
  VB_TRY(out.basis, optional_values(file, "basis", out.layer, 2));
  VB_TRY(const std::vector<float> norm, optional_values(file, "norm", out.layer, 1));
  if (norm.size() > 1) return corrupt("tensor 'norm.{}': expected one value, found {}", out.layer, norm.size());
  if (!norm.empty()) out.norm = norm.front();
  return out;
}

void read_provenance(const Json& metadata, DirectionFile& out) {
  for (const auto& [key, value] : metadata.entries()) {
    if (value.is_string()) out.provenance[key] = value.as_string();
    if (key == "chosen" && value.is_string())
      if (const auto layer = parse_int(value.as_string()); layer && *layer >= 0 && *layer < 1'000'000)
        out.chosen = static_cast<int>(*layer);
  }
}

Result<void> check_control_vector(const ModelFile& file) {
  const Json* architecture = file.metadata().find("general.architecture");
  const std::string found = architecture && architecture->is_string() ? architecture->as_string() : "none";
  if (found != kArchitecture)
    return unsupported("expected a control vector (general.architecture '{}'), found '{}'", kArchitecture,
                       printable(found, 60));
  if (file.find("direction.0")) return corrupt("tensor 'direction.0': a control vector's layers count from 1");
  return ok();
}

Result<std::shared_ptr<const ModelFile>> open_container(const std::filesystem::path& path) {
  if (!is_control_vector(path)) return open_safetensors(path);
  VB_TRY(auto file, open_gguf(path));
  VB_CHECK(check_control_vector(*file));
  return file;
}

Result<DirectionFile> read_from(const std::filesystem::path& path) {
  VB_TRY(const auto file, open_container(path));
  DirectionFile out;
  for (const TensorEntry& entry : file->tensors()) {
    if (!entry.name.starts_with(kDirection)) continue;
    VB_TRY(LayerDirection layer, read_layer(*file, entry));
    out.layers.push_back(std::move(layer));
  }
  std::ranges::sort(out.layers, {}, &LayerDirection::layer);
  VB_CHECK(check(out));
  read_provenance(file->metadata(), out);
  if (out.chosen && !out.find(*out.chosen))
    return corrupt("the chosen layer {} has no direction.{}", *out.chosen, *out.chosen);
  out.digest = file->file_digest(0);
  return out;
}

NamedTensorView view_of(std::string name, const std::vector<float>& values, Shape shape) {
  return {std::move(name), {.dtype = DType::f32, .shape = shape, .bytes = std::as_bytes(std::span(values))}};
}

Result<void> write_plain(const std::filesystem::path& path, const DirectionFile& file, FileOps& ops) {
  const std::int64_t width = file.width();
  std::vector<std::vector<float>> norms;
  norms.reserve(file.layers.size());
  std::vector<NamedTensorView> tensors;
  for (const LayerDirection& entry : file.layers) {
    norms.push_back({entry.norm});
    tensors.push_back(view_of(format("direction.{}", entry.layer), entry.direction, {width}));
    tensors.push_back(view_of(format("norm.{}", entry.layer), norms.back(), {1}));
    if (!entry.mean_positive.empty())
      tensors.push_back(view_of(format("mean_positive.{}", entry.layer), entry.mean_positive, {width}));
    if (!entry.mean_negative.empty())
      tensors.push_back(view_of(format("mean_negative.{}", entry.layer), entry.mean_negative, {width}));
    if (!entry.basis.empty())
      tensors.push_back(view_of(format("basis.{}", entry.layer), entry.basis,
                                {static_cast<std::int64_t>(entry.basis.size()) / width, width}));
  }
  SafetensorsMetadata metadata = file.provenance;
  if (file.chosen) metadata["chosen"] = format("{}", *file.chosen);
  return write_safetensors(path, tensors, metadata, ops);
}

TensorOut control_tensor(const LayerDirection& entry) {
  const std::vector<float> values = entry.offset();
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {.name = format("direction.{}", entry.layer),
          .dtype = DType::f32,
          .shape = {static_cast<std::int64_t>(values.size())},
          .make = [bytes = std::move(bytes)]() -> Result<TensorBytes> { return TensorBytes::own(bytes); }};
}

/// Provenance goes along under our own prefix; what came from another control vector keeps its names.
std::vector<GgufKey> control_keys(const DirectionFile& file) {
  const auto hint = file.provenance.find("architecture");
  std::vector<GgufKey> keys{
      GgufKey::text("general.architecture", std::string(kArchitecture)),
      GgufKey::text("controlvector.model_hint", hint == file.provenance.end() ? "" : hint->second),
      GgufKey::u32("controlvector.layer_count", static_cast<std::int64_t>(file.layers.size())),
      GgufKey::text("vauban.layer_convention", std::string(kLayerConvention))};
  for (const auto& [key, value] : file.provenance) {
    const bool named = key.find('.') != std::string::npos;
    set_key(keys, GgufKey::text(named ? key : "vauban.direction." + key, value));
  }
  return keys;
}

Result<void> write_control_vector(const std::filesystem::path& path, const DirectionFile& file, FileOps& ops) {
  if (file.find(0))
    return with_hint(invalid_input("a control vector has no place for layer 0: its layers count from 1"),
                     "leave layer 0 out, or write a .safetensors file");
  std::vector<TensorOut> tensors;
  for (const LayerDirection& entry : file.layers) tensors.push_back(control_tensor(entry));
  return write_gguf(path, control_keys(file), tensors, ops);
}

}  // namespace

bool is_control_vector(const std::filesystem::path& path) { return extension_of(path) == ".gguf"; }

Result<void> check_direction_path(const std::filesystem::path& path) {
  if (is_control_vector(path) || extension_of(path) == ".safetensors") return ok();
  return with_hint(invalid_input("'{}': expected a direction file to end in .safetensors or .gguf (a control vector)", path.string()),
                   "the extension says which of the two is written");
}

std::vector<float> LayerDirection::offset() const {
  std::vector<float> out = direction;
  for (float& value : out) value *= norm;
  return out;
}

std::string DirectionFile::site() const {
  for (const char* key : {"site", "vauban.direction.site"})
    if (const auto found = provenance.find(key); found != provenance.end()) return found->second;
  return "resid_post";
}

const LayerDirection* DirectionFile::find(int layer) const {
  const auto found = std::ranges::find(layers, layer, &LayerDirection::layer);
  return found == layers.end() ? nullptr : &*found;
}

Result<DirectionFile> read_directions(const std::filesystem::path& path) {
  auto file = read_from(path);
  if (file) return file;
  Error error = with_context(std::move(file).error(), format("in {}", path.string()));
  if (error.code != ErrorCode::corrupt || !error.hint.empty()) return error;
  return with_hint(std::move(error), "`vauban measure` writes direction files");
}

Result<std::string> write_directions(const std::filesystem::path& path, const DirectionFile& file, FileOps& ops) {
  VB_CHECK(check_direction_path(path));
  if (auto checked = check(file); !checked)
    return invalid_input("cannot write {}: {}", path.string(), checked.error().message);
  const bool control = is_control_vector(path);
  VB_CHECK(control ? write_control_vector(path, file, ops) : write_plain(path, file, ops), "in {}", path.string());
  return sha256_file(path.string());
}

}  // namespace vauban
