/// Clipping by the global norm of all gradients.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "train/optim/optimizer.h"

namespace vauban {

/// sqrt(sum of g^2) over all parameters, accumulated in f64. Sums are taken over fixed chunks of each parameter and
/// added in order, so the bits depend neither on threads nor on timing. NaN or infinite when a gradient is: the caller
/// skips the step then.
double global_norm(std::span<const ParameterSlot> parameters, ThreadPool& pool);

/// What the gradients are multiplied by, as torch's clip_grad_norm_: min(1, max_norm / (norm + 1e-6)). Give it to
/// Optimizer::step as `grad_scale`.
double clip_factor(double norm, double max_norm);

}  // namespace vauban
