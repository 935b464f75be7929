/// GatedDeltaSpec: a gated delta net in the place of attention (Qwen3-Next).
///
/// One projection gives queries, keys, values and gates z of each key head's group, another the delta rule's b and a.
/// Queries, keys and values go through a convolution and SiLU; y = norm(delta rule) * SiLU(z), the norm over each value head.
/// Source: Yang et al. 2024 (arXiv 2412.06464); transformers Qwen3NextGatedDeltaNet.
#pragma once

#include "model/decoder/block.h"
#include "model/decoder/norm.h"

namespace vauban {

struct GatedDeltaSpec final : BlockSpec {
  std::int64_t key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  int kernel = 0;
  NormSpec norm;
  /// Read from a GGUF that keeps (all queries, keys, values) and gates apart, which folders fuse by key head; heads of one width.
  bool split_in_gguf = false;

  std::int64_t keys() const { return key_heads * key_dim; }
  std::int64_t values() const { return value_heads * value_dim; }
  std::int64_t channels() const { return 2 * keys() + values(); }
  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>&) const override {}
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
  StateSizes state_sizes() const override {
    return {.conv = channels() * (kernel - 1), .scan = value_heads * key_dim * value_dim};
  }
};

}  // namespace vauban
