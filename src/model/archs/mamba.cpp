/// Mamba: selective state spaces, no attention and no MLP.
///
/// Source: Gu and Dao 2023 (arXiv 2312.00752); transformers MambaForCausalLM.
#include "model/decoder/mamba.h"

#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

/// Nothing in the model ends with a length; converters of others write the same number.
constexpr std::int64_t kContext = std::int64_t{1} << 20;

ModelConfig decoder_of(ModelConfig c, const MambaSpec& spec) {
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.mlp_width = spec.inner;
  set_layers(c, in_all(spec), [](std::int64_t) { return nullptr; });
  return c;
}

Result<int> kernel_of(const ConfigKeys& keys, const char* key, std::int64_t kernel) {
  if (kernel < 2) return unsupported("{}: a convolution over {} position is not known", keys.name(key), kernel);
  return static_cast<int>(kernel);
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  const ConfigKeys& config = keys.config;
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "mamba", {.mlp_width = nullptr, .heads = nullptr, .context = nullptr, .default_context = kContext, .tied = true}));
  VB_TRY(c.activation, read_activation(config, "hidden_act", "silu"));
  if (c.activation != Activation::silu) return unsupported("{}: Mamba is known with silu only", config.name("hidden_act"));
  VB_TRY(c.norm_epsilon, config.positive_or("layer_norm_epsilon", 1e-5));
  MambaSpec spec;
  VB_TRY(const std::int64_t expand, config.count_or("expand", 2, ConfigKeys::kMaxHeads));
  VB_TRY(spec.inner, config.count_or("intermediate_size", expand * c.width));
  VB_TRY(spec.states, config.count_or("state_size", 16, ConfigKeys::kMaxHeads));
  VB_TRY(const std::int64_t kernel, config.count_or("conv_kernel", 4, ConfigKeys::kMaxHeads));
  VB_TRY(spec.kernel, kernel_of(config, "conv_kernel", kernel));
  spec.rank = (c.width + 15) / 16;
  if (const Json* rank = config.find("time_step_rank"); rank && *rank != Json("auto")) {
    VB_TRY(spec.rank, config.count("time_step_rank", ConfigKeys::kMaxCount));
  }
  VB_TRY(spec.bias, config.flag_or("use_bias", false));
  VB_TRY(spec.conv_bias, config.flag_or("use_conv_bias", true));
  return decoder_of(std::move(c), spec);
}

/// The format has no place for biases of in_proj and out_proj, and always has that of the convolution.
Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys gguf(source, "mamba");
  const ConfigKeys& keys = gguf.config;
  VB_CHECK(refuse_keys(keys, {"ssm.dt_b_c_rms"}));  // Falcon-Mamba
  VB_TRY(ModelConfig c, read_gguf_sizes(gguf, "mamba", GgufHeads::none));
  VB_TRY(c.norm_epsilon, keys.positive("attention.layer_norm_rms_epsilon"));
  MambaSpec spec;
  VB_TRY(spec.inner, keys.count("ssm.inner_size"));
  VB_TRY(spec.states, keys.count("ssm.state_size", ConfigKeys::kMaxHeads));
  VB_TRY(spec.rank, keys.count("ssm.time_step_rank"));
  VB_TRY(const std::int64_t kernel, keys.count("ssm.conv_kernel", ConfigKeys::kMaxHeads));
  VB_TRY(spec.kernel, kernel_of(keys, "ssm.conv_kernel", kernel));
  return decoder_of(std::move(c), spec);
}

const MambaSpec& spec_of(const ModelConfig& c) { return dynamic_cast<const MambaSpec&>(*c.decoder.layers.front().mixer); }

/// Readers want the counts of what is not there.
void gguf_keys(const ModelConfig& c, GgufKeyList& keys) {
  const MambaSpec& spec = spec_of(c);
  keys.u32("feed_forward_length", 0);
  keys.u32("attention.head_count", 0);
  keys.u32("ssm.conv_kernel", spec.kernel);
  keys.u32("ssm.inner_size", spec.inner);
  keys.u32("ssm.state_size", spec.states);
  keys.u32("ssm.time_step_rank", spec.rank);
  keys.flag("ssm.dt_b_c_rms", false);
}

Json hf_config(const ModelConfig& c) {
  const MambaSpec& spec = spec_of(c);
  Json out = write_hf_sizes(c, "MambaForCausalLM", "mamba", {.heads = nullptr, .kv_heads = nullptr, .head_dim = nullptr, .context = nullptr});
  add_fields(out, {{"hidden_act", "silu"}, {"layer_norm_epsilon", c.norm_epsilon}, {"state_size", spec.states}, {"conv_kernel", spec.kernel},
                   {"time_step_rank", spec.rank}, {"use_bias", spec.bias}, {"use_conv_bias", spec.conv_bias}});
  if (spec.inner % c.width == 0) out["expand"] = spec.inner / c.width;
  return out;
}

DecoderNames names(const ModelConfig&) {
  DecoderNames names;
  names.embedding.hf = "backbone.embeddings";
  names.final_norm.hf = "backbone.norm_f";
  names.hf_layer = "backbone.layers.{}.";
  names.attn_norm.hf = "norm";
  return names;
}

}  // namespace

Architecture mamba_architecture() {
  return {
      .id = "mamba",
      .summary = "selective state spaces, no attention (Mamba); inference only",
      .hf_names = {"MambaForCausalLM"},
      .gguf_names = {"mamba"},
      .source = "arXiv 2312.00752; transformers MambaForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = gguf_keys,
      .llama_cpp = {.inner_width_is_twice = true},
  };
}

}  // namespace vauban
