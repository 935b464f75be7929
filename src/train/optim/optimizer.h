/// Optimizer: gradients in, parameters moved. What every optimiser of this folder has in common.
///
/// Parameters and gradients are contiguous host memory of the caller, f32 or f64; the arithmetic is done in that type.
/// Work is cut into fixed chunks on the pool and nothing is reduced across chunks without a fixed order, so the bits
/// of a step do not depend on the thread count. One thread at a time per optimizer.
/// To add one: a file with a make function here, and a line in optimizers.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace vauban {

struct ParameterSlot {
  std::string name;
  Shape shape;
  DType dtype = DType::f32;    ///< f32 or f64, of value and grad
  void* value = nullptr;       ///< shape.elements() of them
  const void* grad = nullptr;  ///< as many; read only
  bool decay = true;           ///< false for norms and biases: weight decay leaves it alone
};

/// One tensor that an optimiser keeps for one parameter.
struct StateSpec {
  std::string name;  ///< "exp_avg", as torch.optim calls it
  Shape shape;
  DType dtype = DType::f32;
};

/// All that a step depends on besides parameters, gradients and settings.
struct OptimizerState {
  std::int64_t step = 0;                                           ///< steps done
  std::map<std::string, std::map<std::string, Tensor>> tensors{};  ///< parameter -> name of the state -> host tensor
};

class Optimizer {
 public:
  explicit Optimizer(ThreadPool& pool) : pool_(pool) {}
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// What is kept for `parameter`; zeros before the first step.
  virtual std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const = 0;

  /// One step with learning rate `lr`. Each gradient is multiplied by `grad_scale` as it is read (clipping, loss
  /// scale), which gives the bits of multiplying in place first. A parameter keeps its shape and type from its first
  /// step on. Errors: invalid_input for a parameter without memory, of another type, named twice, or changed; a rate or
  /// scale that is not finite. Then nothing has moved.
  Result<void> step(std::span<const ParameterSlot> parameters, double lr, double grad_scale = 1);

  /// Makes the states, which step() does where it must: a run may be saved before its first step. Errors: as there.
  Result<void> prepare(std::span<const ParameterSlot> parameters);

  std::int64_t steps_done() const { return step_; }

  /// Shares memory with the optimiser: save it before the next step.
  OptimizerState state() const;

  /// Copies `state` in. Errors: invalid_input when a tensor of `parameters` is missing, has another shape or type, or
  /// belongs to nobody; then the optimiser is as it was.
  Result<void> restore(std::span<const ParameterSlot> parameters, const OptimizerState& state);

 protected:
  struct Update {
    const ParameterSlot& parameter;
    std::span<const Tensor> state;  ///< in the order of state_layout()
    std::int64_t step;              ///< this one, from 1
    double lr;
    double grad_scale;
  };
  /// Moves one parameter; inputs were checked.
  virtual void update(const Update& update) = 0;

  ThreadPool& pool() const { return pool_; }

 private:
  struct Kept {
    Shape shape;
    DType dtype = DType::f32;
    std::vector<std::string> names;
    std::vector<Tensor> tensors;
  };
  Kept make_state(const ParameterSlot& parameter) const;

  ThreadPool& pool_;
  std::int64_t step_ = 0;
  std::map<std::string, Kept> kept_;
};

}  // namespace vauban
