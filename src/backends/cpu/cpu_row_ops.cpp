/// Operations on rows of the cpu backend, element by element; sums of blend_rows go in the order of its rows.
#include <algorithm>

#include "backends/cpu/cpu_backend.h"
#include "ops/checks.h"

namespace vauban::cpu {

Tensor CpuOps::scale(const Tensor& x, double factor) {
  Tensor out = make(x.shape());
  if (!accept(check_scale(x), {&x}, out)) return out;
  const float *in = x.as<float>(), by = static_cast<float>(factor);
  float* to = out.as<float>();
  parallel(out.shape().elements(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) to[i] = in[i] * by;
  });
  return out;
}

Tensor CpuOps::clamp(const Tensor& x, double limit) {
  Tensor out = make(x.shape());
  if (!accept(check_clamp(x, limit), {&x}, out)) return out;
  const float *in = x.as<float>(), most = static_cast<float>(limit);
  float* to = out.as<float>();
  parallel(out.shape().elements(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) to[i] = std::clamp(in[i], -most, most);
  });
  return out;
}

Tensor CpuOps::multiply(const Tensor& x, const Weight& weight) {
  Tensor out = make(x.shape());
  if (!accept(check_multiply(x, weight), {&x}, out)) return out;
  const std::int64_t width = x.shape().width();
  const float *in = x.as<float>(), *w = weight.tensor.as<float>();
  float* to = out.as<float>();
  parallel(x.shape().rows(), width, [&](std::size_t begin, std::size_t end) {
    for (auto t = static_cast<std::int64_t>(begin); t < static_cast<std::int64_t>(end); ++t)
      for (std::int64_t i = 0; i < width; ++i) to[t * width + i] = in[t * width + i] * w[i];
  });
  return out;
}

Tensor CpuOps::join_columns(std::span<const Tensor> parts, std::int64_t width) {
  Result<void> check = check_join_columns(parts, width);
  Tensor out = make(check ? Shape{parts.front().shape().rows(), width} : Shape{0, 0});
  if (!accept(std::move(check), {}, out)) return out;
  for (const Tensor& part : parts)
    if (!accept(ok(), {&part}, out)) return out;
  float* to = out.as<float>();
  parallel(out.shape().rows(), width, [&](std::size_t begin, std::size_t end) {
    for (auto t = static_cast<std::int64_t>(begin); t < static_cast<std::int64_t>(end); ++t) {
      float* next = to + t * width;
      for (const Tensor& part : parts)
        next = std::copy_n(part.as<float>() + t * part.shape().width(), part.shape().width(), next);
      std::fill(next, to + (t + 1) * width, 0.0f);
    }
  });
  return out;
}

Tensor CpuOps::join_rows(std::span<const Tensor> parts) {
  Result<void> check = check_join_rows(parts);
  std::int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.shape().rows();
  Tensor out = make(check ? Shape{rows, parts.front().shape().width()} : Shape{0, 0});
  if (!accept(std::move(check), {}, out)) return out;
  float* next = out.as<float>();
  for (const Tensor& part : parts) {
    if (!accept(ok(), {&part}, out)) return out;
    const float* in = part.as<float>();
    parallel(part.shape().elements(), 1,
             [&](std::size_t begin, std::size_t end) { std::copy(in + begin, in + end, next + begin); });
    next += part.shape().elements();
  }
  return out;
}

Tensor CpuOps::blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                          int each) {
  Result<void> check = check_blend_rows(x, rows, weights, each);
  const std::int64_t width = x.shape().width();
  Tensor out = make(check ? Shape{std::ssize(rows) / each, width} : Shape{0, 0});
  if (!accept(std::move(check), {&x}, out)) return out;
  const float* in = x.as<float>();
  float* to = out.as<float>();
  const auto n = static_cast<std::size_t>(width), picks = static_cast<std::size_t>(each);
  parallel(out.shape().rows(), width * each, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      float* row = to + t * n;
      std::fill_n(row, n, 0.0f);
      for (std::size_t pick = t * picks; pick < (t + 1) * picks; ++pick)
        kernels_.add_scaled(row, in + rows[pick] * width, static_cast<float>(weights[pick]), row, n);
    }
  });
  return out;
}

}  // namespace vauban::cpu
