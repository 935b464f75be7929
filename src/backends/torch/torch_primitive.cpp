// The activation primitive through LibTorch: the portable path that a hand-written kernel is compared with.
#include <algorithm>

#include "backends/torch/torch_math.h"
#include "backends/torch/torch_ops.h"
#include "ops/checks.h"
#include "ops/primitive_rows.h"

namespace vauban::torch_backend {
namespace {

std::vector<double> to_host(const at::Tensor& values) {
  const at::Tensor host = values.detach().cpu().to(at::kDouble).contiguous();  // MPS has no f64
  return {host.data_ptr<double>(), host.data_ptr<double>() + host.numel()};
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
  PrimitiveResult result{.output = x, .before = {}, .after = {}, .delta_norm = {}, .gates_open = 0};
  const std::int64_t width = x.shape().width();
  const at::Tensor whole = in(x).reshape({x.shape().rows(), width}), at_rows = indices(rows);
  const at::Tensor stored = whole.index_select(0, at_rows), h = stored.to(at::kFloat);
  const at::Tensor basis = basis_of(primitive);

  const at::Tensor finite = at::isfinite(h).all(1).to(at::kCPU);
  const bool* good = finite.data_ptr<bool>();
  if (const auto bad = std::find(good, good + finite.numel(), false); bad != good + finite.numel())
    accept(invalid_input("primitive '{}': the activation of row {} holds NaN or Inf", to_string(primitive.mode),
                         rows[static_cast<std::size_t>(bad - good)]));

  const PrimitiveEdit edit = primitive_edit(h, primitive, basis, gate_of(primitive));
  if (edit.open.defined()) result.gates_open = edit.open.sum().item<std::int64_t>();
  result.before = to_host(edit.before);
  bridge_.counters().host_device_copies += bridge_.device().is_cpu() ? 0 : 3;
  bridge_.counters().sync_points += bridge_.device().is_cpu() ? 0 : 3;
  if (!can_change(primitive)) {
    result.after = result.before;
    result.delta_norm.assign(rows.size(), 0.0);
    return result;
  }
  const at::Tensor moved = (h + at::matmul(edit.moves, basis)).to(stored.scalar_type());
  const at::Tensor edited = at::where(edit.moves.ne(0.0).any(1, true), moved, stored), wide = edited.to(at::kFloat);
  result.after = to_host(at::matmul(wide, basis.t()));
  result.delta_norm = to_host((wide - h).norm(2, 1));
  result.output = bridge_.wrap(whole.index_copy(0, at_rows, edited), x.shape());
  counters_.bytes_written += static_cast<std::int64_t>(whole.nbytes());
  return result;
}

PrimitiveResult TorchOps::primitive(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) {
  PrimitiveResult result{.output = x, .before = {}, .after = {}, .delta_norm = {}, .gates_open = 0};
  if (!accept(check_indices(ErrorCode::internal, "row", rows, x.shape().rows()))) return result;
  counters_.bytes_read += x.shape().elements() * info(x.dtype()).bits / 8;
  guarded([&] { result = apply(x, primitive, rows); });
  return result;
}

}  // namespace vauban::torch_backend
