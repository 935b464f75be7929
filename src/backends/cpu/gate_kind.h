/// The kernels' name of an activation.
#pragma once

#include "backends/cpu/kernels.h"
#include "ops/ops.h"

namespace vauban::cpu {

inline GateKind gate_kind(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return GateKind::silu;
    case Activation::gelu_tanh:
      return GateKind::gelu_tanh;
    case Activation::gelu_erf:
      return GateKind::gelu_erf;
    case Activation::relu:
      return GateKind::relu;
    case Activation::relu_squared:
      return GateKind::relu_squared;
    case Activation::sigmoid:
      return GateKind::sigmoid;
    case Activation::clamped_swiglu:
      return GateKind::clamped_swiglu;
  }
  return GateKind::silu;
}

}  // namespace vauban::cpu
