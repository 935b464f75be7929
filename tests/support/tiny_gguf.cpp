// The tiny model in the other container, written the way llama.cpp's converter does.
#include <cstring>

#include "base/format.h"
#include "base/strings.h"
#include "support/gguf_builder.h"
#include "support/tiny_model.h"
#include "tensor/quant/format.h"

namespace vauban::test {
namespace {

constexpr std::int32_t kU32 = 4, kF32 = 6;

/// "model.layers.1.self_attn.q_proj.weight" -> "blk.1.attn_q.weight"
std::string gguf_name(const std::string& hf) {
  static const std::map<std::string, std::string, std::less<>> ends = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"lm_head.weight", "output.weight"},
      {"model.norm.weight", "output_norm.weight"}};
  if (const auto found = ends.find(hf); found != ends.end()) return found->second;
  static const std::map<std::string, std::string, std::less<>> parts = {
      {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},   {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},   {"self_attn.o_proj", "attn_output"},
      {"mlp.gate_proj", "ffn_gate"},    {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"}};
  constexpr std::string_view kPrefix = "model.layers.";
  const std::size_t number_end = hf.find('.', kPrefix.size()), kind = hf.rfind('.');
  const std::string part = hf.substr(number_end + 1, kind - number_end - 1);
  const auto found = parts.find(part);
  return found == parts.end()
             ? hf
             : "blk." + hf.substr(kPrefix.size(), number_end - kPrefix.size()) + "." + found->second + hf.substr(kind);
}

/// Rows j and j + d/2 of each head become rows 2j and 2j + 1.
std::vector<float> halves_to_pairs(const TinyTensor& tensor, std::int64_t head_dim) {
  const std::int64_t rows = tensor.shape[0], width = tensor.shape.elements() / rows, half = head_dim / 2;
  std::vector<float> out(tensor.values.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t within = row % head_dim;
    const std::int64_t target = row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
    std::copy_n(tensor.values.begin() + row * width, width, out.begin() + target * width);
  }
  return out;
}

std::string bytes_of(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string blocks_of(const std::vector<float>& values) {
  const BlockFormat& q8 = *find_block_format(DType::q8_0);
  const auto blocks = static_cast<std::int64_t>(values.size()) / q8.block;
  std::string bytes(static_cast<std::size_t>(blocks * q8.block_bytes), '\0');
  q8.encode(values.data(), reinterpret_cast<std::byte*>(bytes.data()), blocks);
  return bytes;
}

}  // namespace

std::string tiny_gguf(const TinyModel& model, bool packed) {
  GgufBuilder file;
  const auto count = [&](const char* key, const char* hf) {
    file.number<std::uint32_t>(key, kU32, static_cast<std::uint32_t>(model.config.find(hf)->as_int()));
  };
  const auto real = [&](const char* key, const char* hf) {
    file.number<float>(key, kF32, static_cast<float>(model.config.find(hf)->as_double()));
  };
  file.text("general.architecture", "llama").text("general.name", "tiny");
  count("llama.block_count", "num_hidden_layers");
  count("llama.context_length", "max_position_embeddings");
  count("llama.embedding_length", "hidden_size");
  count("llama.feed_forward_length", "intermediate_size");
  count("llama.attention.head_count", "num_attention_heads");
  count("llama.attention.head_count_kv", "num_key_value_heads");
  count("llama.attention.key_length", "head_dim");
  count("llama.attention.value_length", "head_dim");
  count("llama.rope.dimension_count", "head_dim");
  count("tokenizer.ggml.bos_token_id", "bos_token_id");
  count("tokenizer.ggml.eos_token_id", "eos_token_id");
  real("llama.attention.layer_norm_rms_epsilon", "rms_norm_eps");
  real("llama.rope.freq_base", "rope_theta");
  for (const auto& [name, tensor] : model.tensors) {
    const bool rotary = name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
    const auto dims = tensor.shape.dims();
    const std::int64_t head_dim = model.config.find("head_dim")->as_int();
    const std::vector<float> values = rotary ? halves_to_pairs(tensor, head_dim) : tensor.values;
    const bool as_blocks = packed && dims.size() == 2;
    file.tensor({.name = gguf_name(name),
                 .ne = {dims.rbegin(), dims.rend()},
                 .type = as_blocks ? info(DType::q8_0).ggml_type : 0,
                 .data = as_blocks ? blocks_of(values) : bytes_of(values)});
  }
  return file.build();
}

}  // namespace vauban::test
