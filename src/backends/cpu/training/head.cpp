/// The head fused with the log-probability of the targets: chunks of rows over the whole vocabulary each, so that three
/// products give loss and gradients and no (T, V) tensor exists.
///
/// In bf16 without a cap no logits are stored either. Each tile of them becomes e_j = exp(l_j - l_target), rounded to bf16,
/// while it lies in cache, and its sum is taken before rounding. With S the sum over j != target, Z = 1 + S and c the
/// coefficient:   log p = -log Z,   d loss / d l_j = -c e_j / Z for j != target,   c S / Z for the target.
/// The factors c / Z are those of whole rows: they go to the rows of dx and of x instead, and the target's own term is
/// added in f32, so that it stays exact as p goes to 1. Rows whose S is too large (the target is e^46 less likely than
/// another token) take the way over stored logits, as the other numerics do.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/training/training_backend.h"
#include "ops/checks.h"

namespace vauban::cpu {
namespace {

constexpr std::int64_t kChunkBytes = 128 << 20;
constexpr double kLargestSum = 1e20;  // c e / Z and its factors stay normal numbers of bf16

/// Rows of one chunk: a function of the shape alone.
std::int64_t chunk_rows(std::int64_t vocabulary, std::int64_t element_bytes, std::int64_t rows) {
  const std::int64_t fit = kChunkBytes / (element_bytes * std::max<std::int64_t>(1, vocabulary));
  return std::min(std::clamp<std::int64_t>(fit / 32 * 32, 32, element_bytes == 2 ? 2048 : 512), std::max<std::int64_t>(1, rows));
}

}  // namespace

struct HeadCall {
  const Tensor& x;
  Rounded w, input;
  double softcap;
  std::span<const std::int32_t> targets;
  std::span<const double> coefficients;
  Tensor* dw;
  std::int64_t vocabulary() const { return w.values.shape()[0]; }
  std::int64_t width() const { return w.width; }
  bool backward() const { return !coefficients.empty(); }
  std::size_t target(std::int64_t row) const { return static_cast<std::size_t>(targets[static_cast<std::size_t>(row)]); }
  double coefficient(std::int64_t row) const { return coefficients[static_cast<std::size_t>(row)]; }
  const float* x_row(std::int64_t row) const { return x.as<float>() + row * width(); }
};

HeadResult CpuGradients::head(const Tensor& x, const Weight& weight, double softcap,
                              std::span<const std::int32_t> targets, std::span<const double> coefficients, Tensor* dw) {
  const std::int64_t rows = x.shape().rows(), vocabulary = weight.shape.rows();
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
      !accept_gradient("head", backward ? dw : nullptr, weight.shape, Write::whole))
    return result;

  const HeadCall call{x, ops_.rounded(weight), ops_.rounded(x), softcap, targets, coefficients, dw};
  if (call.w.values.empty() || call.input.values.empty()) return result;
  const bool one_pass = backward && ops_.type_ == MatmulType::bf16 && softcap == 0.0 && call.width() > 0;
  const std::int64_t chunk = chunk_rows(vocabulary, one_pass ? 2 : 4, rows);
  for (std::int64_t first = 0; first < rows; first += chunk) {
    const std::int64_t count = std::min(chunk, rows - first);
    if (!one_pass || !head_in_one_pass(call, first, count, result)) head_over_logits(call, first, count, result);
  }
  return result;
}

/// False, and nothing of `dw` changed, where a target is too unlikely.
bool CpuGradients::head_in_one_pass(const HeadCall& h, std::int64_t first, std::int64_t count, HeadResult& result) {
  const std::int64_t vocabulary = h.vocabulary(), width = h.width();
  const std::int64_t pieces = (vocabulary + Matmul::kTileColumns - 1) / Matmul::kTileColumns;
  const Rounded e{.type = ops_.type_, .values = ops_.make_as(DType::bf16, {count, vocabulary}), .width = vocabulary};
  const Rounded scaled{.type = ops_.type_, .values = ops_.make_as(DType::bf16, {count, width}), .width = width};
  const Tensor sums = ops_.make({count, pieces}), targets = ops_.make({count, width});
  Tensor tokens_memory;
  const Operand tokens =
      ops_.packed(h.w.transposed(), count, vocabulary, width, h.input.plain(first), tokens_memory);
  if (e.values.empty() || scaled.values.empty() || sums.empty() || targets.empty()) return true;
  if (ops_.rehearsing_) {  // what the products below take
    tokens_memory = {};
    ops_.dense_product(count, width, vocabulary, e, e.plain(), h.w.plain(), nullptr, width, false);
    if (h.dw) ops_.dense_product(vocabulary, width, count, e, e.transposed(), scaled.plain(), nullptr, width, false);
    return true;
  }
  const auto n = static_cast<std::size_t>(width);
  auto *halves = e.values.as<std::uint16_t>(), *scaled_x = scaled.values.as<std::uint16_t>();
  float *sum = sums.as<float>(), *target_rows = targets.as<float>(), *dx = result.dx.as<float>() + first * width;

  std::vector<float> own(static_cast<std::size_t>(count));  // logits of the targets
  const auto rounded_row = [&](const Rounded& m, std::size_t row, float* to) {
    ops_.kernels_.decode_row({WeightType::bf16, m.values.data(), n * 2, n}, row, to);
  };
  ops_.parallel(count, width * 3, [&](std::size_t begin, std::size_t end) {
    std::vector<float> x(n);
    for (std::size_t i = begin; i < end; ++i) {
      const std::int64_t row = first + static_cast<std::int64_t>(i);
      rounded_row(h.w, h.target(row), target_rows + i * n);
      rounded_row(h.input, static_cast<std::size_t>(row), x.data());
      own[i] = ops_.train_.dot(x.data(), target_rows + i * n, n);
    }
  });
  const bool good = ops_.accept(ops_.matmul_.for_tiles(
      ops_.type_, count, vocabulary, width, h.input.plain(first), tokens, [&](const Tile& tile, float* values) {
        for (std::int64_t row = tile.row; row < tile.row + tile.rows; ++row) {
          float* l = values + (row - tile.row) * tile.columns;
          const std::int64_t target = static_cast<std::int64_t>(h.target(first + row)) - tile.column;
          if (target >= 0 && target < tile.columns) l[target] = -std::numeric_limits<float>::infinity();
          sum[row * pieces + tile.column / Matmul::kTileColumns] =
              ops_.train_.exp_to_bf16(l, own[static_cast<std::size_t>(row)], halves + row * vocabulary + tile.column,
                                      static_cast<std::size_t>(tile.columns));
        }
      }));
  if (!good) return true;
  tokens_memory = {};

  std::vector<double> others(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    double& total = others[static_cast<std::size_t>(i)];
    for (std::int64_t piece = 0; piece < pieces; ++piece) total += static_cast<double>(sum[i * pieces + piece]);
    if (!(total <= kLargestSum)) return false;
    result.logprobs[static_cast<std::size_t>(first + i)] = -std::log1p(total);
  }
  const auto factor = [&](std::size_t i) {
    return h.coefficient(first + static_cast<std::int64_t>(i)) / (1.0 + others[i]);
  };
  ops_.dense_product(count, width, vocabulary, e, e.plain(), h.w.plain(), dx, width, false);
  ops_.parallel(count, width * 3, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      float* row = dx + i * n;
      const auto by = static_cast<float>(-factor(i));
      ops_.kernels_.add_scaled(row, target_rows + i * n, static_cast<float>(-others[i]), row, n);
      for (std::size_t j = 0; j < n; ++j) row[j] *= by;
      ops_.train_.scaled_to_bf16(h.x_row(first) + i * n, by, scaled_x + i * n, n);
    }
  });
  if (!h.dw) return true;
  ops_.dense_product(vocabulary, width, count, e, e.transposed(), scaled.plain(), h.dw->as<float>(), width,
                accumulates(*h.dw));
  for (std::size_t i = 0; i < others.size(); ++i) {
    const std::int64_t row = first + static_cast<std::int64_t>(i);
    ops_.train_.accumulate_scaled(h.x_row(row), static_cast<float>(factor(i) * others[i]),
                                  h.dw->as<float>() + h.target(row) * n, n);
  }
  return true;
}

/// Logits in f32, and then, in bf16, their gradients: for every numerics, with a cap and without.
void CpuGradients::head_over_logits(const HeadCall& h, std::int64_t begin_row, std::int64_t rows, HeadResult& result) {
  const std::int64_t vocabulary = h.vocabulary(), width = h.width(), chunk = chunk_rows(vocabulary, 4, rows);
  const Tensor logits = ops_.make({chunk, vocabulary});
  const bool narrow = h.backward() && ops_.type_ == MatmulType::bf16;
  const Tensor narrowed = ops_.make_as(DType::bf16, {narrow ? chunk : 0, vocabulary});
  if (logits.empty() || (narrow && narrowed.empty())) return;
  const auto n = static_cast<std::size_t>(vocabulary);
  const auto cap = static_cast<float>(h.softcap);
  float* values = logits.as<float>();
  auto* halves = narrow ? narrowed.as<std::uint16_t>() : nullptr;
  for (std::int64_t first = begin_row; first < begin_row + rows; first += chunk) {
    const std::int64_t count = std::min(chunk, begin_row + rows - first);
    ops_.dense_product(count, vocabulary, width, h.input, h.input.plain(first), h.w.transposed(), values, vocabulary, false);
    ops_.parallel(count, vocabulary * 24, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::int64_t row = first + static_cast<std::int64_t>(i);
        float* l = values + i * n;
        if (cap > 0.0f) ops_.kernels_.softcap(l, cap, n);
        const double log_sum = ops_.train_.log_sum_exp(l, n);
        result.logprobs[static_cast<std::size_t>(row)] = static_cast<double>(l[h.target(row)]) - log_sum;
        if (h.backward())
          ops_.train_.head_backward(l, log_sum, static_cast<float>(h.coefficient(row)), h.target(row), cap,
                                    narrow ? halves + i * n : nullptr, n);
      }
    });
    if (!h.backward()) continue;
    Rounded d{.type = ops_.type_, .values = narrow ? narrowed : logits, .width = vocabulary};
    if (!narrow && ops_.numerics_ != TrainingNumerics::f32) d = ops_.round_rows(values, count, vocabulary);
    if (d.values.empty()) return;
    ops_.dense_product(count, width, vocabulary, d, d.plain(), h.w.plain(), result.dx.as<float>() + first * width, width,
                  false);
    if (h.dw)
      ops_.dense_product(vocabulary, width, count, d, d.transposed(), h.input.plain(first), h.dw->as<float>(), width,
                    accumulates(*h.dw));
  }
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
