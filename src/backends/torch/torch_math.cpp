#include "backends/torch/torch_math.h"

#include <limits>

#include "ops/primitive_rows.h"

namespace vauban::torch_backend {
namespace {

/// True where the query at a position may not see key p: (rows, keys). `query` (rows, 1) i64.
at::Tensor hidden(const at::Tensor& query, std::int64_t keys, const AttentionArgs& args) {
  const at::Tensor key = at::arange(keys, query.options()).unsqueeze(0), later = key > query;
  return args.window > 0 ? later.logical_or(key <= query - args.window) : later;
}

/// Scores (..., keys) with the sinks as one more column; `sinks` spans the other axes.
at::Tensor beside(const at::Tensor& scores, const at::Tensor& sinks) {
  std::vector<std::int64_t> sizes = scores.sizes().vec();
  sizes.back() = 1;
  return at::cat({scores, sinks.expand(sizes)}, -1);
}

/// What ALiBi adds: slopes (heads) times key - query for key p, query (rows, 1) i64 -> (heads, rows, keys).
at::Tensor alibi(const at::Tensor& slopes, const at::Tensor& query, std::int64_t keys) {
  const at::Tensor distance = at::arange(keys, query.options()).unsqueeze(0) - query;
  return slopes.reshape({-1, 1, 1}) * distance.to(at::kFloat);
}

/// How far each row moves along each direction, (rows, k), from its projections `p` (rows, k).
at::Tensor factors(const Primitive& primitive, const at::Tensor& p) {
  switch (effective_mode(primitive)) {
    case PrimitiveMode::subtract:
    case PrimitiveMode::subspace_remove:
      return p * -primitive.alpha;
    case PrimitiveMode::add:
    case PrimitiveMode::subspace_add:
      return p * primitive.alpha;
    case PrimitiveMode::clamp:
      return (p.clamp(primitive.lo, primitive.hi) - p) * primitive.alpha;
    case PrimitiveMode::offset:
      return at::full_like(p, primitive.alpha);
    case PrimitiveMode::project:
    case PrimitiveMode::subspace_project:
    case PrimitiveMode::conditional:
      return at::zeros_like(p);
  }
  return at::zeros_like(p);
}

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::gelu_erf:
      return at::gelu(x);
    case Activation::relu:
      return at::relu(x);
    case Activation::relu_squared:
      return at::relu(x).square();
    case Activation::sigmoid:
      return at::sigmoid(x);
    case Activation::clamped_swiglu:
      break;  // gated only
  }
  return x;
}

at::Tensor activate_gated(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  if (activation != Activation::clamped_swiglu) return activate(gate, activation) * up;
  const at::Tensor g = at::clamp_max(gate, 7.0);
  return g * at::sigmoid(g * 1.702) * (at::clamp(up, -7.0, 7.0) + 1.0);
}

at::Tensor capped(const at::Tensor& x, double softcap) { return softcap == 0.0 ? x : at::tanh(x / softcap) * softcap; }

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const at::Tensor wide = x.to(at::kFloat);
  return wide * at::rsqrt(wide.square().mean(-1, true) + epsilon) * weight;
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  const at::Tensor wide = x.to(at::kFloat), centred = wide - wide.mean(-1, true);
  const at::Tensor scaled = centred * at::rsqrt(centred.square().mean(-1, true) + epsilon) * weight;
  return bias.defined() ? scaled + bias : scaled;
}

at::Tensor rope(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine, RopeLayout layout) {
  const std::int64_t pairs = cosine.size(1), rest = x.size(2) - 2 * pairs;
  const at::Tensor wide = x.to(at::kFloat), turning = wide.narrow(2, 0, 2 * pairs);
  const at::Tensor c = cosine.unsqueeze(1), s = sine.unsqueeze(1);
  const bool half = layout == RopeLayout::half;
  const at::Tensor split = half ? turning.reshape({x.size(0), x.size(1), 2, pairs}).transpose(2, 3)
                                : turning.reshape({x.size(0), x.size(1), pairs, 2});
  const at::Tensor a = split.select(3, 0), b = split.select(3, 1);
  const at::Tensor first = a * c - b * s, second = a * s + b * c;
  const at::Tensor both = half ? at::cat({first, second}, 2) : at::stack({first, second}, 3).flatten(2);
  return rest == 0 ? both : at::cat({both, wide.narrow(2, 2 * pairs, rest)}, 2);
}

at::Tensor attention_scores(const at::Tensor& q, const at::Tensor& keys, const SequenceRows& sequence,
                            const AttentionArgs& args, const ScoreTerms& terms) {
  const std::int64_t group = args.heads / args.kv_heads, rows = q.size(0);
  // Query heads that share a key head lie side by side: (rows, heads, d) -> (kv_heads, group * rows, d).
  const at::Tensor queries = q.transpose(0, 1).to(at::kFloat).reshape({args.kv_heads, group * rows, args.head_dim});
  at::Tensor dots = at::matmul(queries * args.scale, keys.to(at::kFloat).permute({1, 2, 0}))
                        .reshape({args.heads, rows, keys.size(0)});
  const at::TensorOptions positions = at::TensorOptions(q.device()).dtype(at::kLong);
  const auto query = [&] {
    return at::arange(sequence.past, std::int64_t{sequence.past} + rows, positions).unsqueeze(1);
  };
  if (terms.alibi_slopes.defined()) dots = dots + alibi(terms.alibi_slopes, query(), keys.size(0));
  const at::Tensor scores = capped(dots, args.softcap);
  // A single row is the last position: it sees every key of its window.
  if (rows == 1 && (args.window <= 0 || keys.size(0) <= args.window)) return scores;
  return scores.masked_fill(hidden(query(), keys.size(0), args), -std::numeric_limits<double>::infinity());
}

at::Tensor attention_weights(const at::Tensor& scores, const ScoreTerms& terms) {
  if (!terms.sinks.defined()) return at::softmax(scores, -1);
  return at::softmax(beside(scores, terms.sinks.reshape({-1, 1, 1})), -1).narrow(-1, 0, scores.size(-1));
}

at::Tensor attention_log_sums(const at::Tensor& scores, const ScoreTerms& terms) {
  if (!terms.sinks.defined()) return at::logsumexp(scores, -1);
  return at::logsumexp(beside(scores, terms.sinks.reshape({-1, 1, 1})), -1);
}

at::Tensor attention_mix(const at::Tensor& weights, const at::Tensor& values, const AttentionArgs& args) {
  const std::int64_t group = args.heads / args.kv_heads, rows = weights.size(1), keys = weights.size(2);
  return at::matmul(weights.reshape({args.kv_heads, group * rows, keys}), values.to(at::kFloat).transpose(0, 1))
      .reshape({args.heads, rows, args.head_dim})
      .transpose(0, 1);
}

at::Tensor attention_of_single_rows(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values,
                                    const at::Tensor& query, const AttentionArgs& args, const ScoreTerms& terms) {
  const std::int64_t n = q.size(0), length = keys.size(1), group = args.heads / args.kv_heads;
  const at::Tensor queries = q.to(at::kFloat).reshape({n, args.kv_heads, group, args.head_dim}) * args.scale;
  at::Tensor dots = at::matmul(queries, keys.to(at::kFloat).permute({0, 2, 3, 1}));  // (n, kv_heads, group, length)
  if (terms.alibi_slopes.defined())
    dots = dots + alibi(terms.alibi_slopes, query, length).transpose(0, 1).reshape(dots.sizes());
  const at::Tensor unseen = hidden(query, length, args).reshape({n, 1, 1, length});
  const at::Tensor scores = capped(dots, args.softcap).masked_fill(unseen, -std::numeric_limits<double>::infinity());
  const at::Tensor weights =
      terms.sinks.defined()
          ? at::softmax(beside(scores, terms.sinks.reshape({1, args.kv_heads, group, 1})), -1).narrow(-1, 0, length)
          : at::softmax(scores, -1);
  return at::matmul(weights, values.to(at::kFloat).transpose(1, 2)).reshape({n, args.heads, args.head_dim});
}

PrimitiveEdit primitive_edit(const at::Tensor& h, const Primitive& primitive, const at::Tensor& basis,
                             const at::Tensor& gate) {
  PrimitiveEdit edit;
  edit.before = at::matmul(h, basis.t());
  edit.moves = factors(primitive, edit.before);
  if (!gate.defined()) return edit;
  edit.open = at::matmul(h, gate) > primitive.tau;
  edit.moves = at::where(edit.open, edit.moves, at::zeros_like(edit.moves));
  return edit;
}

}  // namespace vauban::torch_backend
