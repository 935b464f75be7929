/// The list of optimisers, and the configuration that chooses one. To add one: a file here and a line in
/// optimizers.cpp.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/config/fields.h"
#include "base/context.h"
#include "base/result.h"
#include "train/optim/optimizer.h"

namespace vauban {

/// What is left out takes the optimiser's own default (that of torch.optim); what the optimiser does not have is
/// refused, so that no setting is ignored silently.
struct OptimizerConfig {
  std::string id = "adamw";
  double lr = 1e-3;  ///< the peak, which the schedule scales
  std::optional<double> beta1{}, beta2{}, epsilon{}, weight_decay{}, momentum{}, dampening{}, smoothing{}, lr_decay{},
      momentum_decay{}, beta2_decay{}, min_rms{}, clip_threshold{};
  std::optional<bool> nesterov{}, amsgrad{}, centered{};
};
void fields(OptimizerConfig& c, FieldVisitor& f);

struct OptimizerEntry {
  std::string_view id;
  std::string_view summary;
  OptimizerConfig defaults;  ///< holds a value for each setting that this optimiser has
  std::unique_ptr<Optimizer> (*make)(const OptimizerConfig& resolved, ThreadPool& pool);
};
std::span<const OptimizerEntry> all_optimizers();

/// With every setting of the chosen optimiser filled in.
/// Errors: not_found for an unknown id; invalid_input for a setting it does not have or a value out of range.
Result<OptimizerConfig> resolve(const OptimizerConfig& config);
Result<std::unique_ptr<Optimizer>> make_optimizer(const OptimizerConfig& config, const Context& context);

}  // namespace vauban
