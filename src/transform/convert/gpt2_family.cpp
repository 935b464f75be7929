// Hyper-parameters of GPT-2, between config.json and the `gpt2.` keys. Names: what llama.cpp's converter writes for the
// shared tiny model. Positions are a table, so there are no rotary factors.
#include "transform/convert/gpt2_family.h"

namespace vauban {
namespace {

/// The format has no key for the activation; every reader takes the tanh form of GELU.
Result<void> check_activation(const ModelConfig& c) {
  if (c.activation == Activation::gelu_tanh) return ok();
  return unsupported("this gpt2 has another activation than gelu_new, and GGUF has no key that could say so");
}

Result<std::vector<GgufKey>> gguf_keys(const ModelSource&, const ModelConfig& c) {
  VB_CHECK(check_activation(c));
  return std::vector<GgufKey>{
      GgufKey::u32("gpt2.block_count", c.layers),
      GgufKey::u32("gpt2.context_length", c.context_length),
      GgufKey::u32("gpt2.embedding_length", c.width),
      GgufKey::u32("gpt2.feed_forward_length", c.mlp_width),
      GgufKey::u32("gpt2.attention.head_count", c.heads),
      GgufKey::f32("gpt2.attention.layer_norm_epsilon", c.norm_epsilon),
  };
}

Result<std::vector<float>> rope_factors(const ModelSource&, const ModelConfig&) { return std::vector<float>(); }

Result<Json> hf_config(const ModelSource&, const ModelConfig& c) {
  return Json::object({{"architectures", Json::array({"GPT2LMHeadModel"})},
                       {"model_type", "gpt2"},
                       {"vocab_size", c.vocab_size},
                       {"n_embd", c.width},
                       {"n_inner", c.mlp_width == 4 * c.width ? Json() : Json(c.mlp_width)},
                       {"n_layer", c.layers},
                       {"n_head", c.heads},
                       {"n_positions", c.context_length},
                       {"n_ctx", c.context_length},
                       {"layer_norm_epsilon", c.norm_epsilon},
                       {"activation_function", "gelu_new"},
                       {"scale_attn_weights", true},
                       {"tie_word_embeddings", c.tied_head},
                       {"use_cache", true}});
}

}  // namespace

ConvertFamily gpt2_convert_family() {
  return {.architecture = "gpt2", .gguf_keys = gguf_keys, .rope_factors = rope_factors, .hf_config = hf_config};
}

}  // namespace vauban
