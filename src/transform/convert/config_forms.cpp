#include "transform/convert/config_forms.h"

#include <algorithm>

#include "base/strings.h"
#include "model/archs/writing.h"
#include "model/config_differences.h"
#include "model/decoder/mla.h"

namespace vauban {
namespace {

/// Reads the keys as from a file, with tensors that have names and shapes, and bytes where factors need them.
Result<ModelConfig> read_back(const ModelSource& folder, const Architecture& architecture, const GgufConfig& config,
                              std::vector<TensorEntry> tensors) {
  Json metadata = Json::object({{"general.architecture", Json(architecture.gguf_names.front())}});
  for (const GgufKey& key : config.keys) metadata[key.name] = key.value;
  for (const RopeFactors& factors : config.factors)
    tensors.push_back({.name = factors.name,
                       .view = {DType::f32, {std::ssize(factors.values)}, std::as_bytes(std::span(factors.values))}});
  ModelSource made;
  made.path = folder.path;
  VB_TRY(made.file, ModelFile::make(Container::gguf, folder.file->files(), std::move(tensors), std::move(metadata)));
  return architecture.read_config(made);
}

/// What llama.cpp's reader computes otherwise than this one. Source: the README of the shared tiny models (llama.cpp 0.5.0).
void add_notes(const Architecture& gguf, const ModelConfig& config, GgufConfig& out) {
  if (config.window > 0 && gguf.llama_cpp.skips_window)
    out.notes.push_back(format("the sliding window of {} is kept in a key that llama.cpp does not read for this architecture", config.window));
  const MoeSpec* experts = experts_of(config);
  if (experts && experts->routing.groups > 1 && experts->routing.group_score == Routing::GroupScore::best)
    out.notes.push_back("groups of experts are ranked by their best one (DeepSeek-V2); llama.cpp ranks them by the sum of two");
  const AttentionSpec* attention = attention_of(config);
  const int enough = gguf.llama_cpp.qk_norms_from_layers;
  if (attention && attention->qk_norm != QkNorm::none && config.layers < enough)
    out.notes.push_back(format("norms of q and k are kept, which llama.cpp reads only of a {} with {} or more layers", gguf.gguf_names.front(), enough));
  const MlaSpec* latent = config.decoder.layers.empty() ? nullptr : dynamic_cast<const MlaSpec*>(config.decoder.layers.front().mixer.get());
  if (latent && latent->q_rank == 0 && config.layers != 26 && config.layers != 27)
    out.notes.push_back("queries are projected in one step, which llama.cpp reads only of a DeepSeek with 26 or 27 layers (V2 Lite)");
  if (gguf.llama_cpp.unit_vectors_by_norm_epsilon && config.norm_epsilon != 1e-6)
    out.notes.push_back(format("queries and keys of delta nets become unit vectors with an epsilon of 1e-06; llama.cpp takes the norms' {}", config.norm_epsilon));
  if (gguf.llama_cpp.inner_width_is_twice && config.mlp_width != 2 * config.width)
    out.notes.push_back(format("llama.cpp reads a {} only where its inner width ({}) is twice its width ({})", gguf.gguf_names.front(), config.mlp_width, config.width));
}

const Architecture* by_class(const Json& config) {
  const Json* names = config.find("architectures");
  if (!names || !names->is_array() || names->size() != 1) return nullptr;
  for (const Architecture& architecture : all_architectures())
    for (const std::string_view name : architecture.hf_names)
      if (names->items().front() == Json(name)) return &architecture;
  return nullptr;
}

}  // namespace

std::vector<std::string> convertible_architectures() {
  std::vector<std::string> ids;
  for (const Architecture& architecture : all_architectures())
    if (const Architecture* gguf = gguf_architecture(architecture); gguf && gguf->hf_config) ids.emplace_back(architecture.id);
  return ids;
}

Result<const Architecture*> convertible(const Architecture& architecture) {
  const Architecture* gguf = gguf_architecture(architecture);
  if (gguf && gguf->hf_config) return gguf;
  return unsupported("converting the architecture '{}' is not built: {}; known: {}", architecture.id,
                     gguf ? "its configuration has no writer" : "llama.cpp has no GGUF form of it", join(convertible_architectures(), ", "));
}

ModelConfig in_gguf_form(const Architecture& architecture, ModelConfig config) {
  return architecture.gguf_form ? architecture.gguf_form(std::move(config)) : config;
}

Result<GgufConfig> gguf_config_of(const ModelSource& folder, const Architecture& architecture, const ModelConfig& config,
                                  const std::vector<TensorEntry>& tensors) {
  VB_TRY(const Architecture* gguf, convertible(architecture));
  const ModelConfig form = in_gguf_form(architecture, config);
  GgufConfig out{.keys = gguf_config_keys(*gguf, form), .factors = {}, .notes = {}};
  VB_TRY(GgufRope rope, rope_to_gguf(folder.config, form, *gguf));
  for (GgufKey& key : rope.keys) set_key(out.keys, std::move(key));
  out.factors = std::move(rope.factors);
  out.notes = std::move(rope.notes);
  VB_TRY(const ModelConfig back, read_back(folder, *gguf, out, tensors), "in the GGUF that {} would become", folder.path.string());
  if (const auto differences = config_differences(form, back); !differences.empty())
    return unsupported("a GGUF of the architecture '{}' has no place for this of {}: {}", gguf->gguf_names.front(),
                       folder.path.string(), join(differences, ", "));
  add_notes(*gguf, form, out);
  return out;
}

Result<std::vector<std::string>> differences_as_folder(const Json& config_json, const ModelSource& gguf, const ModelConfig& config) {
  const Architecture* architecture = by_class(config_json);
  if (!architecture) return std::vector<std::string>{"architecture"};
  ModelSource folder;
  folder.path = gguf.path;
  folder.file = gguf.file;
  folder.config = config_json;
  VB_TRY(ModelConfig read, architecture->config_from_hf(folder));
  return config_differences(in_gguf_form(*architecture, std::move(read)), config);
}

Result<Json> hf_config_json(const ModelSource& gguf, const Architecture& architecture, const ModelConfig& config) {
  VB_CHECK(convertible(architecture));
  Json out = architecture.hf_config(config);
  if (!config.decoder.ropes.empty()) {
    VB_TRY(out["rope_scaling"], rope_to_hf(gguf, config, architecture.gguf_names.front()));
  }
  VB_TRY(const auto differences, differences_as_folder(out, gguf, config), "in the folder that {} would become", gguf.path.string());
  if (differences.empty()) return out;
  return unsupported("a config.json of {} has no place for this of {}: {}", architecture.id, gguf.path.string(), join(differences, ", "));
}

}  // namespace vauban
