#include "model/archs/gpt2_config.h"

#include "base/strings.h"
#include "model/config_keys.h"

namespace vauban {
namespace {

Result<Activation> activation_from(const ConfigKeys& keys) {
  VB_TRY(const std::string name, keys.text_or("activation_function", "gelu_new"));
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu_erf;
  if (name == "relu") return Activation::relu;
  return unsupported("activation '{}' ({}) is not supported; known: gelu_new, gelu_pytorch_tanh, gelu, relu",
                     printable(name), keys.name("activation_function"));
}

Result<void> refuse_unknown_parts(const ConfigKeys& keys) {
  if (const Json* quantised = keys.find("quantization_config")) {
    const Json* method = quantised->find("quant_method");
    return unsupported("{}: method {} is not supported; known: none, and the block types of GGUF",
                       keys.name("quantization_config"), method ? shown(*method) : "(unnamed)");
  }
  for (const char* key : {"add_cross_attention", "scale_attn_by_inverse_layer_idx"}) {
    VB_TRY(const bool is_set, keys.flag_or(key, false));
    if (is_set) return unsupported("{} is true; this is not part of the gpt2 architecture here", keys.name(key));
  }
  VB_TRY(const bool scaled, keys.flag_or("scale_attn_weights", true));
  if (!scaled) return unsupported("{} is false; only scaled attention is known", keys.name("scale_attn_weights"));
  return ok();
}

Result<void> split_width(ModelConfig& c, const std::string& where) {
  if (c.width % c.heads != 0)
    return corrupt("{}: width {} does not divide into {} heads", where, c.width, c.heads);
  c.kv_heads = c.heads;
  c.head_dim = c.width / c.heads;
  return ok();
}

Result<void> read_gguf_ids(const ConfigKeys& tokenizer, ModelConfig& c) {
  VB_TRY(c.eos_ids, tokenizer.token_ids("eos_token_id"));
  VB_TRY(const std::vector<std::int32_t> bos, tokenizer.token_ids("bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return ok();
}

ModelConfig blank() {
  ModelConfig c;
  c.architecture = "gpt2";
  c.attention_bias = c.mlp_bias = true;
  return c;
}

}  // namespace

Result<ModelConfig> gpt2_config_from_hf(const ModelSource& source) {
  const std::string folder = source.path.string();
  const ConfigKeys keys(source.config, format("config.json of {}", folder));
  const ConfigKeys generation(source.generation_config, format("generation_config.json of {}", folder));
  VB_CHECK(refuse_unknown_parts(keys));
  ModelConfig c = blank();
  VB_TRY(c.vocab_size, keys.count("vocab_size"));
  VB_TRY(c.width, keys.count("n_embd"));
  VB_TRY(c.layers, keys.count("n_layer", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("n_head", ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count("n_positions"));
  VB_TRY(c.mlp_width, keys.count_or("n_inner", 4 * c.width));
  VB_CHECK(split_width(c, keys.name("n_head")));
  VB_TRY(c.norm_epsilon, keys.positive_or("layer_norm_epsilon", 1e-5));
  VB_TRY(c.activation, activation_from(keys));
  VB_TRY(c.tied_head, keys.flag_or("tie_word_embeddings", true));
  VB_TRY(c.eos_ids, (generation.find("eos_token_id") ? generation : keys).token_ids("eos_token_id"));
  VB_TRY(const std::vector<std::int32_t> bos, keys.token_ids("bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return c;
}

Result<ModelConfig> gpt2_config_from_gguf(const ModelSource& source) {
  const ModelFile& file = *source.file;
  const ConfigKeys keys(file.metadata(), source.path.string(), "gpt2.");
  const ConfigKeys tokenizer(file.metadata(), source.path.string(), "tokenizer.ggml.");
  ModelConfig c = blank();
  VB_TRY(c.width, keys.count("embedding_length"));
  VB_TRY(c.mlp_width, keys.count("feed_forward_length"));
  VB_TRY(c.layers, keys.count("block_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("attention.head_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count("context_length"));
  VB_CHECK(split_width(c, keys.name("attention.head_count")));
  VB_TRY(c.norm_epsilon, keys.positive("attention.layer_norm_epsilon"));
  c.activation = Activation::gelu_tanh;  // the format has no key
  const TensorEntry* table = file.find("token_embd.weight");
  if (!table || table->view.shape.rank() != 2 || table->view.shape[0] < 1)
    return not_found("tensor 'token_embd.weight' with 2 dimensions and at least one row is missing in {}",
                     source.path.string());
  c.vocab_size = table->view.shape[0];
  c.tied_head = file.find("output.weight") == nullptr;
  VB_CHECK(read_gguf_ids(tokenizer, c));
  return c;
}

// ---- tensors

Gpt2LayerTensors gpt2_layer_tensors(const ModelConfig& c, std::int64_t layer) {
  // The first published files leave out "transformer."; the module tree always has it.
  const std::string alias = format("h.{}.", layer), hf = "transformer." + alias, gguf = format("blk.{}.", layer);
  const auto norm = [&](const char* hf_name, const char* gguf_name) {
    return TensorSpec{.hf = hf + hf_name, .gguf = gguf + gguf_name, .shape = {c.width}, .hf_alias = alias + hf_name};
  };
  const auto conv = [&](const char* hf_name, const char* gguf_name, Shape shape) {
    return TensorSpec{.hf = hf + hf_name,
                      .gguf = gguf + gguf_name,
                      .shape = shape,
                      .hf_transposed = true,
                      .hf_alias = alias + hf_name};
  };
  return {.attn_norm = norm("ln_1", "attn_norm"),
          .mlp_norm = norm("ln_2", "ffn_norm"),
          .qkv = conv("attn.c_attn", "attn_qkv", {3 * c.width, c.width}),
          .attn_out = conv("attn.c_proj", "attn_output", {c.width, c.width}),
          .up = conv("mlp.c_fc", "ffn_up", {c.mlp_width, c.width}),
          .down = conv("mlp.c_proj", "ffn_down", {c.width, c.mlp_width})};
}

Gpt2EndTensors gpt2_end_tensors(const ModelConfig& c) {
  return {.embedding = {.hf = "transformer.wte.weight",
                        .gguf = "token_embd.weight",
                        .shape = {c.vocab_size, c.width},
                        .role = TensorRole::embedding,
                        .hf_alias = "wte.weight"},
          .positions = {.hf = "transformer.wpe.weight",
                        .gguf = "position_embd.weight",
                        .shape = {c.context_length, c.width},
                        .role = TensorRole::embedding,
                        .hf_alias = "wpe.weight"},
          .final_norm = {.hf = "transformer.ln_f", .gguf = "output_norm", .shape = {c.width}, .hf_alias = "ln_f"},
          .head = {.hf = "lm_head.weight",
                   .gguf = "output.weight",
                   .shape = {c.vocab_size, c.width},
                   .role = TensorRole::head}};
}

TensorMap gpt2_tensor_map(const ModelConfig& c) {
  const Gpt2EndTensors ends = gpt2_end_tensors(c);
  TensorMap map{ends.embedding, ends.positions};
  const auto add_norm = [&](const TensorSpec& norm) {
    map.push_back(norm_weight_of(norm));
    map.push_back(bias_of(norm));
  };
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const Gpt2LayerTensors t = gpt2_layer_tensors(c, layer);
    const auto add_linear = [&](const TensorSpec& module) {
      map.push_back(weight_of(module));
      map.push_back(bias_of(module));
    };
    add_norm(t.attn_norm);
    add_linear(t.qkv);
    add_linear(t.attn_out);
    add_norm(t.mlp_norm);
    add_linear(t.up);
    add_linear(t.down);
  }
  add_norm(ends.final_norm);
  if (!c.tied_head) map.push_back(ends.head);
  return map;
}

}  // namespace vauban
