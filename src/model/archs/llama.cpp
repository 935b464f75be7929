/// The Llama family: RMSNorm before attention and MLP, rotary positions, grouped-query attention, gated MLP.
///
/// Sources: Touvron et al. 2023 (arXiv 2302.13971); Ainslie et al. 2023 for grouped queries (arXiv 2305.13245).
#include "model/archs/archs.h"
#include "model/archs/mixtral.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

Result<ModelConfig> decoder_of(ModelConfig c, RopeConfig rope) {
  if (c.head_dim % 2 != 0) return corrupt("rotary positions need an even head width, found {}", c.head_dim);
  set_rope(c, std::move(rope));
  c.decoder.norm = {.kind = NormKind::rms, .epsilon = c.norm_epsilon};
  AttentionSpec attention = attention_spec(c);
  attention.gguf_pairs = true;
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "llama"));
  VB_CHECK(refuse_keys(keys.config, {"sliding_window"}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.mlp_bias, keys.config.flag_or("mlp_bias", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.share = nullptr}));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "llama");
  VB_CHECK(refuse_keys(keys.config, {"attn_logit_softcapping",
                                     "final_logit_softcapping", "logit_scale", "attention.scale", "residual_scale",
                                     "embedding_scale"}));
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "llama"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;  // the format has no key for either
  c.mlp_bias = keys.file.find("blk.0.ffn_gate.bias") != nullptr;
  if (keys.config.find("attention.sliding_window")) {  // of a Mistral that was converted here; llama.cpp writes none
    VB_TRY(c.window, keys.config.count("attention.sliding_window"));
  }
  // q and k rows are brought into Hugging Face order when they are loaded
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length, RopeLayout::half));
  const Json* experts = keys.config.find("expert_count");
  if (!experts || *experts == Json(0)) return decoder_of(std::move(c), std::move(rope));
  VB_TRY(MoeSpec moe, moe_spec(c, keys.config));
  return mixtral_of(std::move(c), std::move(rope), std::move(moe));
}

DecoderNames names(const ModelConfig& c) { return experts_of(c) ? mixtral_names() : DecoderNames(); }

Json mistral_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "MistralForCausalLM", "mistral");
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"sliding_window", or_null(c.window)}});
  add_rope(out, c);
  return out;
}

Json mixtral_config(const ModelConfig& c, const Routing& routing) {
  Json out = write_hf_sizes(c, "MixtralForCausalLM", "mixtral");
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"sliding_window", or_null(c.window)},
                   {"num_local_experts", routing.experts}, {"num_experts_per_tok", routing.chosen}});
  add_rope(out, c);
  return out;
}

/// Files of this architecture hold Mistral and Mixtral as well.
Json hf_config(const ModelConfig& c) {
  if (const MoeSpec* experts = experts_of(c)) return mixtral_config(c, experts->routing);
  if (c.window > 0) return mistral_config(c);
  Json out = llama_like_config(c, "LlamaForCausalLM", "llama");
  out["mlp_bias"] = c.mlp_bias;
  return out;
}

}  // namespace

Architecture llama_architecture() {
  return {
      .id = "llama",
      .summary = "RMSNorm, rotary positions, grouped-query attention, SwiGLU (Llama 1 to 3.3, TinyLlama, SmolLM2)",
      .hf_names = {"LlamaForCausalLM"},
      .gguf_names = {"llama"},
      .source = "arXiv 2302.13971, 2305.13245; transformers LlamaForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .llama_cpp = {.skips_window = true, .mixture = LlamaCppRules::Mixture::llama},
  };
}

}  // namespace vauban
