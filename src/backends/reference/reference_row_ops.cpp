/// Operations on rows: the defaults of Ops (ops/row_ops.cpp) are the specification, behind checks of their operands.
#include "backends/reference/reference_ops.h"
#include "ops/checks.h"

namespace vauban {

Tensor ReferenceOps::scale(const Tensor& x, double factor) {
  return accept(check_scale(x), {&x}) ? metered(Ops::scale(x, factor)) : make(x.shape());
}

Tensor ReferenceOps::clamp(const Tensor& x, double limit) {
  return accept(check_clamp(x, limit), {&x}) ? metered(Ops::clamp(x, limit)) : make(x.shape());
}

Tensor ReferenceOps::multiply(const Tensor& x, const Weight& weight) {
  return accept(check_multiply(x, weight), {&x}) ? metered(Ops::multiply(x, weight)) : make(x.shape());
}

Tensor ReferenceOps::join_columns(std::span<const Tensor> parts, std::int64_t width) {
  bool good = accept(check_join_columns(parts, width));
  for (const Tensor& part : parts) good = good && accept(ok(), {&part});
  return good ? metered(Ops::join_columns(parts, width)) : make({0, 0});
}

Tensor ReferenceOps::join_rows(std::span<const Tensor> parts) {
  bool good = accept(check_join_rows(parts));
  for (const Tensor& part : parts) good = good && accept(ok(), {&part});
  return good ? metered(Ops::join_rows(parts)) : make({0, 0});
}

Tensor ReferenceOps::blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                                int each) {
  const bool good = accept(check_blend_rows(x, rows, weights, each), {&x});
  return good ? metered(Ops::blend_rows(x, rows, weights, each)) : make({0, 0});
}

}  // namespace vauban
