// The activation primitive as an operation of the backend: which rows, which path, what is counted.
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/cpu_target.h"
#include "backends/cpu/primitive.h"
#include "ops/checks.h"
#include "ops/primitive_rows.h"
#include "ops/projection_summary.h"

namespace vauban::cpu {

PrimitiveResult CpuOps::primitive(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) {
  PrimitiveResult result{.output = x, .before = {}, .after = {}, .delta_norm = {}, .input_norm = {}, .gates_open = 0};
  const bool is_f32 = x.dtype() == DType::f32, changes = can_change(primitive);
  Tensor out = !changes ? x : is_f32 ? make(x.shape()) : arena_.make(x.dtype(), x.shape());
  Result<void> check = check_indices(ErrorCode::internal, "row", rows, x.shape().rows());
  if (!is_f32 && x.dtype() != DType::bf16)
    check = internal("backend 'cpu' edits f32 and bf16, found an activation in {}", to_string(x.dtype()));
  if (!accept(std::move(check)) || x.empty() || out.empty()) return result;
  result.output = out;
  primitive_ran_ = true;
  counters_.bytes_read += (changes ? x.shape().rows() : std::ssize(rows)) * x.shape().width() * (is_f32 ? 4 : 2);
  const PrimitiveRows view{.type = is_f32 ? RowType::f32 : RowType::bf16,
                           .input = x.data(),
                           .output = changes ? out.data() : nullptr,
                           .count = x.shape().rows(),
                           .width = x.shape().width()};
  const std::int64_t bad = primitive_path_ == PrimitivePath::scalar
                               ? apply_primitive_scalar(primitive, view, rows, result)
                               : apply_primitive(primitive_kernels_of(target_), pool_, primitive, view, rows, result);
  if (bad >= 0)
    accept(invalid_input("primitive '{}': the activation of row {} holds NaN or Inf", to_string(primitive.mode), bad));
  return result;
}

Result<void> CpuOps::project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                             ProjectionSink& sink) {
  const bool has_kernel = x.dtype() == DType::f32 || x.dtype() == DType::bf16;
  primitive_ran_ = true;
  if (primitive_path_ == PrimitivePath::scalar || !has_kernel) return Ops::project(x, directions, rows, sink);
  VB_CHECK(check_projection(x, directions, rows));
  const PrimitiveRows view{.type = x.dtype() == DType::f32 ? RowType::f32 : RowType::bf16,
                           .input = x.data(),
                           .output = nullptr,
                           .count = x.shape().rows(),
                           .width = x.shape().width()};
  Result<void> done = project_rows(primitive_kernels_of(target_), pool_, view, directions, rows, sink);
  const bool needs_f64 = !done && done.error().code == ErrorCode::unsupported;
  return needs_f64 ? Ops::project(x, directions, rows, sink) : done;
}

}  // namespace vauban::cpu
