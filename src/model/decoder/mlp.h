/// MlpSpec: a gated or a plain feed-forward block. Shazeer 2020 (arXiv 2002.05202) for gates.
#pragma once

#include "model/decoder/block.h"

namespace vauban {

struct MlpSpec final : BlockSpec {
  std::int64_t width = 0;  ///< F
  bool gated = true;       ///< down(act(gate(x)) * up(x)); else down(act(up(x)))
  bool fused = false;      ///< gated: one matrix, rows of gate, then of up
  bool in_bias = false, out_bias = false;
  Activation activation = Activation::silu;

  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>& sites) const override;
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
};

}  // namespace vauban
