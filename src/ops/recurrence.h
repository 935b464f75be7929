/// The arithmetic of the three recurrences (formulas: ops.h), for backends whose tensors are in host memory.
///
/// Each runs the rows of one sequence in order, over a range of channels or heads that share nothing with the others: the
/// numbers do not depend on how the ranges are cut, nor on how the rows come in steps. Real is the type of activations and
/// vectors; sums and the state are f64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/ops.h"

namespace vauban {

inline double softplus(double x) { return x > 20.0 ? x : std::log1p(std::exp(x)); }
inline double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

template <class Real>
struct ShortConvJob {
  const Real *x, *weight, *bias, *in, *out;  ///< the last three may be null
  Real* y;
  std::int64_t channels;
  int kernel;
  bool silu;
};

/// `state`: (kernel - 1, channels), the oldest first.
template <class Real>
void run_rows(const ShortConvJob<Real>& job, const SequenceRows& rows, double* state, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = job.channels, held = job.kernel - 1;
  for (std::int64_t t = rows.first_row; t < std::int64_t{rows.first_row} + rows.rows; ++t)
    for (std::int64_t c = begin; c < end; ++c) {
      const std::int64_t at = t * width + c;
      const Real* weight = job.weight + c * job.kernel;
      double sum = job.bias ? job.bias[c] : 0.0;
      for (std::int64_t j = 0; j < held; ++j) {
        double& old = state[j * width + c];
        sum += weight[j] * old;
        if (j > 0) state[(j - 1) * width + c] = old;
      }
      double input = job.x[at];
      if (job.in) input *= job.in[at];
      sum += weight[held] * input;
      state[(held - 1) * width + c] = input;
      if (job.silu) sum *= logistic(sum);
      if (job.out) sum *= job.out[at];
      job.y[at] = static_cast<Real>(sum);
    }
}

template <class Real>
struct SelectiveScanJob {
  const Real *x, *dt, *b, *c, *log_a, *skip;
  Real* y;
  std::int64_t channels, states;
};

/// `state`: (channels, states).
template <class Real>
void run_rows(const SelectiveScanJob<Real>& job, const SequenceRows& rows, double* state, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = job.states;
  std::vector<double> rate(static_cast<std::size_t>((end - begin) * n));
  for (std::size_t i = 0; i < rate.size(); ++i) rate[i] = std::exp(static_cast<double>(job.log_a[begin * n + static_cast<std::int64_t>(i)]));
  for (std::int64_t t = rows.first_row; t < std::int64_t{rows.first_row} + rows.rows; ++t)
    for (std::int64_t c = begin; c < end; ++c) {
      const std::int64_t at = t * job.channels + c;
      const double step = softplus(job.dt[at]), x = job.x[at];
      const double* a = rate.data() + (c - begin) * n;
      double* h = state + c * n;
      double sum = 0.0;
      for (std::int64_t i = 0; i < n; ++i) {
        h[i] = std::exp(-step * a[i]) * h[i] + step * job.b[t * n + i] * x;
        sum += job.c[t * n + i] * h[i];
      }
      job.y[at] = static_cast<Real>(sum + job.skip[c] * x);
    }
}

template <class Real>
struct GatedDeltaJob {
  const Real *qkv, *a, *b, *log_a, *dt_bias;
  Real* y;
  std::int64_t key_heads, value_heads, key_dim, value_dim;
  std::int64_t width() const { return 2 * key_heads * key_dim + value_heads * value_dim; }
};

template <class Real>
double unit_scale(const Real* x, std::int64_t count) {
  double squares = 0.0;
  for (std::int64_t i = 0; i < count; ++i) squares += static_cast<double>(x[i]) * x[i];
  return 1.0 / std::sqrt(squares + 1e-6);
}

/// `state`: (value_heads, key_dim, value_dim); the range is of value heads.
template <class Real>
void run_rows(const GatedDeltaJob<Real>& job, const SequenceRows& rows, double* state, std::int64_t begin, std::int64_t end) {
  const std::int64_t dk = job.key_dim, dv = job.value_dim;
  std::vector<double> change(static_cast<std::size_t>(dv)), sum(static_cast<std::size_t>(dv));
  for (std::int64_t t = rows.first_row; t < std::int64_t{rows.first_row} + rows.rows; ++t)
    for (std::int64_t head = begin; head < end; ++head) {
      const Real* row = job.qkv + t * job.width();
      const std::int64_t key_head = head / (job.value_heads / job.key_heads);
      const Real *q = row + key_head * dk, *k = row + (job.key_heads + key_head) * dk;
      const Real* v = row + 2 * job.key_heads * dk + head * dv;
      const double q_scale = unit_scale(q, dk) / std::sqrt(static_cast<double>(dk)), k_scale = unit_scale(k, dk);
      const std::int64_t gate = t * job.value_heads + head;
      const double decay = std::exp(-std::exp(static_cast<double>(job.log_a[head])) *
                                    softplus(static_cast<double>(job.a[gate]) + job.dt_bias[head]));
      const double rate = logistic(job.b[gate]);
      double* s = state + head * dk * dv;

      std::fill(change.begin(), change.end(), 0.0);
      for (std::int64_t i = 0; i < dk; ++i)
        for (std::int64_t j = 0; j < dv; ++j) change[static_cast<std::size_t>(j)] += (s[i * dv + j] *= decay) * (k[i] * k_scale);
      for (std::int64_t j = 0; j < dv; ++j) change[static_cast<std::size_t>(j)] = rate * (v[j] - change[static_cast<std::size_t>(j)]);
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::int64_t i = 0; i < dk; ++i)
        for (std::int64_t j = 0; j < dv; ++j)
          sum[static_cast<std::size_t>(j)] += (s[i * dv + j] += k[i] * k_scale * change[static_cast<std::size_t>(j)]) * (q[i] * q_scale);
      Real* y = job.y + (t * job.value_heads + head) * dv;
      for (std::int64_t j = 0; j < dv; ++j) y[j] = static_cast<Real>(sum[static_cast<std::size_t>(j)]);
    }
}

// ---- jobs of host tensors and vectors, all of type Real. The operands were checked (checks.h).

template <class Real>
ShortConvJob<Real> short_conv_job(const Tensor& x, const Weight& weight, const ShortConvArgs& args, Tensor& y) {
  return {.x = x.as<Real>(),
          .weight = weight.tensor.as<Real>(),
          .bias = args.bias ? args.bias->tensor.as<Real>() : nullptr,
          .in = args.in ? args.in->as<Real>() : nullptr,
          .out = args.out ? args.out->as<Real>() : nullptr,
          .y = y.as<Real>(),
          .channels = x.shape().width(),
          .kernel = args.kernel,
          .silu = args.silu};
}

template <class Real>
SelectiveScanJob<Real> selective_scan_job(const Tensor& x, const SelectiveScanArgs& args, Tensor& y) {
  return {.x = x.as<Real>(),
          .dt = args.dt.as<Real>(),
          .b = args.b.as<Real>(),
          .c = args.c.as<Real>(),
          .log_a = args.log_a->tensor.as<Real>(),
          .skip = args.skip->tensor.as<Real>(),
          .y = y.as<Real>(),
          .channels = x.shape().width(),
          .states = args.b.shape().width()};
}

template <class Real>
GatedDeltaJob<Real> gated_delta_job(const Tensor& qkv, const GatedDeltaArgs& args, Tensor& y) {
  return {.qkv = qkv.as<Real>(),
          .a = args.a.as<Real>(),
          .b = args.b.as<Real>(),
          .log_a = args.log_a->tensor.as<Real>(),
          .dt_bias = args.dt_bias->tensor.as<Real>(),
          .y = y.as<Real>(),
          .key_heads = args.key_heads,
          .value_heads = args.value_heads,
          .key_dim = args.key_dim,
          .value_dim = args.value_dim};
}

}  // namespace vauban
