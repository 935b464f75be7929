// Hyper-parameters of Phi-3, between config.json and the `phi3.` keys. Names: what llama.cpp's converter writes for the
// shared tiny model. Rows of q and k keep the Hugging Face order, so nothing is permuted.
#include "transform/convert/phi3_family.h"

#include "model/config_keys.h"
#include "model/rope_scaling.h"

namespace vauban {
namespace {

/// The keys of this architecture know no scaling but longrope, which is not built.
Result<void> check_rope(const ModelConfig& c) {
  if (c.decoder.ropes.front().table.inverse_frequency == plain_frequencies(c.rope_theta, c.head_dim)) return ok();
  return unsupported("this phi3 has scaled rotary frequencies; converting is built for phi3 without rope scaling");
}

Result<std::vector<GgufKey>> gguf_keys(const ModelSource& source, const ModelConfig& c) {
  VB_CHECK(check_rope(c));
  const ConfigKeys config(source.config, "config.json of " + source.path.string());
  VB_TRY(const std::int64_t original, config.count_or("original_max_position_embeddings", c.context_length));
  return std::vector<GgufKey>{
      GgufKey::u32("phi3.context_length", c.context_length),
      GgufKey::u32("phi3.rope.scaling.original_context_length", original),
      GgufKey::u32("phi3.embedding_length", c.width),
      GgufKey::u32("phi3.feed_forward_length", c.mlp_width),
      GgufKey::u32("phi3.block_count", c.layers),
      GgufKey::u32("phi3.attention.head_count", c.heads),
      GgufKey::u32("phi3.attention.head_count_kv", c.kv_heads),
      GgufKey::f32("phi3.attention.layer_norm_rms_epsilon", c.norm_epsilon),
      GgufKey::u32("phi3.rope.dimension_count", c.head_dim),
      GgufKey::f32("phi3.rope.freq_base", c.rope_theta),
      GgufKey::u32("phi3.attention.sliding_window", c.window),  // 0: every key is seen
  };
}

Result<std::vector<float>> rope_factors(const ModelSource&, const ModelConfig&) { return std::vector<float>(); }

Result<Json> hf_config(const ModelSource& source, const ModelConfig& c) {
  const ConfigKeys keys(source.file->metadata(), source.path.string(), "phi3.");
  VB_TRY(const std::int64_t original, keys.count_or("rope.scaling.original_context_length", c.context_length));
  return Json::object({{"architectures", Json::array({"Phi3ForCausalLM"})},
                       {"model_type", "phi3"},
                       {"vocab_size", c.vocab_size},
                       {"hidden_size", c.width},
                       {"intermediate_size", c.mlp_width},
                       {"num_hidden_layers", c.layers},
                       {"num_attention_heads", c.heads},
                       {"num_key_value_heads", c.kv_heads},
                       {"max_position_embeddings", c.context_length},
                       {"original_max_position_embeddings", original},
                       {"rms_norm_eps", c.norm_epsilon},
                       {"rope_theta", c.rope_theta},
                       {"rope_scaling", Json()},
                       {"sliding_window", c.window > 0 ? Json(c.window) : Json()},
                       {"hidden_act", "silu"},
                       {"pad_token_id", Json()},
                       {"tie_word_embeddings", c.tied_head},
                       {"use_cache", true}});
}

}  // namespace

ConvertFamily phi3_convert_family() {
  return {.architecture = "phi3", .gguf_keys = gguf_keys, .rope_factors = rope_factors, .hf_config = hf_config};
}

}  // namespace vauban
