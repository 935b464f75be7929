/// MlaSpec: multi-head latent attention. Keys and values come from one narrow vector per token, queries may too; part of a
/// key is shared by all heads and is the part that rotates.
///
/// The store keeps the expanded keys and values; values are padded with zeros to the width of the keys.
/// Source: DeepSeek-AI 2024 (arXiv 2405.04434).
#pragma once

#include "model/decoder/attention.h"

namespace vauban {

struct MlaSpec final : BlockSpec {
  std::int64_t heads = 0;
  std::int64_t plain = 0, rotary = 0, value = 0;  ///< widths of a head: keys without positions, with them, values
  std::int64_t kv_rank = 0, q_rank = 0;           ///< of the narrow vectors; q_rank 0: queries come from x
  bool bias = false;
  bool split_in_gguf = false;                     ///< read from a GGUF that keeps keys and values apart, head by head
  NormSpec norm;
  AttentionArgs args;

  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>& sites) const override;
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
};

}  // namespace vauban
