/// MoeSpec: a mixture of experts. A router sends each token to k of E gated MLPs; a shared one may see every token.
#pragma once

#include "model/decoder/block.h"
#include "model/decoder/routing.h"

namespace vauban {

struct MoeSpec final : BlockSpec {
  Routing routing;
  std::int64_t width = 0;         ///< F of one expert
  Activation activation = Activation::silu;
  bool router_bias = false, expert_bias = false;
  bool correction = false;        ///< the router has a bias for the choice alone (DeepSeek-V3)
  /// Folders keep the experts of a layer as one tensor (E, D, 2F) with the columns of gate and up by turns, and one
  /// (E, F, D) (GPT-OSS); else a tensor per expert and matrix. A GGUF stacks each matrix.
  bool stacked_in_hf = false;
  bool joined_in_hf = false;      ///< not stacked_in_hf, read from a GGUF of a model whose folders are
  std::int64_t shared_width = 0;  ///< 0: no shared expert
  bool shared_gate = false;       ///< the shared expert's output is multiplied by sigmoid(x w) (Qwen2-MoE)

  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>& sites) const override;
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
};

}  // namespace vauban
