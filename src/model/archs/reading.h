/// What the configuration readers of architectures share. Each takes the defaults of its family's own configuration class:
/// an absent key and a null one may differ there.
#pragma once

#include <functional>
#include <initializer_list>

#include "format/model_source.h"
#include "model/config.h"
#include "model/config_keys.h"
#include "model/decoder/attention.h"
#include "model/decoder/mlp.h"
#include "model/decoder/moe.h"
#include "model/rope_scaling.h"

namespace vauban {

/// Keys of a folder's config.json and generation_config.json. The source must outlive them.
struct HfKeys {
  ConfigKeys config, generation;
  explicit HfKeys(const ModelSource& source);
};
/// Keys of a GGUF: `{arch}.*`, and `tokenizer.ggml.*`. The source must outlive them.
struct GgufKeys {
  ConfigKeys config, tokenizer;
  const ModelFile& file;
  GgufKeys(const ModelSource& source, std::string_view arch);
};

/// What a family calls its sizes in config.json; null: it has no such key (no heads: no attention).
struct SizeNames {
  const char* vocab = "vocab_size";
  const char* width = "hidden_size";
  const char* mlp_width = "intermediate_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* kv_heads = "num_key_value_heads";
  const char* head_dim = "head_dim";
  const char* context = "max_position_embeddings";
  std::int64_t default_context = 2048;
  std::int64_t default_head_dim = 0;  ///< 0: D / H
  bool tied = false;  ///< where config.json does not say
};
/// Sizes, ids and the tied head. An absent MLP width is 4 D, absent key/value heads are the query heads, an absent head
/// width is D / H. Errors: corrupt for what does not divide.
Result<ModelConfig> read_hf_sizes(const HfKeys& keys, std::string_view architecture, const SizeNames& names = {});

/// What the heads of a family's GGUF files are like.
enum class GgufHeads {
  alike,           ///< in every layer
  of_some_layers,  ///< a list of key/value heads is 0 in the others
  own_widths,      ///< head widths are the family's own business
  none,            ///< no attention, and no MLP: `mlp_width` is the family's own business
};
/// The same from a GGUF. Tied where there is no output.weight.
Result<ModelConfig> read_gguf_sizes(const GgufKeys& keys, std::string_view architecture, GgufHeads heads = GgufHeads::alike);

/// The functions that config files name, but for gates of their own. Errors: unsupported, with the known names.
Result<Activation> read_activation(const ConfigKeys& keys, const char* key, std::string_view fallback);

/// Errors: unsupported, naming the key, when one of these is there and not null, false or `neutral`.
Result<void> refuse_keys(const ConfigKeys& keys, std::initializer_list<const char*> names, double neutral = 0.0);

/// Layers that have experts, of families where some have not.
struct SparseLayers {
  std::int64_t step = 1;            ///< every so many layers, beginning with layer step - 1
  std::vector<std::int64_t> dense;  ///< but not these
  std::int64_t dense_first = 0;     ///< nor so many at the beginning
  bool at(std::int64_t layer) const;
};
/// `decoder_sparse_step` and `mlp_only_layers`. Errors: corrupt.
Result<SparseLayers> sparse_layers(const ConfigKeys& keys);

/// Attention and MLP of the configuration's sizes, activation, biases and window, scaled by 1 / sqrt(d).
AttentionSpec attention_spec(const ModelConfig& config);
/// The same in a layer that may see everything.
AttentionSpec attention_spec(const ModelConfig& config, bool windowed);
MlpSpec mlp_spec(const ModelConfig& config);
MlpSpec plain_mlp_spec(const ModelConfig& config);  ///< without a gate
/// `experts` MLPs of `width`, `chosen` of them per token. Errors: corrupt when that many cannot be chosen.
Result<MoeSpec> moe_spec(const ModelConfig& config, std::int64_t experts, std::int64_t chosen, std::int64_t width);
/// By `expert_count`, `expert_used_count` and `expert_feed_forward_length` of a GGUF.
Result<MoeSpec> moe_spec(const ModelConfig& config, const ConfigKeys& keys);

NormSpec rms_norm(double epsilon);
NormSpec layer_norm(double epsilon, bool bias = true);

/// 2^(-8i/H) for heads i = 1 .. H of a power of two; the heads beyond the largest power of two take every other slope of
/// twice as many. Source: Press et al. 2021 (arXiv 2108.12409), reference code.
std::vector<double> alibi_slopes(std::int64_t heads);

/// A block for each layer: the same for all, or made for where it stands.
using MakeBlock = std::function<std::shared_ptr<const BlockSpec>(std::int64_t layer)>;
template <class Spec>
MakeBlock in_all(Spec spec) {
  return [shared = std::make_shared<const Spec>(std::move(spec))](std::int64_t) { return shared; };
}
template <class Make>
MakeBlock in_each(Make make) {
  return [make](std::int64_t layer) { return std::make_shared<const decltype(make(layer))>(make(layer)); };
}
/// `these` in the marked layers, `others` in the others.
MakeBlock in_marked(const std::vector<bool>& marked, MakeBlock these, MakeBlock others);
/// `sparse` in the layers that have experts, `dense` in the others.
MakeBlock in_sparse(const SparseLayers& layers, const MoeSpec& sparse, const MlpSpec& dense);
void set_layers(ModelConfig& config, const MakeBlock& mixer, const MakeBlock& feed);

/// Sets the first rotary table and theta.
void set_rope(ModelConfig& config, RopeConfig rope);

/// A soft cap: null says that there is none, an absent key the default (0: none).
Result<double> softcap_of(const ConfigKeys& keys, const ModelSource& source, const char* key, double fallback);

/// Whether config.json has the key, null or not: for families where an absent key and a null one differ.
bool has_key(const ModelSource& source, std::string_view key);

/// The window of a Qwen: off unless `use_sliding_window`, then in the layers from `max_window_layers` on, or as `layer_types`
/// says. Sets `config.window`; -> which layers have it.
Result<std::vector<bool>> read_qwen_window(const ModelSource& source, const ConfigKeys& keys, ModelConfig& config);

/// Which layers are of type `kind`, the others of full_attention: as `layer_types` says (newer files), else as `is_kind`
/// does. Errors: corrupt; unsupported for another type of layer.
Result<std::vector<bool>> layers_of_kind(const ConfigKeys& keys, const ModelConfig& config, std::string_view kind,
                                         const std::function<bool(std::int64_t)>& is_kind);

/// Which layers have the window: as `layer_types` says (newer files), else as `is_windowed` does. Errors: unsupported for
/// another type of layer.
Result<std::vector<bool>> windowed_layers(const ConfigKeys& keys, const ModelConfig& config,
                                          const std::function<bool(std::int64_t)>& is_windowed);

}  // namespace vauban
