/// Stochastic gradient descent with momentum, dampening, Nesterov's look-ahead and L2 decay, as torch.optim.SGD.
/// State: momentum_buffer where momentum is not 0.
#pragma once

#include "train/optim/optimizers.h"

namespace vauban {

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, ThreadPool& pool);

}  // namespace vauban
