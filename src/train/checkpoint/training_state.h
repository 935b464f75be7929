/// TrainingState: everything that a run needs to go on as if it had never stopped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "tensor/tensor.h"
#include "train/optim/optimizer.h"

namespace vauban {

using NamedTensors = std::map<std::string, Tensor>;  ///< on the host

struct TrainingState {
  NamedTensors weights{};  ///< what is trained, in the type it is trained in (the f32 masters)
  OptimizerState optimizer{};
  std::int64_t step = 0;  ///< optimiser steps done; of a skipped step optimizer.step stays behind
  std::int64_t epoch = 0;
  Json data_position = Json::object();  ///< of the data loader
  Json rng = Json::object();            ///< seeds and counters
  Json schedule = Json::object();       ///< Schedule::state()
  Json history = Json::array();         ///< evaluations so far
  Json extra = Json::object();          ///< the trainer's own: loss scale, early stopping
  std::optional<double> best_metric{};
  std::string config_digest{};  ///< of what must not change on resume
  std::string data_digest{};
  std::string base_digest{};  ///< of the model that training started from
};

struct StoredSpec {
  DType dtype = DType::f32;
  Shape shape;
  friend bool operator==(const StoredSpec&, const StoredSpec&) = default;
};

/// Which tensors a checkpoint of this run holds: no more, no fewer, of these types and shapes.
struct CheckpointSchema {
  std::map<std::string, StoredSpec> weights;
  std::map<std::string, std::map<std::string, StoredSpec>> optimizer;  ///< parameter -> name of the state
};
CheckpointSchema schema_of(std::span<const ParameterSlot> parameters, const Optimizer& optimizer);

NamedTensors copy_weights(std::span<const ParameterSlot> parameters);
/// Copies the weights into the memory of `parameters`. Errors: invalid_input when one is missing or differs in type or
/// shape; then nothing was copied.
Result<void> restore_weights(const NamedTensors& weights, std::span<const ParameterSlot> parameters);

}  // namespace vauban
