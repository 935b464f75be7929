#include "train/checkpoint/training_state.h"

#include <cstring>

#include "base/strings.h"
#include "train/checkpoint/tensor_checks.h"

namespace vauban {

CheckpointSchema schema_of(std::span<const ParameterSlot> parameters, const Optimizer& optimizer) {
  CheckpointSchema schema;
  for (const ParameterSlot& parameter : parameters) {
    schema.weights[parameter.name] = {parameter.dtype, parameter.shape};
    for (const StateSpec& spec : optimizer.state_layout(parameter))
      schema.optimizer[parameter.name][spec.name] = {spec.dtype, spec.shape};
  }
  return schema;
}

NamedTensors copy_weights(std::span<const ParameterSlot> parameters) {
  NamedTensors weights;
  for (const ParameterSlot& parameter : parameters) {
    const Tensor copy = make_host_tensor(parameter.dtype, parameter.shape);
    const auto bytes = host_bytes(copy);
    if (!bytes.empty()) std::memcpy(copy.data(), parameter.value, bytes.size());
    weights.emplace(parameter.name, copy);
  }
  return weights;
}

Result<void> restore_weights(const NamedTensors& weights, std::span<const ParameterSlot> parameters) {
  std::map<std::string, StoredSpec> expected;
  for (const ParameterSlot& parameter : parameters) expected[parameter.name] = {parameter.dtype, parameter.shape};
  VB_CHECK(check_specs(weights, expected));
  for (const ParameterSlot& parameter : parameters) {
    const auto bytes = host_bytes(weights.at(parameter.name));
    if (!bytes.empty()) std::memcpy(parameter.value, bytes.data(), bytes.size());
  }
  return ok();
}

}  // namespace vauban
