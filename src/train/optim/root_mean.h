/// Two optimisers that divide by a root of squares: Adagrad (Duchi et al. 2011; state: sum) and RMSprop (Hinton's
/// lecture 6e; state: square_avg, momentum_buffer, grad_avg where used), as torch.optim has them. Decay is L2.
#pragma once

#include "train/optim/optimizers.h"

namespace vauban {

std::unique_ptr<Optimizer> make_adagrad(const OptimizerConfig& config, ThreadPool& pool);
std::unique_ptr<Optimizer> make_rmsprop(const OptimizerConfig& config, ThreadPool& pool);

}  // namespace vauban
