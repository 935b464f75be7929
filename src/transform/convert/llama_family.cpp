// Hyper-parameters of the Llama family, between config.json and the `llama.` keys. Key names: model-files.md 2.2.
#include "transform/convert/llama_family.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "model/config_keys.h"
#include "model/rope_scaling.h"

namespace vauban {
namespace {

/// `rope_parameters` of newer files, `rope_scaling` of older ones; an empty object for none.
Json rope_object(const Json& config) {
  for (const char* key : {"rope_parameters", "rope_scaling"})
    if (const Json* value = config.find(key); value && value->is_object()) return *value;
  return Json::object();
}

std::string rope_type(const Json& rope) {
  for (const char* key : {"rope_type", "type"})
    if (const Json* value = rope.find(key); value && value->is_string()) return value->as_string();
  return "default";
}

/// Names: llama.cpp's converter. What it cannot express is refused.
Result<void> add_yarn(const Json& rope, const ModelConfig& c, double factor, std::vector<GgufKey>& keys) {
  for (const char* key : {"mscale", "mscale_all_dim", "truncate"})
    if (const Json* value = rope.find(key); value && !value->is_null() && *value != Json(true))
      return unsupported("'{}' of a yarn rope scaling has no place in a GGUF of the llama architecture", key);
  const Json* original = rope.find("original_max_position_embeddings");
  keys.push_back(GgufKey::u32("llama.rope.scaling.original_context_length",
                              original && original->is_integer() ? original->as_int() : c.context_length));
  for (const char* beta : {"beta_fast", "beta_slow"})
    if (const Json* value = rope.find(beta); value && value->is_number())
      keys.push_back(GgufKey::f32(format("llama.rope.scaling.yarn_{}", beta), value->as_double()));
  const double attention = c.decoder.ropes.front().table.attention_factor / yarn_mscale(factor);
  if (attention != 1.0) keys.push_back(GgufKey::f32("llama.rope.scaling.attn_factor", attention));
  return ok();
}

Result<void> add_rope_scaling(const ModelSource& source, const ModelConfig& c, std::vector<GgufKey>& keys) {
  const Json rope = rope_object(source.config);
  const std::string type = rope_type(rope);
  if (type == "default" || type == "llama3") return ok();  // llama3 is written as factors
  if (type != "linear" && type != "yarn")
    return unsupported("rope type '{}' has no place in a GGUF of the llama architecture; known: linear, llama3, yarn", type);
  VB_TRY(const double factor, rope.get_double("factor"));
  keys.push_back(GgufKey::text("llama.rope.scaling.type", type));
  keys.push_back(GgufKey::f32("llama.rope.scaling.factor", factor));
  return type == "yarn" ? add_yarn(rope, c, factor, keys) : ok();
}

Result<std::vector<GgufKey>> gguf_keys(const ModelSource& source, const ModelConfig& c) {
  if (c.activation != Activation::silu) return unsupported("a GGUF of the llama architecture always gates with SiLU");
  std::vector<GgufKey> keys{
      GgufKey::u32("llama.block_count", c.layers),
      GgufKey::u32("llama.context_length", c.context_length),
      GgufKey::u32("llama.embedding_length", c.width),
      GgufKey::u32("llama.feed_forward_length", c.mlp_width),
      GgufKey::u32("llama.attention.head_count", c.heads),
      GgufKey::u32("llama.attention.head_count_kv", c.kv_heads),
      GgufKey::f32("llama.rope.freq_base", c.rope_theta),
      GgufKey::f32("llama.attention.layer_norm_rms_epsilon", c.norm_epsilon),
      GgufKey::u32("llama.attention.key_length", c.head_dim),
      GgufKey::u32("llama.attention.value_length", c.head_dim),
      GgufKey::u32("llama.vocab_size", c.vocab_size),
      GgufKey::u32("llama.rope.dimension_count", c.head_dim),
  };
  VB_CHECK(add_rope_scaling(source, c, keys));
  return keys;
}

/// What divides each frequency: the plain one over the scaled one. Stored as f32, so positions of a llama3 model agree
/// with those of its folder to f32, not to the last bit of f64.
Result<std::vector<float>> rope_factors(const ModelSource& source, const ModelConfig& c) {
  std::vector<float> factors;
  if (rope_type(rope_object(source.config)) != "llama3") return factors;
  const std::vector<double> plain = plain_frequencies(c.rope_theta, c.head_dim);
  for (std::size_t i = 0; i < plain.size(); ++i)
    factors.push_back(static_cast<float>(plain[i] / c.decoder.ropes.front().table.inverse_frequency[i]));
  return factors;
}

// ---- back

/// Whether this scaling makes the frequencies of `c`, to the precision in which factors are stored.
bool makes_frequencies(const Llama3Scaling& scaling, const ModelConfig& c) {
  constexpr double kTolerance = 1e-6;  // factors are f32
  std::vector<double> made = plain_frequencies(c.rope_theta, c.head_dim);
  scale_llama3(made, scaling);
  for (std::size_t i = 0; i < made.size(); ++i)
    if (std::abs(made[i] / c.decoder.ropes.front().table.inverse_frequency[i] - 1.0) > kTolerance) return false;
  return true;
}

Json llama3_object(const Llama3Scaling& scaling) {
  return Json::object({{"rope_type", "llama3"},
                       {"factor", scaling.factor},
                       {"low_freq_factor", scaling.low_frequency},
                       {"high_freq_factor", scaling.high_frequency},
                       {"original_max_position_embeddings", static_cast<std::int64_t>(scaling.original_context)}});
}

/// The parameters behind `rope_freqs.weight`: the factor stands in it, the published models use 1 and 4 as bounds, and
/// the original context is a power of two.
Result<Json> recover_llama3(const ModelConfig& c) {
  const std::vector<double> plain = plain_frequencies(c.rope_theta, c.head_dim);
  Llama3Scaling scaling;
  scaling.factor = 1.0;
  for (std::size_t i = 0; i < plain.size(); ++i)
    scaling.factor = std::max(scaling.factor, std::round(plain[i] / c.decoder.ropes.front().table.inverse_frequency[i] * 1e5) / 1e5);
  for (std::int64_t context = 1; context <= (std::int64_t{1} << 24); context *= 2) {
    scaling.original_context = static_cast<double>(context);
    if (makes_frequencies(scaling, c)) return llama3_object(scaling);
  }
  return unsupported("the factors in 'rope_freqs.weight' are those of no llama3 scaling with bounds 1 and 4");
}

Result<Json> rope_scaling_of(const ModelSource& source, const ModelConfig& c) {
  const ConfigKeys keys(source.file->metadata(), source.path.string(), "llama.");
  VB_TRY(const double legacy_factor, keys.positive_or("rope.scale_linear", 1.0));
  VB_TRY(const double factor, keys.positive_or("rope.scaling.factor", legacy_factor));
  VB_TRY(const std::string type, keys.text_or("rope.scaling.type", factor == 1.0 ? "none" : "linear"));
  const bool linear = type == "linear" && factor != 1.0;
  if (type == "yarn") {
    VB_TRY(const std::int64_t original, keys.count_or("rope.scaling.original_context_length", c.context_length));
    Json rope = Json::object({{"rope_type", "yarn"}, {"type", "yarn"}, {"factor", factor},
                              {"original_max_position_embeddings", original}});
    for (const char* beta : {"beta_fast", "beta_slow"})
      if (keys.find(format("rope.scaling.yarn_{}", beta))) {
        VB_TRY(const double value, keys.positive(format("rope.scaling.yarn_{}", beta)));
        rope[beta] = value;
      }
    const double attention = c.decoder.ropes.front().table.attention_factor;
    if (attention != yarn_mscale(factor)) rope["attention_factor"] = attention;
    return rope;
  }
  if (source.file->find("rope_freqs.weight")) {
    if (linear) return unsupported("linear scaling and 'rope_freqs.weight' together have no place in a config.json");
    return recover_llama3(c);
  }
  if (linear) return Json::object({{"rope_type", "linear"}, {"type", "linear"}, {"factor", factor}});
  return Json();
}

Result<Json> hf_config(const ModelSource& source, const ModelConfig& c) {
  VB_TRY(Json rope_scaling, rope_scaling_of(source, c));
  return Json::object({{"architectures", Json::array({"LlamaForCausalLM"})},
                       {"model_type", "llama"},
                       {"vocab_size", c.vocab_size},
                       {"hidden_size", c.width},
                       {"intermediate_size", c.mlp_width},
                       {"num_hidden_layers", c.layers},
                       {"num_attention_heads", c.heads},
                       {"num_key_value_heads", c.kv_heads},
                       {"head_dim", c.head_dim},
                       {"max_position_embeddings", c.context_length},
                       {"rms_norm_eps", c.norm_epsilon},
                       {"rope_theta", c.rope_theta},
                       {"rope_scaling", std::move(rope_scaling)},
                       {"hidden_act", "silu"},
                       {"attention_bias", c.attention_bias},
                       {"mlp_bias", c.mlp_bias},
                       {"tie_word_embeddings", c.tied_head},
                       {"use_cache", true}});
}

}  // namespace

ConvertFamily llama_convert_family() {
  return {.architecture = "llama", .gguf_keys = gguf_keys, .rope_factors = rope_factors, .hf_config = hf_config};
}

}  // namespace vauban
