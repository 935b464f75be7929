/// The activation functions of the reference backend and their slopes.
#pragma once

#include "ops/ops.h"

namespace vauban {

double activate(Activation activation, double x);
/// d activate / dx; 0 for relu at 0.
double activation_slope(Activation activation, double x);

}  // namespace vauban
