/// Attention of a training step, over contiguous keys and values, and its backward.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "backends/reference/reference_gradients.h"
#include "backends/reference/reference_ops.h"
#include "backends/reference/reference_score.h"
#include "ops/checks.h"

namespace vauban {
namespace {

/// One query of one head, and the rows of the keys that it sees: [first, row].
struct Query {
  std::int64_t row, head, kv_head, first;
};

template <class F>
void for_each_query(const Batch& batch, const AttentionArgs& args, const F& visit) {
  for (const SequenceRows& document : batch.sequences)
    for (std::int64_t position = 0; position < document.rows; ++position)
      for (std::int64_t head = 0; head < args.heads; ++head)
        visit(Query{.row = document.first_row + position,
                    .head = head,
                    .kv_head = head / (args.heads / args.kv_heads),
                    .first = document.first_row + first_visible(position, args.window)});
}

/// The head_dim values of a (T, heads, head_dim) tensor at (row, head).
double* at(const Tensor& x, std::int64_t row, std::int64_t head) {
  return x.as<double>() + (row * x.shape()[1] + head) * x.shape()[2];
}

double dot(const double* a, const double* b, int width) {
  double sum = 0.0;
  for (int i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(double* to, double factor, const double* from, int width) {
  for (int i = 0; i < width; ++i) to[i] += factor * from[i];
}

double score(const Query& query, std::int64_t key, const Tensor& q, const Tensor& k, const AttentionArgs& args) {
  const double products = dot(at(q, query.row, query.head), at(k, key, query.kv_head), args.head_dim);
  const double s = args.scale * products + alibi(args, query.head, key - query.row);
  return args.softcap > 0.0 ? args.softcap * std::tanh(s / args.softcap) : s;
}

/// d score / d (q . k), from the score.
double score_slope(double score, const AttentionArgs& args) {
  if (args.softcap <= 0.0) return args.scale;
  return args.scale * (1.0 - (score / args.softcap) * (score / args.softcap));
}

}  // namespace

TrainingAttention ReferenceGradients::attention(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                                                const AttentionArgs& args) {
  TrainingAttention out{.z = make(q.shape()), .log_sum_exp = make(with_width(q.shape(), 1))};
  if (!accept(check_training_attention(q, batch, args))) return out;
  const std::int64_t rows = q.shape()[0];
  if (!fits("attention: q", q, {rows, args.heads, args.head_dim})) return out;
  if (!fits("attention: k", k, {rows, args.kv_heads, args.head_dim})) return out;
  if (!fits("attention: v", v, {rows, args.kv_heads, args.head_dim})) return out;
  out.log_sum_exp = out.log_sum_exp.reshaped({rows, args.heads});
  for_each_query(batch, args, [&](const Query& query) {
    std::vector<double> scores;
    for (std::int64_t key = query.first; key <= query.row; ++key)
      scores.push_back(score(query, key, q, k, args));
    const double* sink = sink_of(args, query.head);
    double top = *std::max_element(scores.begin(), scores.end());
    if (sink) top = std::max(top, *sink);
    double sum = sink ? std::exp(*sink - top) : 0.0;
    for (const double s : scores) sum += std::exp(s - top);
    const double log_sum = top + std::log(sum);
    for (std::size_t i = 0; i < scores.size(); ++i)
      add_scaled(at(out.z, query.row, query.head), std::exp(scores[i] - log_sum),
                 at(v, query.first + static_cast<std::int64_t>(i), query.kv_head), args.head_dim);
    out.log_sum_exp.as<double>()[query.row * args.heads + query.head] = log_sum;
  });
  return out;
}

AttentionGradients ReferenceGradients::attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                          const Tensor& v, const TrainingAttention& forward,
                                                          const Batch& batch, const AttentionArgs& args,
                                                          Tensor* dsinks) {
  AttentionGradients d{.q = make(q.shape()), .k = make(k.shape()), .v = make(v.shape())};
  if (!accept(check_training_attention(q, batch, args))) return d;
  const Shape queries{q.shape()[0], args.heads, args.head_dim}, keys{q.shape()[0], args.kv_heads, args.head_dim};
  if (!fits("attention_backward: q", q, queries) || !fits("attention_backward: k", k, keys)) return d;
  if (!fits("attention_backward: v", v, keys) || !fits("attention_backward: dz", dz, queries)) return d;
  if (!fits("attention_backward: z", forward.z, queries)) return d;
  if (!fits("attention_backward: log_sum_exp", forward.log_sum_exp, {queries[0], queries[1]})) return d;
  if (!fits("attention_backward: dsinks", dsinks, {args.heads})) return d;
  // With p = softmax(s) and z = sum p v: dp = dz . v, ds = p (dp - sum p dp), and sum p dp = dz . z. A sink's dp is 0.
  for_each_query(batch, args, [&](const Query& query) {
    const double *of_q = at(q, query.row, query.head), *of_dz = at(dz, query.row, query.head);
    const double mean = dot(of_dz, at(forward.z, query.row, query.head), args.head_dim);
    const double log_sum = forward.log_sum_exp.as<double>()[query.row * args.heads + query.head];
    if (const double* sink = sink_of(args, query.head); sink && dsinks)
      dsinks->as<double>()[query.head] -= std::exp(*sink - log_sum) * mean;
    for (std::int64_t key = query.first; key <= query.row; ++key) {
      const double* of_k = at(k, key, query.kv_head);
      const double s = score(query, key, q, k, args);
      const double p = std::exp(s - log_sum);
      const double dp = dot(of_dz, at(v, key, query.kv_head), args.head_dim);
      const double ds = p * (dp - mean) * score_slope(s, args);
      add_scaled(at(d.q, query.row, query.head), ds, of_k, args.head_dim);
      add_scaled(at(d.k, key, query.kv_head), ds, of_q, args.head_dim);
      add_scaled(at(d.v, key, query.kv_head), p, of_dz, args.head_dim);
    }
  });
  return d;
}

}  // namespace vauban
