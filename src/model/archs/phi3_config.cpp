#include "model/archs/phi3_config.h"

#include "base/strings.h"
#include "model/config_keys.h"
#include "model/rope_scaling.h"

namespace vauban {
namespace {

Result<void> split_width(ModelConfig& c, const std::string& where) {
  if (c.width % c.heads != 0 || (c.width / c.heads) % 2 != 0)
    return corrupt("{}: width {} does not divide into {} heads of even width", where, c.width, c.heads);
  if (c.heads % c.kv_heads != 0)
    return corrupt("{}: {} query heads do not divide into {} key/value heads", where, c.heads, c.kv_heads);
  c.head_dim = c.width / c.heads;
  return ok();
}

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
  return ok();
}

Result<void> read_ids(const ConfigKeys& eos, const ConfigKeys& bos_keys, ModelConfig& c) {
  VB_TRY(c.eos_ids, eos.token_ids("eos_token_id"));
  VB_TRY(const std::vector<std::int32_t> bos, bos_keys.token_ids("bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return ok();
}

Result<void> read_gguf_rope(const ConfigKeys& keys, const ModelFile& file, ModelConfig& c) {
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"})
    if (file.find(name))
      return unsupported("rope type 'longrope' (tensor '{}') is not supported; known: none", name);
  VB_TRY(const std::string type, keys.text_or("rope.scaling.type", "none"));
  if (type != "none")
    return unsupported("rope type '{}' ({}) is not supported; known: none", printable(type),
                       keys.name("rope.scaling.type"));
  VB_TRY(const std::int64_t rotary, keys.count_or("rope.dimension_count", c.head_dim));
  if (rotary != c.head_dim)
    return unsupported("{} is {}; expected the head width {}", keys.name("rope.dimension_count"), rotary, c.head_dim);
  VB_TRY(c.rope_theta, keys.positive_or("rope.freq_base", 10000.0));
  c.rope.layout = RopeLayout::half;  // this architecture's rows are stored in Hugging Face order
  c.rope.inverse_frequency = plain_frequencies(c.rope_theta, c.head_dim);
  return ok();
}

}  // namespace

Result<ModelConfig> phi3_config_from_hf(const ModelSource& source) {
  const std::string folder = source.path.string();
  const ConfigKeys keys(source.config, format("config.json of {}", folder));
  const ConfigKeys generation(source.generation_config, format("generation_config.json of {}", folder));
  VB_CHECK(refuse_unknown_parts(keys));
  ModelConfig c;
  c.architecture = "phi3";
  VB_TRY(c.vocab_size, keys.count("vocab_size"));
  VB_TRY(c.width, keys.count("hidden_size"));
  VB_TRY(c.mlp_width, keys.count("intermediate_size"));
  VB_TRY(c.layers, keys.count("num_hidden_layers", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("num_attention_heads", ConfigKeys::kMaxHeads));
  VB_TRY(c.kv_heads, keys.count_or("num_key_value_heads", c.heads, ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count_or("max_position_embeddings", 4096));
  VB_CHECK(split_width(c, keys.name("num_attention_heads")));
  VB_TRY(c.window, keys.count_or("sliding_window", 0));
  VB_TRY(c.norm_epsilon, keys.positive_or("rms_norm_eps", 1e-5));
  VB_TRY(RopeConfig rope, rope_from_hf(keys, c.head_dim));
  c.rope_theta = rope.theta;
  c.rope = std::move(rope.table);
  VB_TRY(c.tied_head, keys.flag_or("tie_word_embeddings", false));
  VB_CHECK(read_ids(generation.find("eos_token_id") ? generation : keys, keys, c));
  return c;
}

Result<ModelConfig> phi3_config_from_gguf(const ModelSource& source) {
  const ModelFile& file = *source.file;
  const ConfigKeys keys(file.metadata(), source.path.string(), "phi3.");
  const ConfigKeys tokenizer(file.metadata(), source.path.string(), "tokenizer.ggml.");
  ModelConfig c;
  c.architecture = "phi3";
  VB_TRY(c.width, keys.count("embedding_length"));
  VB_TRY(c.mlp_width, keys.count("feed_forward_length"));
  VB_TRY(c.layers, keys.count("block_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("attention.head_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.kv_heads, keys.count_or("attention.head_count_kv", c.heads, ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count("context_length"));
  VB_CHECK(split_width(c, keys.name("attention.head_count")));
  if (keys.find("attention.sliding_window") && *keys.find("attention.sliding_window") != Json(0)) {  // 0: no window
    VB_TRY(c.window, keys.count("attention.sliding_window"));
  }
  VB_TRY(c.norm_epsilon, keys.positive("attention.layer_norm_rms_epsilon"));
  VB_CHECK(read_gguf_rope(keys, file, c));
  const TensorEntry* table = file.find("token_embd.weight");
  if (!table || table->view.shape.rank() != 2 || table->view.shape[0] < 1)
    return not_found("tensor 'token_embd.weight' with 2 dimensions and at least one row is missing in {}",
                     source.path.string());
  c.vocab_size = table->view.shape[0];
  c.tied_head = file.find("output.weight") == nullptr;
  VB_CHECK(read_ids(tokenizer, tokenizer, c));
  return c;
}

// ---- tensors

Phi3LayerTensors phi3_layer_tensors(const ModelConfig& c, std::int64_t layer) {
  const std::string hf = format("model.layers.{}.", layer), gguf = format("blk.{}.", layer);
  const std::int64_t q_width = c.heads * c.head_dim, kv_width = c.kv_heads * c.head_dim;
  const auto module = [&](const char* hf_name, const char* gguf_name, Shape shape) {
    return TensorSpec{.hf = hf + hf_name, .gguf = gguf + gguf_name, .shape = shape};
  };
  return {.attn_norm = norm_weight_of(module("input_layernorm", "attn_norm", {c.width})),
          .mlp_norm = norm_weight_of(module("post_attention_layernorm", "ffn_norm", {c.width})),
          .qkv = module("self_attn.qkv_proj", "attn_qkv", {q_width + 2 * kv_width, c.width}),
          .o = module("self_attn.o_proj", "attn_output", {c.width, q_width}),
          .gate_up = module("mlp.gate_up_proj", "ffn_up", {2 * c.mlp_width, c.width}),
          .down = module("mlp.down_proj", "ffn_down", {c.width, c.mlp_width})};
}

Phi3EndTensors phi3_end_tensors(const ModelConfig& c) {
  const Shape table{c.vocab_size, c.width};
  Phi3EndTensors ends{
      .embedding = {.hf = "model.embed_tokens.weight",
                    .gguf = "token_embd.weight",
                    .shape = table,
                    .role = TensorRole::embedding},
      .final_norm = {.hf = "model.norm.weight", .gguf = "output_norm.weight", .shape = {c.width}},
      .head = {.hf = "lm_head.weight", .gguf = "output.weight", .shape = table, .role = TensorRole::head}};
  if (c.tied_head) ends.embedding.hf_alias = ends.head.hf;
  return ends;
}

TensorMap phi3_tensor_map(const ModelConfig& c) {
  const Phi3EndTensors ends = phi3_end_tensors(c);
  TensorMap map{ends.embedding};
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const Phi3LayerTensors t = phi3_layer_tensors(c, layer);
    for (const TensorSpec& spec : {t.attn_norm, weight_of(t.qkv), weight_of(t.o), t.mlp_norm, weight_of(t.gate_up),
                                   weight_of(t.down)})
      map.push_back(spec);
  }
  map.push_back(ends.final_norm);
  if (!c.tied_head) map.push_back(ends.head);
  return map;
}

}  // namespace vauban
