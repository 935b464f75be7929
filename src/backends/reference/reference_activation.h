/// The activation functions of the reference backend and their slopes.
#pragma once

#include "ops/ops.h"

namespace vauban {

/// 0 for clamped_swiglu, which has no plain form.
double activate(Activation activation, double x);
/// d activate / dx; 0 for relu at 0.
double activation_slope(Activation activation, double x);

/// activate(gate) * up, and clamped_swiglu.
double activate_gated(Activation activation, double gate, double up);
struct GateSlopes {
  double gate, up;  ///< derivatives of activate_gated; where clamped_swiglu limits an argument, 0
};
GateSlopes gated_slopes(Activation activation, double gate, double up);

}  // namespace vauban
