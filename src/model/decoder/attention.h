/// Attention over the key/value store: separate or fused projections, query/key norms, rotation, windows, sinks, ALiBi.
///
/// Sources: Vaswani et al. 2017; Ainslie et al. 2023 (arXiv 2305.13245) for grouped queries; Su et al. 2021 (2104.09864)
/// for rotation.
#pragma once

#include "model/decoder/block.h"
#include "model/decoder/norm.h"

namespace vauban {

enum class QkNorm {
  none,
  per_head,  ///< over each head, one weight (d) for all heads
  each_head,  ///< over each head, a weight of its own for every head (H * d)
  whole,     ///< over the whole projection, weight (H * d)
};

struct AttentionSpec final : BlockSpec {
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  bool fused = false;             ///< one matrix: rows of all q heads, then k, then v
  bool grouped_in_hf = false;     ///< fused, and folders store [group][q heads of the group, k, v] (GPT-NeoX, BLOOM, Falcon)
  bool split_in_gguf = false;     ///< not fused, read from a GGUF that keeps apart what folders fuse by group (InternLM2)
  bool gated = false;             ///< separate: each head of q_proj gives its query, then a gate; z *= sigmoid(gate)
  bool qkv_bias = false, out_bias = false;
  double clip = 0.0;              ///< q, k and v are clamped to [-clip, clip]; 0: not
  QkNorm qk_norm = QkNorm::none;  ///< before the rotation
  NormSpec qk_norm_spec;
  std::string hf_norm_per_head;   ///< each_head: folders keep a tensor per head, named so behind the norm ("norms.{}")
  int rope = 0;                   ///< index into DecoderSpec::ropes; -1: this layer does not rotate
  bool gguf_pairs = false;        ///< a GGUF stores the rows of q and k heads as rotary pairs (RowOrder::interleaved_heads)
  AttentionArgs args;             ///< heads and scale, window, softcap, slopes; `sinks` is set by the block
  bool sinks = false;

  Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const override;
  void add_sites(std::vector<Site>& sites) const override;
  void add_ops(std::vector<Op>& ops) const override;
  BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const override;
};

/// The spec of a layer's attention; null where something else stands in its place.
inline const AttentionSpec* attention_of(const LayerSpec& layer) {
  return dynamic_cast<const AttentionSpec*>(layer.mixer.get());
}

/// (T, heads * head_dim) -> (T, heads, head_dim), without a copy.
Tensor split_heads(const Tensor& x, std::int64_t heads, std::int64_t head_dim);
Tensor join_heads(const Tensor& x);  ///< the way back

/// x (T, H, d), each row by the table for its sequence's length.
Tensor rotate(const Step& step, const Tensor& x, const RopeSpec& rope);

/// Scores and patterns are recomputed beside attention, and only for a tap that wants them; attention keeps its bits.
void show_attention(const Step& step, const Tensor& q, const AttentionArgs& args);

}  // namespace vauban
