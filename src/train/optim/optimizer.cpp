#include "train/optim/optimizer.h"

#include <cmath>
#include <cstring>
#include <set>

#include "base/strings.h"

namespace vauban {

namespace {

Result<void> check_parameter(const ParameterSlot& parameter) {
  if (parameter.dtype != DType::f32 && parameter.dtype != DType::f64)
    return invalid_input("expected f32 or f64, found {}", to_string(parameter.dtype));
  if (parameter.shape.elements() > 0 && (parameter.value == nullptr || parameter.grad == nullptr))
    return invalid_input("it has no {}", parameter.value == nullptr ? "values" : "gradient");
  return ok();
}

Result<void> check_parameters(std::span<const ParameterSlot> parameters) {
  std::set<std::string_view> names;
  for (const ParameterSlot& parameter : parameters) {
    VB_CHECK(check_parameter(parameter), "in parameter '{}'", printable(parameter.name));
    if (!names.insert(parameter.name).second)
      return invalid_input("parameter '{}' is given more than once", printable(parameter.name));
  }
  return ok();
}

Tensor zeros(DType dtype, const Shape& shape) {
  Tensor tensor = make_host_tensor(dtype, shape);
  const auto bytes = static_cast<std::size_t>(shape.elements()) * static_cast<std::size_t>(info(dtype).bits / 8);
  if (bytes > 0) std::memset(tensor.data(), 0, bytes);
  return tensor;
}

void copy_bytes(const Tensor& from, const Tensor& to) {
  const auto bytes =
      static_cast<std::size_t>(to.shape().elements()) * static_cast<std::size_t>(info(to.dtype()).bits / 8);
  if (bytes > 0) std::memcpy(to.data(), from.data(), bytes);
}

}  // namespace

Optimizer::Kept Optimizer::make_state(const ParameterSlot& parameter) const {
  Kept kept{.shape = parameter.shape, .dtype = parameter.dtype, .names = {}, .tensors = {}};
  for (const StateSpec& spec : state_layout(parameter)) {
    kept.names.push_back(spec.name);
    kept.tensors.push_back(zeros(spec.dtype, spec.shape));
  }
  return kept;
}

Result<void> Optimizer::prepare(std::span<const ParameterSlot> parameters) {
  VB_CHECK(check_parameters(parameters));
  for (const ParameterSlot& parameter : parameters) {
    const auto found = kept_.find(parameter.name);
    if (found == kept_.end()) continue;
    const Kept& kept = found->second;
    if (kept.shape != parameter.shape || kept.dtype != parameter.dtype)
      return invalid_input("parameter '{}': expected {} {} as before, found {} {}", printable(parameter.name),
                           to_string(kept.dtype), kept.shape.to_string(), to_string(parameter.dtype),
                           parameter.shape.to_string());
  }
  for (const ParameterSlot& parameter : parameters)
    if (!kept_.contains(parameter.name)) kept_.emplace(parameter.name, make_state(parameter));
  return ok();
}

Result<void> Optimizer::step(std::span<const ParameterSlot> parameters, double lr, double grad_scale) {
  if (!std::isfinite(lr) || lr < 0) return invalid_input("expected a finite learning rate of at least 0, found {}", lr);
  if (!std::isfinite(grad_scale))
    return invalid_input("expected a finite factor for the gradients, found {}", grad_scale);
  VB_CHECK(prepare(parameters));
  ++step_;
  for (const ParameterSlot& parameter : parameters)
    update({.parameter = parameter,
            .state = kept_.at(parameter.name).tensors,
            .step = step_,
            .lr = lr,
            .grad_scale = grad_scale});
  return ok();
}

OptimizerState Optimizer::state() const {
  OptimizerState state{.step = step_};
  for (const auto& [parameter, kept] : kept_) {
    auto& tensors = state.tensors[parameter];
    for (std::size_t i = 0; i < kept.names.size(); ++i) tensors.emplace(kept.names[i], kept.tensors[i]);
  }
  return state;
}

Result<void> Optimizer::restore(std::span<const ParameterSlot> parameters, const OptimizerState& state) {
  if (state.step < 0) return invalid_input("expected a step of at least 0, found {}", state.step);
  VB_CHECK(check_parameters(parameters));
  std::map<std::string, Kept> restored;
  for (const ParameterSlot& parameter : parameters) {
    const std::string name = printable(parameter.name);
    const auto given = state.tensors.find(parameter.name);
    Kept kept = make_state(parameter);
    if (given == state.tensors.end() && !kept.names.empty())
      return invalid_input("the optimizer state lacks parameter '{}'", name);
    for (std::size_t i = 0; i < kept.names.size(); ++i) {
      const auto tensor = given->second.find(kept.names[i]);
      if (tensor == given->second.end())
        return invalid_input("the optimizer state lacks '{}' of parameter '{}'", kept.names[i], name);
      const Tensor &from = tensor->second, &to = kept.tensors[i];
      if (from.dtype() != to.dtype() || from.shape() != to.shape())
        return invalid_input("'{}' of parameter '{}': expected {} {}, found {} {}", kept.names[i], name,
                             to_string(to.dtype()), to.shape().to_string(), to_string(from.dtype()),
                             from.shape().to_string());
      copy_bytes(from, to);
    }
    if (given != state.tensors.end() && given->second.size() != kept.names.size())
      return invalid_input("parameter '{}': expected {} tensors of optimizer state, found {}", name, kept.names.size(),
                           given->second.size());
    restored.emplace(parameter.name, std::move(kept));
  }
  for (const auto& [name, tensors] : state.tensors)
    if (!restored.contains(name))
      return invalid_input("the optimizer state holds '{}', which is no parameter", printable(name));
  kept_ = std::move(restored);
  step_ = state.step;
  return ok();
}

}  // namespace vauban
