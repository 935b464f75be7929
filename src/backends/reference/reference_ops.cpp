#include "backends/reference/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "backends/reference/reference_activation.h"
#include "backends/reference/reference_gradients.h"
#include "ops/checks.h"
#include "ops/primitive_rows.h"

namespace vauban {

Result<std::unique_ptr<Ops>> make_reference_ops(const Context&, std::string_view device) {
  if (device.empty() || device == "cpu" || device == "cpu:0") return std::make_unique<ReferenceOps>();
  return unsupported("backend 'reference' runs on 'cpu:0' only, found device '{}'", device);
}

ReferenceOps::ReferenceOps() : gradients_(std::make_unique<ReferenceGradients>(*this)) {}

ReferenceOps::~ReferenceOps() = default;

Gradients* ReferenceOps::gradients() { return gradients_.get(); }

bool ReferenceOps::supports(Op op, Direction direction) const {
  return direction == Direction::forward || has_gradient(op);
}

Result<Weight> ReferenceOps::load_weight(std::string name, const TensorView& view,
                                         std::shared_ptr<const void> keep_alive) {
  VB_CHECK(check_weight(name, view));
  Tensor tensor = make_host_tensor(DType::f64, view.shape);
  const std::span<double> out(tensor.as<double>(), static_cast<std::size_t>(view.shape.elements()));
  if (view.dtype == DType::f64) {
    std::copy(view.bytes.begin(), view.bytes.end(), tensor.data());
  } else {
    VB_TRY(const std::vector<float> values, decode_f32(view), "in weight '{}'", name);
    std::copy(values.begin(), values.end(), out.begin());
  }
  const auto bad = std::find_if(out.begin(), out.end(), [](double value) { return !std::isfinite(value); });
  if (bad != out.end()) return corrupt("weight '{}': element {} is {}", name, bad - out.begin(), *bad);
  return Weight{.name = std::move(name),
                .dtype = view.dtype,
                .shape = view.shape,
                .tensor = std::move(tensor),
                .keep_alive = std::move(keep_alive)};
}

void ReferenceOps::begin_step() { status_ = ok(); }

Result<void> ReferenceOps::end_step() { return status_; }

OpCounters ReferenceOps::take_counters() {
  counters_.kernel_path = "reference/f64";
  counters_.memory_high_water_bytes = memory_->take();
  return std::exchange(counters_, {});
}

Tensor ReferenceOps::make(const Shape& shape) {
  return metered(make_host_tensor(DType::f64, shape));
}

Tensor ReferenceOps::metered(Tensor tensor) {
  const Shape shape = tensor.shape();
  const std::int64_t size = shape.elements() * static_cast<std::int64_t>(sizeof(double));
  counters_.bytes_written += size;
  return {DType::f64, shape, StorageRef(new MeteredStorage(std::move(tensor), size, memory_))};
}

bool ReferenceOps::accept(Result<void> check) {
  if (check) return true;
  if (status_) status_ = std::move(check);
  return false;
}

bool ReferenceOps::accept(Result<void> check, std::initializer_list<const Tensor*> inputs) {
  if (!accept(std::move(check))) return false;
  for (const Tensor* input : inputs) {
    if (input->dtype() != DType::f64)
      return accept(
          internal("backend 'reference' computes in f64, found an activation in {}", to_string(input->dtype())));
    counters_.bytes_read += input->shape().elements() * static_cast<std::int64_t>(sizeof(double));
  }
  return true;
}

Tensor ReferenceOps::embed(const Weight& table, std::span<const std::int32_t> ids) {
  const std::int64_t width = table.shape.width();
  Tensor out = make({static_cast<std::int64_t>(ids.size()), width});
  if (!accept(check_indices(ErrorCode::invalid_input, "token id", ids, table.shape.rows()))) return out;
  const double* rows = table.tensor.as<double>();
  for (std::size_t t = 0; t < ids.size(); ++t)
    std::copy_n(rows + ids[t] * width, width, out.as<double>() + static_cast<std::int64_t>(t) * width);
  return out;
}

Tensor ReferenceOps::rms_norm(const Tensor& x, const Weight& weight, double epsilon) {
  Tensor out = make(x.shape());
  if (!accept(check_norm(x, weight), {&x})) return out;
  const std::int64_t width = x.shape().width();
  const double* w = weight.tensor.as<double>();
  for (std::int64_t t = 0; t < x.shape().rows(); ++t) {
    const double* in = x.as<double>() + t * width;
    double* to = out.as<double>() + t * width;
    double squares = 0.0;
    for (std::int64_t i = 0; i < width; ++i) squares += in[i] * in[i];
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(width) + epsilon);
    for (std::int64_t i = 0; i < width; ++i) to[i] = in[i] * scale * w[i];
  }
  return out;
}

Tensor ReferenceOps::layer_norm(const Tensor& x, const Weight& weight, const Weight* bias, double epsilon) {
  Tensor out = make(x.shape());
  if (!accept(check_norm(x, weight), {&x}) || (bias && !accept(check_norm(x, *bias)))) return out;
  const std::int64_t width = x.shape().width();
  const auto n = static_cast<double>(width);
  const double *w = weight.tensor.as<double>(), *b = bias ? bias->tensor.as<double>() : nullptr;
  for (std::int64_t t = 0; t < x.shape().rows(); ++t) {
    const double* in = x.as<double>() + t * width;
    double* to = out.as<double>() + t * width;
    double sum = 0.0, squares = 0.0;
    for (std::int64_t i = 0; i < width; ++i) sum += in[i];
    const double mean = sum / n;
    for (std::int64_t i = 0; i < width; ++i) squares += (in[i] - mean) * (in[i] - mean);
    const double scale = 1.0 / std::sqrt(squares / n + epsilon);
    for (std::int64_t i = 0; i < width; ++i) to[i] = (in[i] - mean) * scale * w[i] + (b ? b[i] : 0.0);
  }
  return out;
}

Tensor ReferenceOps::linear(const Tensor& x, const Weight& weight, const Weight* bias) {
  const std::int64_t rows = x.shape().rows(), n_out = weight.shape.rank() > 0 ? weight.shape[0] : 0;
  Tensor out = make({rows, n_out});
  if (!accept(check_linear(x, weight, bias), {&x})) return out;
  const std::int64_t n_in = weight.shape[1];
  const double* b = bias ? bias->tensor.as<double>() : nullptr;
  for (std::int64_t t = 0; t < rows; ++t) {
    const double* in = x.as<double>() + t * n_in;
    for (std::int64_t o = 0; o < n_out; ++o) {
      const double* w = weight.tensor.as<double>() + o * n_in;
      double sum = 0.0;
      for (std::int64_t i = 0; i < n_in; ++i) sum += in[i] * w[i];
      out.as<double>()[t * n_out + o] = sum + (b ? b[o] : 0.0);
    }
  }
  return out;
}

Tensor ReferenceOps::rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) {
  Tensor out = make(x.shape());
  if (!accept(check_rope(x, positions, table), {&x})) return out;
  const std::int64_t heads = x.shape()[1], width = x.shape()[2];
  const auto pairs = static_cast<std::int64_t>(table.inverse_frequency.size());
  const bool half = table.layout == RopeLayout::half;
  std::copy_n(x.as<double>(), x.shape().elements(), out.as<double>());
  for (std::int64_t row = 0; row < x.shape()[0] * heads; ++row) {
    double* head = out.as<double>() + row * width;
    for (std::int64_t i = 0; i < pairs; ++i) {
      const double angle =
          positions[static_cast<std::size_t>(row / heads)] * table.inverse_frequency[static_cast<std::size_t>(i)];
      const double c = std::cos(angle) * table.attention_factor, s = std::sin(angle) * table.attention_factor;
      double& a = head[half ? i : 2 * i];
      double& b = head[half ? i + pairs : 2 * i + 1];
      const double turned = a * c - b * s;
      b = a * s + b * c;
      a = turned;
    }
  }
  return out;
}

Tensor ReferenceOps::gated_activation(const Tensor& gate, const Tensor& up, Activation activation) {
  Tensor out = make(gate.shape());
  if (!accept(check_same_shape("gated_activation", gate, up), {&gate, &up})) return out;
  for (std::int64_t i = 0; i < out.shape().elements(); ++i)
    out.as<double>()[i] = activate_gated(activation, gate.as<double>()[i], up.as<double>()[i]);
  return out;
}

Tensor ReferenceOps::activation(const Tensor& x, Activation activation) {
  Tensor out = make(x.shape());
  if (!accept(check_activation(activation), {&x})) return out;
  for (std::int64_t i = 0; i < out.shape().elements(); ++i)
    out.as<double>()[i] = activate(activation, x.as<double>()[i]);
  return out;
}

Tensor ReferenceOps::add(const Tensor& a, const Tensor& b, double b_scale) {
  Tensor out = make(a.shape());
  if (!accept(check_same_shape("add", a, b), {&a, &b})) return out;
  for (std::int64_t i = 0; i < out.shape().elements(); ++i)
    out.as<double>()[i] = a.as<double>()[i] + b_scale * b.as<double>()[i];
  return out;
}

Tensor ReferenceOps::columns(const Tensor& x, std::int64_t begin, std::int64_t count) {
  Tensor out = make(with_width(x.shape(), count));
  if (!accept(check_columns(x, begin, count), {&x})) return out;
  for (std::int64_t t = 0; t < x.shape().rows(); ++t)
    std::copy_n(x.as<double>() + t * x.shape().width() + begin, count, out.as<double>() + t * count);
  return out;
}

Tensor ReferenceOps::select_rows(const Tensor& x, std::span<const std::int32_t> rows) {
  Tensor out = make(with_rows(x.shape(), static_cast<std::int64_t>(rows.size())));
  if (!accept(check_indices(ErrorCode::internal, "row", rows, x.shape()[0]), {&x})) return out;
  const std::int64_t size = x.shape()[0] > 0 ? x.shape().elements() / x.shape()[0] : 0;
  for (std::size_t t = 0; t < rows.size(); ++t)
    std::copy_n(x.as<double>() + rows[t] * size, size, out.as<double>() + static_cast<std::int64_t>(t) * size);
  return out;
}

Tensor ReferenceOps::lm_head(const Tensor& x, const Weight& weight, double softcap) {
  Tensor logits = linear(x, weight, nullptr);
  if (softcap == 0.0) return logits;
  for (std::int64_t i = 0; i < logits.shape().elements(); ++i) {
    double& value = logits.as<double>()[i];
    value = softcap * std::tanh(value / softcap);
  }
  return logits;
}

PrimitiveResult ReferenceOps::primitive(const Tensor& x, const Primitive& primitive,
                                        std::span<const std::int32_t> rows) {
  PrimitiveResult result{.output = x, .before = {}, .after = {}, .delta_norm = {}, .input_norm = {}, .gates_open = 0};
  if (!accept(check_indices(ErrorCode::internal, "row", rows, x.shape().rows()), {&x})) return result;
  if (can_change(primitive)) {
    result.output = make(x.shape());
    std::copy_n(x.as<double>(), x.shape().elements(), result.output.as<double>());
  }
  const std::int64_t bad =
      apply_primitive_rows(primitive, x.as<double>(), result.output.as<double>(), x.shape().width(), rows, result);
  if (bad >= 0)
    accept(invalid_input("primitive '{}': the activation of row {} holds NaN or Inf", to_string(primitive.mode), bad));
  return result;
}

}  // namespace vauban
