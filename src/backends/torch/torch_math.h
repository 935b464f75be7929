/// The operations as pure functions of at::Tensor, in f32: what the forward passes run and what LibTorch differentiates.
#pragma once

#include <ATen/ATen.h>

#include "ops/batch.h"
#include "ops/ops.h"

namespace vauban::torch_backend {

/// Of clamped_swiglu, which has no plain form, x itself.
at::Tensor activate(const at::Tensor& x, Activation activation);
/// activate(gate) * up, and clamped_swiglu.
at::Tensor activate_gated(const at::Tensor& gate, const at::Tensor& up, Activation activation);
/// cap * tanh(x / cap); 0: x.
at::Tensor capped(const at::Tensor& x, double softcap);
/// Over the last axis; computed in f32.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon);
/// Turns the pairs of x (T, H, d); `cosine`, `sine` (T, pairs).
at::Tensor rope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine, RopeLayout layout);

/// What AttentionArgs adds to the scores and beside them, on the device: (heads) f32 each; undefined where there is none.
struct ScoreTerms {
  at::Tensor alibi_slopes, sinks;
};

/// One sequence: q (rows, heads, d), keys and values (past + rows, kv_heads, d).
/// -> (heads, rows, past + rows) in f32, scaled, capped, -infinity where a key is not visible.
at::Tensor attention_scores(const at::Tensor& q, const at::Tensor& keys, const SequenceRows& sequence,
                            const AttentionArgs& args, const ScoreTerms& terms);
/// Softmax over the last axis of (heads, rows, keys) beside the sinks.
at::Tensor attention_weights(const at::Tensor& scores, const ScoreTerms& terms);
/// The log of that softmax's sums -> (heads, rows).
at::Tensor attention_log_sums(const at::Tensor& scores, const ScoreTerms& terms);
/// -> z (rows, heads, d) in f32, from the softmax of those scores.
at::Tensor attention_mix(const at::Tensor& weights, const at::Tensor& values, const AttentionArgs& args);

/// Several sequences with one row each: q (n, heads, d); keys and values (n, length, kv_heads, d), behind a sequence's
/// last position anything finite; query (n, 1) i64, the positions of the rows. -> z (n, heads, d) in f32.
at::Tensor attention_of_single_rows(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values,
                                    const at::Tensor& query, const AttentionArgs& args, const ScoreTerms& terms);

struct PrimitiveEdit {
  at::Tensor before;  ///< (rows, k) projections of h
  at::Tensor moves;   ///< (rows, k) how far each row goes along each direction; 0 where a gate is shut
  at::Tensor open;    ///< (rows, 1) bool; undefined without a gate
};
/// The activation primitive on h (rows, D) f32: h' = h + moves * basis. `basis` (k, D), `gate` (D, 1) or undefined.
PrimitiveEdit primitive_edit(const at::Tensor& h, const Primitive& primitive, const at::Tensor& basis,
                             const at::Tensor& gate);

/// The tensor that no bias is.
inline at::Tensor none() { return {}; }

}  // namespace vauban::torch_backend
