/// Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2): the sign of an interpolated momentum, decoupled decay.
/// State: exp_avg.
#pragma once

#include "train/optim/optimizers.h"

namespace vauban {

std::unique_ptr<Optimizer> make_lion(const OptimizerConfig& config, ThreadPool& pool);

}  // namespace vauban
