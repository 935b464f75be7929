// The activation primitive through LibTorch: the portable path that a hand-written kernel is compared with.
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "backends/torch/torch_math.h"
#include "backends/torch/torch_ops.h"
#include "ops/checks.h"
#include "ops/primitive_rows.h"
#include "ops/projection_summary.h"

namespace vauban::torch_backend {
namespace {

/// (rows, columns) f32 of the figures of each row, so that they come to the host in one copy.
at::Tensor side_by_side(const std::vector<at::Tensor>& figures) {
  std::vector<at::Tensor> columns;
  for (const at::Tensor& figure : figures) columns.push_back(figure.to(at::kFloat));
  return at::cat(columns, 1);
}

/// One column range of (rows, columns) f64 on the host, row by row.
std::vector<double> columns_of(const at::Tensor& host, std::int64_t begin, std::int64_t count) {
  const at::Tensor part = host.narrow(1, begin, count).contiguous();
  return {part.data_ptr<double>(), part.data_ptr<double>() + part.numel()};
}

/// The first of `rows` whose entry in this column is 0.
std::optional<std::int32_t> first_zero(const at::Tensor& host, std::int64_t column, std::span<const std::int32_t> rows) {
  const std::vector<double> flags = columns_of(host, column, 1);
  const auto bad = std::ranges::find(flags, 0.0);
  if (bad == flags.end()) return {};
  return rows[static_cast<std::size_t>(bad - flags.begin())];
}

}  // namespace

at::Tensor TorchOps::basis_of(const Primitive& primitive) const {
  return floats(primitive.direction, {primitive.basis_rows, std::ssize(primitive.direction) / primitive.basis_rows});
}

at::Tensor TorchOps::gate_of(const Primitive& primitive) const {
  if (primitive.mode != PrimitiveMode::conditional) return none();
  return floats(primitive.gate, {std::ssize(primitive.gate), 1});
}

PrimitiveResult TorchOps::apply(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) {
  PrimitiveResult result{.output = x, .before = {}, .after = {}, .delta_norm = {}, .input_norm = {}, .gates_open = 0};
  const std::int64_t width = x.shape().width();
  const at::Tensor whole = in(x).reshape({x.shape().rows(), width}), at_rows = indices(rows);
  const at::Tensor stored = whole.index_select(0, at_rows), h = stored.to(at::kFloat);
  const at::Tensor basis = basis_of(primitive);

  const PrimitiveEdit edit = primitive_edit(h, primitive, basis, gate_of(primitive));
  const std::int64_t k = primitive.basis_rows;
  std::vector<at::Tensor> figures{at::isfinite(h).all(1, true), h.norm(2, 1, true), edit.before};
  figures.push_back(edit.open.defined() ? edit.open : at::zeros_like(figures.front()));
  const bool changes = can_change(primitive);
  if (changes) {
    const at::Tensor moved = (h + at::matmul(edit.moves, basis)).to(stored.scalar_type());
    const at::Tensor edited = at::where(edit.moves.ne(0.0).any(1, true), moved, stored), wide = edited.to(at::kFloat);
    figures.push_back(at::matmul(wide, basis.t()));
    figures.push_back((wide - h).norm(2, 1, true));
    result.output = bridge_.wrap(whole.index_copy(0, at_rows, edited), x.shape());
    counters_.bytes_written += bytes_of(result.output);
  }

  const at::Tensor host = bridge_.copy_out(side_by_side(figures));
  if (const auto bad = first_zero(host, 0, rows))
    accept(invalid_input("primitive '{}': the activation of row {} holds NaN or Inf", to_string(primitive.mode), *bad));
  result.input_norm = columns_of(host, 1, 1);
  result.before = columns_of(host, 2, k);
  const std::vector<double> open = columns_of(host, 2 + k, 1);
  result.gates_open = std::ranges::count(open, 1.0);
  result.after = changes ? columns_of(host, 3 + k, k) : result.before;
  result.delta_norm = changes ? columns_of(host, 3 + 2 * k, 1) : std::vector<double>(rows.size(), 0.0);
  return result;
}

PrimitiveResult TorchOps::primitive(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) {
  PrimitiveResult result{.output = x, .before = {}, .after = {}, .delta_norm = {}, .input_norm = {}, .gates_open = 0};
  if (!accept(check_indices(ErrorCode::internal, "row", rows, x.shape().rows()))) return result;
  counters_.bytes_read += bytes_of(x);
  guarded([&] { result = apply(x, primitive, rows); });
  return result;
}

namespace {

/// Directions of any length, each over a power of two that brings its largest element near 1: no bit is lost.
struct ScaledDirections {
  std::vector<double> values;
  std::vector<int> exponents;
};

ScaledDirections fit_for_f32(std::span<const double> directions, std::int64_t width) {
  ScaledDirections out{.values = {directions.begin(), directions.end()}, .exponents = {}};
  for (std::size_t first = 0; first < directions.size(); first += static_cast<std::size_t>(width)) {
    const std::span<double> direction = std::span(out.values).subspan(first, static_cast<std::size_t>(width));
    double largest = 0.0;
    for (const double value : direction) largest = std::max(largest, std::abs(value));
    const int exponent = largest > 0.0 ? std::ilogb(largest) : 0;
    for (double& value : direction) value = std::ldexp(value, -exponent);
    out.exponents.push_back(exponent);
  }
  return out;
}

}  // namespace

Result<void> TorchOps::project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                               ProjectionSink& sink) try {
  constexpr std::int64_t kProjections = std::int64_t{1} << 20;  // that exist at a time
  VB_CHECK(check_projection(x, directions, rows));
  const c10::NoGradGuard no_graph;
  const std::int64_t width = x.shape().width(), count = std::ssize(directions) / width;
  const ScaledDirections scaled = fit_for_f32(directions, width);
  const at::Tensor whole = in(x).reshape({x.shape().rows(), width}), turned = floats(scaled.values, {count, width}).t();
  const auto block = static_cast<std::size_t>(std::max<std::int64_t>(1, kProjections / count));
  for (std::size_t first = 0; first < rows.size(); first += block) {
    const auto here = rows.subspan(first, std::min(block, rows.size() - first));
    counters_.bytes_read += std::ssize(here) * width * info(x.dtype()).bits / 8;
    const at::Tensor p = at::matmul(whole.index_select(0, indices(here)).to(at::kFloat), turned);
    const at::Tensor host = bridge_.copy_out(p);
    for (std::size_t i = 0; i < here.size(); ++i) {
      const std::span<double> row(host.data_ptr<double>() + static_cast<std::int64_t>(i) * count,
                                  static_cast<std::size_t>(count));
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = std::ldexp(row[j], scaled.exponents[j]);
      if (!std::ranges::all_of(row, [](double value) { return std::isfinite(value); }))
        return invalid_input("projection: the activation of row {} holds NaN or Inf, or a projection of it overflows f32",
                             here[i]);
      sink.add(row);
    }
  }
  return ok();
} catch (const std::exception& thrown) {
  return with_context(error_from(thrown), "while projecting activations");
}

}  // namespace vauban::torch_backend
