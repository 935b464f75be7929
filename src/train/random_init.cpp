#include "train/random_init.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/json_file.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "format/hf_writer.h"
#include "format/model_files.h"
#include "model/model.h"

namespace vauban {
namespace {

bool writes_to_residual(std::string_view name) {
  constexpr std::array kEnds{".o_proj.weight", ".down_proj.weight", ".c_proj.weight"};
  return std::any_of(kEnds.begin(), kEnds.end(), [&](std::string_view end) { return name.ends_with(end); });
}

std::uint64_t stream_of(std::string_view name) {
  const std::string hex = sha256_hex(name);
  return std::stoull(hex.substr(0, 15), nullptr, 16);
}

std::vector<float> initial_values(const TensorSpec& spec, const ModelConfig& config, const InitConfig& init,
                                  std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(spec.shape.elements()));
  if (spec.shape.rank() == 1) {
    std::fill(values.begin(), values.end(), spec.hf.ends_with(".bias") || spec.hf_minus_one ? 0.0f : 1.0f);
    return values;
  }
  const double depth = std::sqrt(2.0 * static_cast<double>(config.layers));
  const double std = writes_to_residual(spec.hf) ? init.std / depth : init.std;
  Rng rng(seed, stream_of(spec.hf));
  for (float& value : values) value = static_cast<float>(std * rng.normal());
  return values;
}

TensorBytes bytes_of(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return TensorBytes::own(std::move(bytes));
}

/// What an architecture's reader needs: a source that has a configuration and no tensors.
Result<ModelSource> source_of(const Json& config, const std::filesystem::path& path) {
  ModelSource source;
  source.name = "init";
  source.path = path;
  source.config = config;
  VB_TRY(source.file, ModelFile::make(Container::safetensors, {}, {}, Json::object()));
  return source;
}

std::string recipe_of(const InitConfig& init, std::uint64_t seed) { return format("normal(0, {}), seed {}", init.std, seed); }

Result<void> add_tokenizer(const std::filesystem::path& from, HfFolder& folder) {
  VB_CHECK(copy_model_files(from, folder));
  if (folder.text_files.contains("tokenizer.json") || folder.text_files.contains("tokenizer.model")) return ok();
  return not_found("{} holds neither tokenizer.json nor tokenizer.model", from.string());
}

}  // namespace

Result<bool> is_random_model(const InitConfig& init, std::uint64_t seed, const std::filesystem::path& path) {
  VB_TRY(const ModelSource made, ModelSource::open(path));
  const Json* recipe = made.file->metadata().find("vauban.init");
  VB_TRY(const Json config, read_json_file(init.config));
  if (!recipe || *recipe != Json(recipe_of(init, seed)) || made.config != config) return false;
  HfFolder wanted;
  VB_CHECK(add_tokenizer(init.tokenizer, wanted));
  for (const auto& [name, text] : wanted.text_files) {
    if (!std::filesystem::exists(path / name)) return false;
    VB_TRY(const std::string found, read_file(path / name));
    if (found != text) return false;
  }
  return true;
}

Result<void> write_random_model(const InitConfig& init, std::uint64_t seed, const std::filesystem::path& path) {
  VB_TRY(const Json config, read_json_file(init.config));
  VB_TRY(const ModelSource source, source_of(config, init.config));
  VB_TRY(const Architecture* architecture, find_architecture(source));
  VB_CHECK(source.check_quantization());
  VB_TRY(const ModelConfig parsed, architecture->config_from_hf(source), "in {}", init.config);
  HfFolder folder;
  folder.json_files["config.json"] = config;
  folder.metadata["vauban.init"] = recipe_of(init, seed);
  VB_CHECK(add_tokenizer(init.tokenizer, folder));
  for (const TensorSpec& spec : architecture->tensors(parsed)) {
    if (parsed.tied_head && spec.role == TensorRole::head) continue;
    folder.tensors.push_back({.name = spec.hf, .dtype = DType::f32, .shape = hf_shape(spec), .make = [=, &init, &parsed] {
                                return Result<TensorBytes>(bytes_of(initial_values(spec, parsed, init, seed)));
                              }});
  }
  return write_hf_folder(path, folder);
}

}  // namespace vauban
