/// Row-wise operations of the cpu backend: each output element is computed by one thread, in the kernel's fixed order.
#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/cpu_target.h"
#include "backends/cpu/gate_kind.h"
#include "ops/checks.h"

namespace vauban::cpu {
namespace {

constexpr std::int64_t kCopyCost = 1, kExpCost = 8;  // per element, in multiply-adds

/// Turns pairs of neighbours of one head; `turns` holds (pairs, {cos, sin}).
void rotate_neighbours(const float* in, std::span<const float> turns, float* out) {
  for (std::size_t i = 0; i < turns.size(); i += 2) {
    const float c = turns[i], s = turns[i + 1], a = in[i], b = in[i + 1];
    out[i] = a * c - b * s;
    out[i + 1] = a * s + b * c;
  }
}

}  // namespace

Tensor CpuOps::embed(const Weight& table, std::span<const std::int32_t> ids) {
  const std::int64_t width = table.shape.width();
  Tensor out = make({static_cast<std::int64_t>(ids.size()), width});
  Result<void> check = check_indices(ErrorCode::invalid_input, "token id", ids, table.shape.rows());
  if (table.shape.rank() != 2) check = internal("embed: '{}' is {}", table.name, table.shape.to_string());
  if (!accept(std::move(check), {}, out)) return out;
  const WeightMatrix rows = matrix(table);
  counters_.bytes_read += static_cast<std::int64_t>(rows.row_bytes * ids.size());
  float* to = out.as<float>();
  parallel(std::ssize(ids), width * kCopyCost, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t)
      kernels_.decode_row(rows, static_cast<std::size_t>(ids[t]), to + t * rows.width);
  });
  return out;
}

Tensor CpuOps::rms_norm(const Tensor& x, const Weight& weight, double epsilon) {
  Tensor out = make(x.shape());
  if (!accept(check_norm(x, weight), {&x}, out)) return out;
  const auto width = static_cast<std::size_t>(x.shape().width());
  const float *in = x.as<float>(), *w = weight.tensor.as<float>();
  float* to = out.as<float>();
  parallel(x.shape().rows(), x.shape().width() * 2, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) kernels_.rms_norm(in + t * width, w, epsilon, to + t * width, width);
  });
  return out;
}

Tensor CpuOps::layer_norm(const Tensor& x, const Weight& weight, const Weight* bias, double epsilon) {
  Tensor out = make(x.shape());
  Result<void> check = check_norm(x, weight);
  if (check && bias) check = check_norm(x, *bias);
  if (!accept(std::move(check), {&x}, out)) return out;
  const auto width = static_cast<std::size_t>(x.shape().width());
  const float *in = x.as<float>(), *w = weight.tensor.as<float>(), *b = bias ? bias->tensor.as<float>() : nullptr;
  float* to = out.as<float>();
  parallel(x.shape().rows(), x.shape().width() * 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) kernels_.layer_norm(in + t * width, w, b, epsilon, to + t * width, width);
  });
  return out;
}

Tensor CpuOps::linear(const Tensor& x, const Weight& weight, const Weight* bias) {
  const std::int64_t rows = x.shape().rows(), n_out = weight.shape.rank() > 0 ? weight.shape[0] : 0;
  Tensor out = make({rows, n_out});
  if (!accept(check_linear(x, weight, bias), {&x}, out)) return out;
  const WeightMatrix w = matrix(weight);
  counters_.bytes_read += static_cast<std::int64_t>(w.row_bytes) * n_out;
  const float *in = x.as<float>(), *b = bias ? bias->tensor.as<float>() : nullptr;
  float* to = out.as<float>();
  const auto n_rows = static_cast<std::size_t>(rows), stride = static_cast<std::size_t>(n_out);
  parallel(n_out, rows * x.shape().width(), [&](std::size_t begin, std::size_t end) {
    kernels_.linear(w, in, n_rows, to, stride, begin, end);
    if (!b) return;
    for (std::size_t t = 0; t < n_rows; ++t)
      kernels_.add(to + t * stride + begin, b + begin, to + t * stride + begin, end - begin);
  });
  return out;
}

Tensor CpuOps::rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) {
  Tensor out = make(x.shape());
  if (!accept(check_rope(x, positions, table), {&x}, out)) return out;
  const std::int64_t heads = x.shape()[1], width = x.shape()[2];
  const std::span<const float> turns = rope_cache_.turns(positions, table);
  const std::size_t per_row = 2 * table.inverse_frequency.size();
  const float* in = x.as<float>();
  float* to = out.as<float>();
  parallel(x.shape()[0] * heads, width * 2, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t row = i / static_cast<std::size_t>(heads), at = i * static_cast<std::size_t>(width);
      const std::span<const float> own = turns.subspan(row * per_row, per_row);
      if (table.layout == RopeLayout::half)
        kernels_.rotate_halves(in + at, own.data(), to + at, per_row / 2);
      else
        rotate_neighbours(in + at, own, to + at);
      std::copy(in + at + per_row, in + at + width, to + at + per_row);
    }
  });
  return out;
}

Tensor CpuOps::gated_activation(const Tensor& gate, const Tensor& up, Activation activation) {
  Tensor out = make(gate.shape());
  if (!accept(check_same_shape("gated_activation", gate, up), {&gate, &up}, out)) return out;
  const float *g = gate.as<float>(), *u = up.as<float>();
  float* to = out.as<float>();
  parallel(out.shape().elements(), kExpCost, [&](std::size_t begin, std::size_t end) {
    kernels_.gate(gate_kind(activation), g + begin, u + begin, to + begin, end - begin);
  });
  return out;
}

Tensor CpuOps::activation(const Tensor& x, Activation activation) {
  Tensor out = make(x.shape());
  if (!accept(check_activation(activation), {&x}, out)) return out;
  const float* in = x.as<float>();
  float* to = out.as<float>();
  parallel(out.shape().elements(), kExpCost, [&](std::size_t begin, std::size_t end) {
    kernels_.activate(gate_kind(activation), in + begin, to + begin, end - begin);
  });
  return out;
}

Tensor CpuOps::columns(const Tensor& x, std::int64_t begin, std::int64_t count) {
  Tensor out = make(with_width(x.shape(), count));
  if (!accept(check_columns(x, begin, count), {&x}, out)) return out;
  const std::int64_t width = x.shape().width();
  const float* in = x.as<float>() + begin;
  float* to = out.as<float>();
  parallel(x.shape().rows(), count * kCopyCost, [&](std::size_t first, std::size_t last) {
    for (auto t = static_cast<std::int64_t>(first); t < static_cast<std::int64_t>(last); ++t)
      std::copy_n(in + t * width, count, to + t * count);
  });
  return out;
}

Tensor CpuOps::add(const Tensor& a, const Tensor& b, double b_scale) {
  Tensor out = make(a.shape());
  if (!accept(check_same_shape("add", a, b), {&a, &b}, out)) return out;
  const float *left = a.as<float>(), *right = b.as<float>();
  float* to = out.as<float>();
  parallel(out.shape().elements(), kCopyCost, [&](std::size_t begin, std::size_t end) {
    if (b_scale == 1.0) return kernels_.add(left + begin, right + begin, to + begin, end - begin);
    kernels_.add_scaled(left + begin, right + begin, static_cast<float>(b_scale), to + begin, end - begin);
  });
  return out;
}

Tensor CpuOps::select_rows(const Tensor& x, std::span<const std::int32_t> rows) {
  Tensor out = make(with_rows(x.shape(), std::ssize(rows)));
  if (!accept(check_indices(ErrorCode::internal, "row", rows, x.shape()[0]), {&x}, out)) return out;
  if (rows.empty()) return out;
  const std::int64_t size = x.shape().elements() / x.shape()[0];
  const float* in = x.as<float>();
  float* to = out.as<float>();
  parallel(std::ssize(rows), size * kCopyCost, [&](std::size_t first, std::size_t last) {
    for (std::size_t t = first; t < last; ++t)
      std::copy_n(in + rows[t] * size, size, to + static_cast<std::int64_t>(t) * size);
  });
  return out;
}

Tensor CpuOps::lm_head(const Tensor& x, const Weight& weight, double softcap) {
  Tensor logits = linear(x, weight, nullptr);
  if (softcap == 0.0 || logits.empty()) return logits;
  float* values = logits.as<float>();
  parallel(logits.shape().elements(), kExpCost, [&](std::size_t begin, std::size_t end) {
    kernels_.softcap(values + begin, static_cast<float>(softcap), end - begin);
  });
  return logits;
}

}  // namespace vauban::cpu
