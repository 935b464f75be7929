/// A small run for the tests of this folder: two LoRA pairs in f32 under AdamW.
#pragma once

#include <cmath>
#include <cstring>

#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/digests.h"
#include "train/checkpoint/tensor_checks.h"

namespace vauban::test {

inline Tensor wave(const Shape& shape, double phase) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::sin(phase + 0.7 * static_cast<double>(i)));
  return host_tensor(shape, values);
}

/// Equal for equal `seed`, so that a file tells whose state it holds.
inline TrainingState sample_state(int seed = 1) {
  TrainingState state;
  double phase = seed;
  for (const char* layer : {"layers.0.q_proj", "layers.1.v_proj"}) {
    state.weights.emplace(std::string(layer) + ".lora_A.weight", wave(Shape{2, 3}, phase += 1));
    state.weights.emplace(std::string(layer) + ".lora_B.weight", wave(Shape{4, 2}, phase += 1));
  }
  for (const auto& [name, tensor] : state.weights)
    for (const char* kept : {"exp_avg", "exp_avg_sq"})
      state.optimizer.tensors[name].emplace(kept, wave(tensor.shape(), phase += 1));
  state.step = state.optimizer.step = seed;
  state.epoch = 2;
  state.data_position = Json::object({{"shard", 1}, {"row", std::int64_t{1} << 60}});
  state.rng = Json::object({{"seed", ~std::uint64_t{0}}, {"counter", 17}});
  state.history = Json::array({Json::object({{"loss", 0.1F}, {"step", 1}})});
  state.best_metric = 1.0 / 3;
  state.config_digest = "c0";
  state.data_digest = "da";
  state.base_digest = "ba";
  return state;
}

inline CheckpointSchema schema_for(const TrainingState& state) {
  CheckpointSchema schema;
  for (const auto& [name, tensor] : state.weights) schema.weights[name] = {tensor.dtype(), tensor.shape()};
  for (const auto& [name, tensors] : state.optimizer.tensors)
    for (const auto& [kept, tensor] : tensors) schema.optimizer[name][kept] = {tensor.dtype(), tensor.shape()};
  return schema;
}

inline const ResumeCheck kSameRun{.config_digest = "c0", .data_digest = "da", .base_digest = "ba"};

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  const auto x = host_bytes(a), y = host_bytes(b);
  return a.dtype() == b.dtype() && a.shape() == b.shape() && std::equal(x.begin(), x.end(), y.begin(), y.end());
}

}  // namespace vauban::test
