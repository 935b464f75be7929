/// EXAONE 4: norms behind attention and MLP and over query and key heads; windowed layers rotate, the others do not.
///
/// Source: LG AI Research 2025 (arXiv 2507.11407); transformers Exaone4ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const std::vector<bool>& windowed) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.residuals = Residuals::after;
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c);
               attention.qk_norm = QkNorm::per_head;
               attention.qk_norm_spec = c.decoder.norm;
               if (c.window == 0 || windowed[static_cast<std::size_t>(layer)]) return attention;
               attention.args.window = 0;
               attention.rope = -1;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

/// "LLLG": a letter per layer, L for a windowed one, over and over; the last layer always sees everything. A number n stands
/// for n - 1 windowed ones and one that is not.
Result<std::vector<bool>> windowed_by_pattern(const ConfigKeys& keys, const ModelConfig& c) {
  std::string letters = "LLLG";
  if (const Json* pattern = keys.find("sliding_window_pattern"); pattern && pattern->is_integer()) {
    VB_TRY(const std::int64_t count, keys.count("sliding_window_pattern", 1024));
    letters = std::string(static_cast<std::size_t>(count - 1), 'L') + "G";
  } else {
    VB_TRY(letters, keys.text_or("sliding_window_pattern", letters));
  }
  if (letters.empty() || letters.find_first_not_of("LG") != std::string::npos)
    return corrupt("{}: expected a number, or letters L and G", keys.name("sliding_window_pattern"));
  return windowed_layers(keys, c, [&](std::int64_t i) {
    return c.window > 0 && i + 1 < c.layers && letters[static_cast<std::size_t>(i) % letters.size()] == 'L';
  });
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "exaone4"));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-5));
  VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
  VB_TRY(const auto windowed, windowed_by_pattern(keys.config, c));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "exaone4");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "exaone4"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  // The format has no key for the pattern; of the published sizes only the one of 64 layers has windows.
  if (c.layers == 64) {
    VB_TRY(c.window, keys.config.count_or("attention.sliding_window", 4096));
  }
  std::vector<bool> windowed;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) windowed.push_back((layer + 1) % 4 != 0);
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), windowed);
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = llama_like_config(c, "Exaone4ForCausalLM", "exaone4");
  add_fields(out, {{"sliding_window", or_null(c.window)}, {"layer_types", layer_types(c)}});
  return out;
}

}  // namespace

Architecture exaone4_architecture() {
  return {
      .id = "exaone4",
      .summary = "norms behind its blocks and over query and key heads; windowed layers rotate (EXAONE 4)",
      .hf_names = {"Exaone4ForCausalLM"},
      .gguf_names = {"exaone4"},
      .source = "arXiv 2507.11407; transformers Exaone4ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
