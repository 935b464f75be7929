/// ModelConfig: typed hyper-parameters, parsed from config.json or from GGUF keys by the architecture's own reader.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/decoder/spec.h"

namespace vauban {

struct ModelConfig {
  std::string architecture;  ///< id in `list architectures`
  std::int64_t vocab_size = 0, width = 0, mlp_width = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t context_length = 0;  ///< positions the model was made for
  std::int64_t window = 0;          ///< keys at this distance and beyond are not seen (in layers with one); 0: all are
  double norm_epsilon = 1e-5;
  double rope_theta = 10000.0;      ///< of the layers that see everything
  Activation activation = Activation::silu;
  bool attention_bias = false;  ///< q, k, v and o carry biases
  bool mlp_bias = false;        ///< gate, up and down carry biases
  bool tied_head = false;       ///< the head reads the embedding table
  std::vector<std::int32_t> eos_ids;  ///< from config, generation config or the tokenizer keys
  std::int32_t bos_id = -1;           ///< -1: none
  DecoderSpec decoder;                ///< what the layers compute
};

}  // namespace vauban
