// Operations on rows.
#include "backends/torch/torch_ops.h"
#include "ops/checks.h"

namespace vauban::torch_backend {

Tensor TorchOps::scale(const Tensor& x, double factor) {
  return run(x.shape(), check_scale(x), {&x}, [&] { return in(x) * factor; });
}

Tensor TorchOps::clamp(const Tensor& x, double limit) {
  return run(x.shape(), check_clamp(x, limit), {&x}, [&] { return at::clamp(in(x), -limit, limit); });
}

Tensor TorchOps::multiply(const Tensor& x, const Weight& weight) {
  return run(x.shape(), check_multiply(x, weight), {&x}, [&] { return in(x) * weight_of(weight); });
}

std::vector<at::Tensor> TorchOps::matrices(std::span<const Tensor> parts) {
  std::vector<at::Tensor> all;
  for (const Tensor& part : parts) {
    counters_.bytes_read += part.shape().elements() * info(part.dtype()).bits / 8;
    all.push_back(in(part).reshape({part.shape().rows(), part.shape().width()}));
  }
  return all;
}

Tensor TorchOps::join_columns(std::span<const Tensor> parts, std::int64_t width) {
  Result<void> check = check_join_columns(parts, width);
  const Shape shape = check ? Shape{parts.front().shape().rows(), width} : Shape{0, 0};
  return run(shape, std::move(check), {}, [&] {
    const at::Tensor joined = at::cat(matrices(parts), 1);
    return at::constant_pad_nd(joined, {0, width - joined.size(1)});
  });
}

Tensor TorchOps::join_rows(std::span<const Tensor> parts) {
  Result<void> check = check_join_rows(parts);
  std::int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.shape().rows();
  const Shape shape = check ? Shape{rows, parts.front().shape().width()} : Shape{0, 0};
  return run(shape, std::move(check), {}, [&] { return at::cat(matrices(parts), 0); });
}

Tensor TorchOps::blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                            int each) {
  Result<void> check = check_blend_rows(x, rows, weights, each);
  const std::int64_t width = x.shape().width();
  const Shape shape = check ? Shape{std::ssize(rows) / each, width} : Shape{0, 0};
  return run(shape, std::move(check), {&x}, [&] {
    const at::Tensor all = in(x).reshape({x.shape().rows(), width});
    const at::Tensor picked = all.index_select(0, indices(rows)).to(at::kFloat).reshape({shape[0], each, width});
    const at::Tensor factors = floats(weights, {shape[0], each, 1});
    at::Tensor blended = picked.select(1, 0) * factors.select(1, 0);
    for (int j = 1; j < each; ++j) blended = blended + picked.select(1, j) * factors.select(1, j);
    return blended;
  });
}

}  // namespace vauban::torch_backend
