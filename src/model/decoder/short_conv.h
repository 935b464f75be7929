/// ShortConvSpec: a gated causal convolution in the place of attention (LFM2). in_proj gives b, c and x; y = c * conv(b * x).
///
/// Source: Liquid AI 2025, LFM2; transformers Lfm2ShortConv.
#pragma once

#include "model/decoder/block.h"

namespace vauban {

struct ShortConvSpec final : BlockSpec {
  std::int64_t width = 0;  ///< channels: D
  int kernel = 0;
  bool bias = false;       ///< of all three

  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>&) const override {}
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
  StateSizes state_sizes() const override { return {.conv = width * (kernel - 1), .scan = 0}; }
};

/// The weight of a depthwise convolution (channels, kernel), loaded as one vector. `name` is without ".weight".
TensorSpec conv_weight(const BlockLoader& loader, const ModuleName& name, std::int64_t channels, int kernel);

}  // namespace vauban
