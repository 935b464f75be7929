/// Adafactor (Shazeer & Stern 2018, arXiv 1804.04235) as torch.optim has it: no first moment, second moments of a
/// matrix factored into rows and columns, steps relative to the size of the parameter, decoupled decay. State: row_var
/// and col_var from rank 2 on (the last two dimensions; the others are a batch), else variance.
#pragma once

#include "train/optim/optimizers.h"

namespace vauban {

std::unique_ptr<Optimizer> make_adafactor(const OptimizerConfig& config, ThreadPool& pool);

}  // namespace vauban
