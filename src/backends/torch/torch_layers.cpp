// The row-wise operations and the products.
#include <algorithm>
#include <cmath>

#include "backends/torch/torch_math.h"
#include "backends/torch/torch_ops.h"
#include "ops/checks.h"

namespace vauban::torch_backend {
namespace {

/// Elements of a weight that are widened at a time: 64 MiB of f32.
constexpr std::int64_t kWidenedElements = std::int64_t{1} << 24;

}  // namespace

Tensor TorchOps::embed(const Weight& table, std::span<const std::int32_t> ids) {
  const std::int64_t width = table.shape.width();
  settle_threads(std::ssize(ids));  // a step begins here
  Result<void> check = check_indices(ErrorCode::invalid_input, "token id", ids, table.shape.rows());
  if (table.shape.rank() != 2) check = internal("embed: '{}' is {}", table.name, table.shape.to_string());
  return run({std::ssize(ids), width}, std::move(check), {},
             [&] { return weight_of(table).index_select(0, indices(ids)); });
}

Tensor TorchOps::rms_norm(const Tensor& x, const Weight& weight, double epsilon) {
  return run(x.shape(), check_norm(x, weight), {&x},
             [&] { return torch_backend::rms_norm(in(x), weight_of(weight), epsilon); });
}

Tensor TorchOps::layer_norm(const Tensor& x, const Weight& weight, const Weight* bias, double epsilon) {
  Result<void> check = check_norm(x, weight);
  if (check && bias) check = check_norm(x, *bias);
  return run(x.shape(), std::move(check), {&x}, [&] {
    return torch_backend::layer_norm(in(x), weight_of(weight), bias ? weight_of(*bias) : none(), epsilon);
  });
}

at::Tensor TorchOps::operand(const at::Tensor& x) const {
  const at::Tensor wide = x.to(at::kFloat);
  if (setting_.operand == at::kFloat) return wide;
  const at::Tensor rounded = wide.detach().to(setting_.operand).to(at::kFloat);
  return wide.requires_grad() ? wide + (rounded - wide.detach()) : rounded;
}

at::Tensor TorchOps::product(const at::Tensor& x, const at::Tensor& weight) const {
  if (setting_.operand != at::kFloat) return at::linear(operand(x), operand(weight));
  const at::Tensor operand = x.to(activation_type_);
  if (weight.scalar_type() == activation_type_) return at::linear(operand, weight);
  const std::int64_t n_out = weight.size(0), step = std::max<std::int64_t>(1, kWidenedElements / std::max<std::int64_t>(1, weight.size(1)));
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin < n_out; begin += step)
    parts.push_back(at::linear(operand, weight.narrow(0, begin, std::min(step, n_out - begin)).to(activation_type_)));
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

Tensor TorchOps::linear(const Tensor& x, const Weight& weight, const Weight* bias) {
  const std::int64_t n_out = weight.shape.rank() > 0 ? weight.shape[0] : 0;
  counters_.bytes_read += weight.shape.elements() * info(weight.tensor.dtype()).bits / 8;
  return run({x.shape().rows(), n_out}, check_linear(x, weight, bias), {&x}, [&] {
    const at::Tensor y = product(in(x).reshape({x.shape().rows(), weight.shape[1]}), weight_of(weight));
    return bias ? y + weight_of(*bias) : y;
  });
}

const RopeTurns& TorchOps::turns(std::span<const std::int32_t> positions, const RopeTable& table) {
  if (std::ranges::equal(positions, turns_.positions) && table.inverse_frequency == turns_.inverse_frequency &&
      table.attention_factor == turns_.attention_factor)
    return turns_;
  const std::size_t pairs = table.inverse_frequency.size();
  std::vector<float> cosine(positions.size() * pairs), sine(positions.size() * pairs);
  for (std::size_t t = 0; t < positions.size(); ++t)
    for (std::size_t i = 0; i < pairs; ++i) {
      const double angle = positions[t] * table.inverse_frequency[i];
      cosine[t * pairs + i] = static_cast<float>(std::cos(angle) * table.attention_factor);
      sine[t * pairs + i] = static_cast<float>(std::sin(angle) * table.attention_factor);
    }
  const std::array sizes{std::ssize(positions), static_cast<std::int64_t>(pairs)};
  turns_ = {.positions = {positions.begin(), positions.end()},
            .inverse_frequency = table.inverse_frequency,
            .attention_factor = table.attention_factor,
            .cosine = bridge_.copy_in(cosine.data(), sizes, at::kFloat),
            .sine = bridge_.copy_in(sine.data(), sizes, at::kFloat)};
  return turns_;
}

Tensor TorchOps::rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) {
  return run(x.shape(), check_rope(x, positions, table), {&x}, [&] {
    const RopeTurns& angles = turns(positions, table);
    return torch_backend::rope(in(x), angles.cosine, angles.sine, table.layout);
  });
}

Tensor TorchOps::activation(const Tensor& x, Activation activation) {
  return run(x.shape(), check_activation(activation), {&x}, [&] { return activate(in(x), activation); });
}

Tensor TorchOps::gated_activation(const Tensor& gate, const Tensor& up, Activation activation) {
  return run(gate.shape(), check_same_shape("gated_activation", gate, up), {&gate, &up},
             [&] { return activate_gated(in(gate), in(up), activation); });
}

Tensor TorchOps::add(const Tensor& a, const Tensor& b, double b_scale) {
  return run(a.shape(), check_same_shape("add", a, b), {&a, &b}, [&] { return at::add(in(a), in(b), b_scale); });
}

Tensor TorchOps::columns(const Tensor& x, std::int64_t begin, std::int64_t count) {
  return run(with_width(x.shape(), count), check_columns(x, begin, count), {&x},
             [&] { return in(x).narrow(-1, begin, count).clone(); });
}

Tensor TorchOps::select_rows(const Tensor& x, std::span<const std::int32_t> rows) {
  return run(with_rows(x.shape(), std::ssize(rows)), check_indices(ErrorCode::internal, "row", rows, x.shape()[0]),
             {&x}, [&] { return in(x).index_select(0, indices(rows)); });
}

Tensor TorchOps::lm_head(const Tensor& x, const Weight& weight, double softcap) {
  const std::int64_t n_out = weight.shape.rank() > 0 ? weight.shape[0] : 0;
  counters_.bytes_read += weight.shape.elements() * info(weight.tensor.dtype()).bits / 8;
  return run({x.shape().rows(), n_out}, check_linear(x, weight, nullptr), {&x},
             [&] { return capped(product(in(x).reshape({x.shape().rows(), weight.shape[1]}), weight_of(weight)), softcap); });
}

}  // namespace vauban::torch_backend
