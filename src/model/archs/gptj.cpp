/// GPT-J: attention and MLP side by side behind one norm, the first pairs of each head rotated, a head with a bias.
///
/// Source: Wang and Komatsuzaki 2021; transformers GPTJForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/reading.h"

namespace vauban {
namespace {

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gptj", {.width = "n_embd", .mlp_width = "n_inner", .layers = "n_layer",
                                                      .heads = "n_head", .kv_heads = nullptr, .head_dim = nullptr,
                                                      .context = "n_positions"}));
  VB_TRY(c.activation, read_activation(keys.config, "activation_function", "gelu_new"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_epsilon", 1e-5));
  VB_TRY(const std::int64_t rotary, keys.config.count_or("rotary_dim", 64));
  if (rotary % 2 != 0 || rotary > c.head_dim)
    return corrupt("{} is {}: heads of {} cannot be rotated so", keys.config.name("rotary_dim"), rotary, c.head_dim);
  c.mlp_bias = true;
  c.decoder.norm = layer_norm(c.norm_epsilon);
  c.decoder.residuals = Residuals::parallel;
  c.decoder.head_bias = true;
  c.decoder.ropes = {{.table = {.layout = RopeLayout::interleaved, .inverse_frequency = plain_frequencies(10000.0, rotary)}}};
  set_layers(c, in_all(attention_spec(c)), in_all(plain_mlp_spec(c)));
  return c;
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.hf_layer = "transformer.h.{}.";
  n.embedding.hf = "transformer.wte";
  n.final_norm.hf = "transformer.ln_f";
  n.attn_norm.hf = "ln_1";
  n.q.hf = "attn.q_proj";
  n.k.hf = "attn.k_proj";
  n.v.hf = "attn.v_proj";
  n.o.hf = "attn.out_proj";
  n.up.hf = "mlp.fc_in";
  n.down.hf = "mlp.fc_out";
  n.hf_buffers = {"attn.bias", "attn.masked_bias"};
  return n;
}

}  // namespace

Architecture gptj_architecture() {
  return {
      .id = "gptj",
      .summary = "parallel attention and MLP behind one norm, head with a bias (GPT-J)",
      .hf_names = {"GPTJForCausalLM"},
      .gguf_names = {},
      .source = "Wang and Komatsuzaki 2021; transformers GPTJForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = nullptr,
      .names = names,
  };
}

}  // namespace vauban
