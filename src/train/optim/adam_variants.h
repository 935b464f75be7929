/// NAdam (Dozat 2016, with torch.optim's momentum schedule 1 - 0.5 * 0.96^(t * momentum_decay)) and RAdam (Liu et al.
/// 2019, arXiv 1908.03265). Decay is L2. State: exp_avg, exp_avg_sq.
#pragma once

#include "train/optim/optimizers.h"

namespace vauban {

std::unique_ptr<Optimizer> make_nadam(const OptimizerConfig& config, ThreadPool& pool);
std::unique_ptr<Optimizer> make_radam(const OptimizerConfig& config, ThreadPool& pool);

}  // namespace vauban
