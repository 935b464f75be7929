/// The head fused with the log-probability of the targets: chunks of rows whose logits fit a fixed buffer, over the whole
/// vocabulary each, so that one pass of three products gives loss and gradients and no (T, V) tensor exists.
#include <algorithm>
#include <cmath>

#include "backends/cpu/training/training_backend.h"
#include "ops/checks.h"

namespace vauban::cpu {
namespace {

constexpr std::int64_t kChunkBytes = 64 << 20;

/// Rows of one chunk: a function of the shape alone.
std::int64_t chunk_rows(std::int64_t vocabulary) {
  const std::int64_t rows = kChunkBytes / (4 * std::max<std::int64_t>(1, vocabulary));
  return std::clamp<std::int64_t>(rows / 32 * 32, 32, 1024);
}

}  // namespace

HeadResult CpuGradients::head(const Tensor& x, const Weight& weight, double softcap,
                              std::span<const std::int32_t> targets, std::span<const double> coefficients, Tensor* dw) {
  const std::int64_t rows = x.shape().rows(), width = x.shape().width(), vocabulary = weight.shape.rows();
  const bool backward = !coefficients.empty();
  HeadResult result;
  result.logprobs.assign(targets.size(), 0.0);
  if (backward) result.dx = ops_.make(x.shape());
  Result<void> check = check_linear(x, weight, nullptr);
  if (check) check = check_indices(ErrorCode::invalid_input, "target id", targets, vocabulary);
  if (check && (std::ssize(targets) != rows || (backward && coefficients.size() != targets.size())))
    check = internal("head: {} rows, {} targets, {} coefficients", rows, targets.size(), coefficients.size());
  const Tensor& out = backward ? result.dx : x;
  if (!ops_.accept(std::move(check)) || out.empty() || x.dtype() != DType::f32 ||
      !accept_gradient("head", backward ? dw : nullptr, weight.shape))
    return result;

  const Rounded w = ops_.rounded(weight), input = ops_.rounded(x);
  const std::int64_t chunk = std::min(chunk_rows(vocabulary), std::max<std::int64_t>(1, rows));
  const Tensor logits = ops_.make({chunk, vocabulary});
  const bool narrow = backward && ops_.type_ == MatmulType::bf16;
  const Tensor narrowed = ops_.make_as(DType::bf16, {narrow ? chunk : 0, vocabulary});
  if (w.values.empty() || input.values.empty() || logits.empty() || (narrow && narrowed.empty())) return result;
  const auto n = static_cast<std::size_t>(vocabulary);
  const auto cap = static_cast<float>(softcap);
  float* values = logits.as<float>();
  auto* halves = narrow ? narrowed.as<std::uint16_t>() : nullptr;
  for (std::int64_t first = 0; first < rows; first += chunk) {
    const std::int64_t count = std::min(chunk, rows - first);
    ops_.multiply(count, vocabulary, width, input, input.plain(first), w.transposed(), values, vocabulary, false);
    ops_.parallel(count, vocabulary * 24, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t row = static_cast<std::size_t>(first) + i;
        float* l = values + i * n;
        if (cap > 0.0f) ops_.kernels_.softcap(l, cap, n);
        const double log_sum = ops_.train_.log_sum_exp(l, n);
        const auto target = static_cast<std::size_t>(targets[row]);
        result.logprobs[row] = static_cast<double>(l[target]) - log_sum;
        if (backward)
          ops_.train_.head_backward(l, log_sum, static_cast<float>(coefficients[row]), target, cap,
                                    narrow ? halves + i * n : nullptr, n);
      }
    });
    if (!backward) continue;
    Rounded d{.type = ops_.type_, .values = narrow ? narrowed : logits, .width = vocabulary};
    if (!narrow && ops_.numerics_ != TrainingNumerics::f32) d = ops_.round_rows(values, count, vocabulary);
    if (d.values.empty()) return result;
    ops_.multiply(count, width, vocabulary, d, d.plain(), w.plain(), result.dx.as<float>() + first * width, width,
                  false);
    if (dw)
      ops_.multiply(vocabulary, width, count, d, d.transposed(), input.plain(first), dw->as<float>(), width, true);
  }
  return result;
}

Tensor CpuGradients::lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x,
                                      const Weight& weight, double softcap, Tensor* dw) {
  Tensor uncapped = dlogits;
  if (softcap > 0.0) {
    uncapped = ops_.make(dlogits.shape());
    if (!accept(check_same_shape("lm_head backward", dlogits, logits), {&dlogits, &logits}, uncapped)) return uncapped;
    const float *g = dlogits.as<float>(), *l = logits.as<float>();
    float* to = uncapped.as<float>();
    const auto cap = static_cast<float>(softcap);
    ops_.parallel(dlogits.shape().elements(), 4, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) to[i] = g[i] * (1.0f - l[i] / cap * (l[i] / cap));
    });
  }
  if (dw) linear_weight_backward(uncapped, x, *dw);
  return linear_input_backward(uncapped, weight);
}

}  // namespace vauban::cpu
