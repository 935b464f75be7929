#include "model/archs/llama_config.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "model/config_keys.h"
#include "model/rope_scaling.h"

namespace vauban {
namespace {

Result<void> check_heads(const ModelConfig& c, const std::string& where) {
  if (c.heads % c.kv_heads != 0)
    return corrupt("{}: {} query heads do not divide into {} key/value heads", where, c.heads, c.kv_heads);
  if (c.head_dim % 2 != 0) return corrupt("{}: rotary positions need an even head width, found {}", where, c.head_dim);
  return ok();
}

Result<std::int64_t> default_head_dim(const ModelConfig& c, const std::string& where) {
  if (c.width % c.heads != 0 || c.width / c.heads > ConfigKeys::kMaxHeads)
    return corrupt("{}: width {} does not divide into {} heads, and no head width is given", where, c.width, c.heads);
  return c.width / c.heads;
}

/// Keys that would change what the layers compute, and that this forward pass does not know.
Result<void> refuse_unknown_parts(const ConfigKeys& keys) {
  if (const Json* quantised = keys.find("quantization_config")) {
    const Json* method = quantised->find("quant_method");
    return unsupported("{}: method {} is not supported; known: none, and the block types of GGUF",
                       keys.name("quantization_config"), method ? shown(*method) : "(unnamed)");
  }
  VB_TRY(const std::string activation, keys.text_or("hidden_act", "silu"));
  if (activation != "silu")
    return unsupported("activation '{}' ({}) is not supported; known: silu", printable(activation),
                       keys.name("hidden_act"));
  if (const Json* window = keys.find("sliding_window"))
    return unsupported("{} is {}; windows are not part of this architecture", keys.name("sliding_window"),
                       shown(*window));
  return ok();
}

Result<void> read_hf_sizes(const ConfigKeys& keys, ModelConfig& c) {
  VB_TRY(c.vocab_size, keys.count("vocab_size"));
  VB_TRY(c.width, keys.count("hidden_size"));
  VB_TRY(c.mlp_width, keys.count("intermediate_size"));
  VB_TRY(c.layers, keys.count("num_hidden_layers", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("num_attention_heads", ConfigKeys::kMaxHeads));
  VB_TRY(c.kv_heads, keys.count_or("num_key_value_heads", c.heads, ConfigKeys::kMaxHeads));
  VB_TRY(c.head_dim, keys.find("head_dim") ? keys.count("head_dim", ConfigKeys::kMaxHeads)
                                           : default_head_dim(c, keys.name("hidden_size")));
  VB_TRY(c.context_length, keys.count_or("max_position_embeddings", 2048));
  return check_heads(c, keys.name("num_attention_heads"));
}

/// generation_config.json says what ends a text where both files do.
Result<void> read_hf_ids(const ConfigKeys& keys, const ConfigKeys& generation, ModelConfig& c) {
  VB_TRY(c.eos_ids, (generation.find("eos_token_id") ? generation : keys).token_ids("eos_token_id"));
  VB_TRY(const std::vector<std::int32_t> bos, keys.token_ids("bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return ok();
}

Result<void> refuse_unknown_gguf_parts(const ConfigKeys& keys) {
  for (const char* key :
       {"expert_count", "attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping", "logit_scale",
        "attention.scale", "residual_scale", "embedding_scale"}) {
    const Json* value = keys.find(key);
    if (value && !(value->is_number() && value->as_double() == 0.0))
      return unsupported("{} is {}; this is not part of the llama architecture here", keys.name(key), shown(*value));
  }
  return ok();
}

Result<void> read_gguf_sizes(const ConfigKeys& keys, const ModelFile& file, ModelConfig& c) {
  VB_TRY(c.width, keys.count("embedding_length"));
  VB_TRY(c.mlp_width, keys.count("feed_forward_length"));
  VB_TRY(c.layers, keys.count("block_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("attention.head_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.kv_heads, keys.count_or("attention.head_count_kv", c.heads, ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count("context_length"));
  VB_TRY(c.head_dim, keys.find("attention.key_length") ? keys.count("attention.key_length", ConfigKeys::kMaxHeads)
                                                       : default_head_dim(c, keys.name("embedding_length")));
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    VB_TRY(const std::int64_t size, keys.count_or(key, c.head_dim, ConfigKeys::kMaxHeads));
    if (size != c.head_dim)
      return unsupported("{} is {}; expected the head width {}", keys.name(key), size, c.head_dim);
  }
  const TensorEntry* table = file.find("token_embd.weight");
  if (!table || table->view.shape.rank() != 2 || table->view.shape[0] < 1)
    return not_found("tensor 'token_embd.weight' with 2 dimensions and at least one row is missing in {}",
                     file.files().front()->path().string());
  VB_TRY(c.vocab_size, keys.count_or("vocab_size", table->view.shape[0]));
  return check_heads(c, keys.name("attention.head_count"));
}

/// Factors that divide each pair's frequency: how converters write llama3 scaling.
Result<void> apply_rope_factors(const ModelFile& file, std::vector<double>& frequencies) {
  const TensorEntry* entry = file.find("rope_freqs.weight");
  if (!entry) return ok();
  const Shape expected{static_cast<std::int64_t>(frequencies.size())};
  if (entry->view.shape != expected)
    return corrupt("tensor 'rope_freqs.weight': expected shape {}, file has {}", expected.to_string(),
                   entry->view.shape.to_string());
  VB_TRY(const std::vector<float> factors, decode_f32(entry->view), "in tensor 'rope_freqs.weight'");
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (!std::isfinite(factors[i]) || factors[i] <= 0.0F)
      return corrupt("tensor 'rope_freqs.weight': expected factors > 0, found {} at {}", factors[i], i);
    frequencies[i] /= static_cast<double>(factors[i]);
  }
  return ok();
}

Result<void> read_gguf_rope(const ConfigKeys& keys, const ModelFile& file, ModelConfig& c) {
  VB_TRY(c.rope_theta, keys.positive_or("rope.freq_base", 10000.0));
  c.rope.layout = RopeLayout::half;  // q and k rows are brought into Hugging Face order when they are loaded
  c.rope.inverse_frequency = plain_frequencies(c.rope_theta, c.head_dim);
  VB_TRY(const double legacy_factor, keys.positive_or("rope.scale_linear", 1.0));
  VB_TRY(const double factor, keys.positive_or("rope.scaling.factor", legacy_factor));
  VB_TRY(const std::string type, keys.text_or("rope.scaling.type", factor == 1.0 ? "none" : "linear"));
  if (type != "none" && type != "linear")
    return unsupported("rope type '{}' ({}) is not supported; known: none, linear, and factors in 'rope_freqs.weight'",
                       printable(type), keys.name("rope.scaling.type"));
  if (type == "linear") scale_linear(c.rope.inverse_frequency, factor);
  return apply_rope_factors(file, c.rope.inverse_frequency);
}

/// -1 (stored as 2^32 - 1) marks a token that the vocabulary does not have.
Result<std::vector<std::int32_t>> gguf_token(const ConfigKeys& tokenizer, std::string_view key) {
  const Json* value = tokenizer.find(key);
  if (value && value->is_integer() && (value->as_int() == -1 || value->as_int() == 0xFFFFFFFF))
    return std::vector<std::int32_t>{};
  return tokenizer.token_ids(key);
}

Result<void> read_gguf_ids(const ConfigKeys& tokenizer, ModelConfig& c) {
  for (const char* key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    VB_TRY(const std::vector<std::int32_t> ids, gguf_token(tokenizer, key));
    for (const std::int32_t id : ids)
      if (std::find(c.eos_ids.begin(), c.eos_ids.end(), id) == c.eos_ids.end()) c.eos_ids.push_back(id);
  }
  VB_TRY(const std::vector<std::int32_t> bos, gguf_token(tokenizer, "bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return ok();
}

}  // namespace

Result<ModelConfig> llama_config_from_hf(const ModelSource& source) {
  const std::string folder = source.path.string();
  const ConfigKeys keys(source.config, format("config.json of {}", folder));
  const ConfigKeys generation(source.generation_config, format("generation_config.json of {}", folder));
  VB_CHECK(refuse_unknown_parts(keys));
  ModelConfig c;
  c.architecture = "llama";
  VB_CHECK(read_hf_sizes(keys, c));
  VB_TRY(c.norm_epsilon, keys.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(RopeConfig rope, rope_from_hf(keys, c.head_dim));
  c.rope_theta = rope.theta;
  c.rope = std::move(rope.table);
  VB_TRY(c.attention_bias, keys.flag_or("attention_bias", false));
  VB_TRY(c.mlp_bias, keys.flag_or("mlp_bias", false));
  VB_TRY(c.tied_head, keys.flag_or("tie_word_embeddings", false));
  VB_CHECK(read_hf_ids(keys, generation, c));
  return c;
}

Result<ModelConfig> llama_config_from_gguf(const ModelSource& source) {
  const ModelFile& file = *source.file;
  const ConfigKeys keys(file.metadata(), source.path.string(), "llama.");
  const ConfigKeys tokenizer(file.metadata(), source.path.string(), "tokenizer.ggml.");
  VB_CHECK(refuse_unknown_gguf_parts(keys));
  ModelConfig c;
  c.architecture = "llama";
  VB_CHECK(read_gguf_sizes(keys, file, c));
  VB_TRY(c.norm_epsilon, keys.positive("attention.layer_norm_rms_epsilon"));
  VB_CHECK(read_gguf_rope(keys, file, c));
  c.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;  // the format has no key for either
  c.mlp_bias = file.find("blk.0.ffn_gate.bias") != nullptr;
  c.tied_head = file.find("output.weight") == nullptr;
  VB_CHECK(read_gguf_ids(tokenizer, c));
  return c;
}

}  // namespace vauban
