/// MambaSpec: a selective state space in the place of attention and MLP.
///
/// in_proj gives x and z; x goes through a convolution and SiLU, x_proj gives the step's low rank, b and c; y = scan * SiLU(z).
/// Source: Gu and Dao 2023 (arXiv 2312.00752); transformers MambaMixer.
#pragma once

#include "model/decoder/block.h"

namespace vauban {

struct MambaSpec final : BlockSpec {
  std::int64_t inner = 0;   ///< I, channels
  std::int64_t states = 0;  ///< N of each
  std::int64_t rank = 0;    ///< R, of the steps
  int kernel = 0;
  bool bias = false, conv_bias = true;  ///< of in_proj and out_proj; of the convolution

  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>&) const override {}
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
  StateSizes state_sizes() const override { return {.conv = inner * (kernel - 1), .scan = inner * states}; }
};

}  // namespace vauban
