#include "model/archs/llama_tensors.h"

#include "base/format.h"

namespace vauban {

LlamaLayerTensors llama_layer_tensors(const ModelConfig& c, std::int64_t layer) {
  const std::string hf = format("model.layers.{}.", layer), gguf = format("blk.{}.", layer);
  const std::int64_t q_rows = c.heads * c.head_dim, kv_rows = c.kv_heads * c.head_dim;
  const auto norm = [&](const char* hf_name, const char* gguf_name) {
    return TensorSpec{.hf = hf + hf_name + ".weight", .gguf = gguf + gguf_name + ".weight", .shape = {c.width}};
  };
  const auto linear = [&](const char* hf_name, const char* gguf_name, Shape shape, std::int64_t rotary_heads = 0) {
    return TensorSpec{.hf = hf + hf_name,
                      .gguf = gguf + gguf_name,
                      .shape = shape,
                      .gguf_rows = rotary_heads ? RowOrder::interleaved_heads : RowOrder::as_stored,
                      .heads = static_cast<int>(rotary_heads)};
  };
  return {.attn_norm = norm("input_layernorm", "attn_norm"),
          .mlp_norm = norm("post_attention_layernorm", "ffn_norm"),
          .q = linear("self_attn.q_proj", "attn_q", {q_rows, c.width}, c.heads),
          .k = linear("self_attn.k_proj", "attn_k", {kv_rows, c.width}, c.kv_heads),
          .v = linear("self_attn.v_proj", "attn_v", {kv_rows, c.width}),
          .o = linear("self_attn.o_proj", "attn_output", {c.width, q_rows}),
          .gate = linear("mlp.gate_proj", "ffn_gate", {c.mlp_width, c.width}),
          .up = linear("mlp.up_proj", "ffn_up", {c.mlp_width, c.width}),
          .down = linear("mlp.down_proj", "ffn_down", {c.width, c.mlp_width})};
}

LlamaEndTensors llama_end_tensors(const ModelConfig& c) {
  const Shape table{c.vocab_size, c.width};
  LlamaEndTensors ends{
      .embedding = {.hf = "model.embed_tokens.weight", .gguf = "token_embd.weight", .shape = table, .role = TensorRole::embedding},
      .final_norm = {.hf = "model.norm.weight", .gguf = "output_norm.weight", .shape = {c.width}},
      .head = {.hf = "lm_head.weight", .gguf = "output.weight", .shape = table, .role = TensorRole::head}};
  if (c.tied_head) ends.embedding.hf_alias = ends.head.hf;
  return ends;
}

TensorMap llama_tensor_map(const ModelConfig& c) {
  const LlamaEndTensors ends = llama_end_tensors(c);
  TensorMap map{ends.embedding};
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const LlamaLayerTensors t = llama_layer_tensors(c, layer);
    const auto add_linear = [&](const TensorSpec& module, bool with_bias) {
      map.push_back(weight_of(module));
      if (with_bias) map.push_back(bias_of(module));
    };
    map.push_back(t.attn_norm);
    for (const TensorSpec* module : {&t.q, &t.k, &t.v, &t.o}) add_linear(*module, c.attention_bias);
    map.push_back(t.mlp_norm);
    for (const TensorSpec* module : {&t.gate, &t.up, &t.down}) add_linear(*module, c.mlp_bias);
  }
  map.push_back(ends.final_norm);
  if (!c.tied_head) map.push_back(ends.head);
  return map;
}

}  // namespace vauban
