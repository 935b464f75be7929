/// What the configuration writers of architectures share: the way back from a ModelConfig to the keys of a GGUF and to a
/// config.json. `convert` reads everything back and refuses what came out otherwise, so a writer need not check.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/gguf_writer.h"
#include "model/archs/reading.h"

namespace vauban {

struct Architecture;

/// Keys of one architecture: "gemma2." is put before every name. A name that is given again replaces the first.
class GgufKeyList {
 public:
  explicit GgufKeyList(std::string_view arch) : prefix_(std::string(arch) + ".") {}
  void u32(std::string_view name, std::int64_t value) { set_key(keys, GgufKey::u32(named(name), value)); }
  void f32(std::string_view name, double value) { set_key(keys, GgufKey::f32(named(name), value)); }
  void flag(std::string_view name, bool value) { set_key(keys, GgufKey::flag(named(name), value)); }
  void text(std::string_view name, std::string value) { set_key(keys, GgufKey::text(named(name), std::move(value))); }
  /// Something of each layer.
  void list(std::string_view name, GgufType element, Json::Array items) { set_key(keys, GgufKey::list(named(name), element, std::move(items))); }

  std::vector<GgufKey> keys;

 private:
  std::string named(std::string_view name) const { return prefix_ + std::string(name); }

  std::string prefix_;
};

/// Sizes, norm, heads, rotation (without scaling), window, soft caps and experts, under llama.cpp's names
/// (gguf-py/gguf/constants.py); then the architecture's own.
std::vector<GgufKey> gguf_config_keys(const Architecture& architecture, const ModelConfig& config);

/// The first layer's attention, and the first experts; null where there are none.
const AttentionSpec* attention_of(const ModelConfig& config);
const MoeSpec* experts_of(const ModelConfig& config);
bool is_parallel(const ModelConfig& config);

/// Sizes, class, tied head.
Json write_hf_sizes(const ModelConfig& config, std::string_view hf_class, std::string_view model_type, const SizeNames& names = {});
using HfFields = std::initializer_list<std::pair<const char*, Json>>;
void add_fields(Json& config, HfFields fields);
/// Theta, and the share of the head that is rotated (null: no key for it).
void add_rope(Json& json, const ModelConfig& config, const char* theta_key = "rope_theta", const char* share_key = nullptr);
/// Those above, for families that name things as Llama does: hidden_act, attention_bias, rms_norm_eps.
Json llama_like_config(const ModelConfig& config, std::string_view hf_class, std::string_view model_type, const SizeNames& names = {});
/// As config.json calls it; `tanh_name` for the tanh form of GELU, which has several names.
std::string activation_name(Activation activation, std::string_view tanh_name = "gelu_pytorch_tanh");
/// `value`, or null for 0.
Json or_null(std::int64_t value);
Json or_null(double value);
/// "sliding_attention" and "full_attention", layer by layer; `without_attention` where there is none.
Json layer_types(const ModelConfig& config, std::string_view without_attention = "full_attention");

}  // namespace vauban
