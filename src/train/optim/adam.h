/// Adam (Kingma & Ba 2014, arXiv 1412.6980), AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) and AMSGrad (Reddi et
/// al. 2018), step by step as torch.optim has them. State: exp_avg, exp_avg_sq, with AMSGrad max_exp_avg_sq.
#pragma once

#include "train/optim/optimizers.h"

namespace vauban {

/// Decay acts on the parameter, apart from the gradient.
std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, ThreadPool& pool);
/// Decay is added to the gradient (L2).
std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config, ThreadPool& pool);

}  // namespace vauban
