#include "train/optim/optimizers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "train/optim/adafactor.h"
#include "train/optim/adam.h"
#include "train/optim/adam_variants.h"
#include "train/optim/lion.h"
#include "train/optim/root_mean.h"
#include "train/optim/sgd.h"

namespace vauban {

namespace {

using Config = OptimizerConfig;

const std::array kOptimizers{
    OptimizerEntry{
        .id = "adamw",
        .summary = "Adam with decay apart from the gradient",
        .defaults =
            {.id = "adamw", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .amsgrad = false},
        .make = make_adamw},
    OptimizerEntry{
        .id = "adam",
        .summary = "adaptive moments, decay as L2 in the gradient",
        .defaults = {.id = "adam", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0, .amsgrad = false},
        .make = make_adam},
    OptimizerEntry{
        .id = "nadam",
        .summary = "Adam with Nesterov's momentum",
        .defaults =
            {.id = "nadam", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0, .momentum_decay = 0.004},
        .make = make_nadam},
    OptimizerEntry{.id = "radam",
                   .summary = "Adam whose rate is rectified while its variance is unknown",
                   .defaults = {.id = "radam", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0},
                   .make = make_radam},
    OptimizerEntry{.id = "sgd",
                   .summary = "gradient descent with momentum",
                   .defaults = {.id = "sgd", .weight_decay = 0, .momentum = 0, .dampening = 0, .nesterov = false},
                   .make = make_sgd},
    OptimizerEntry{.id = "adagrad",
                   .summary = "divides by the root of the sum of squared gradients",
                   .defaults = {.id = "adagrad", .epsilon = 1e-10, .weight_decay = 0, .lr_decay = 0},
                   .make = make_adagrad},
    OptimizerEntry{
        .id = "rmsprop",
        .summary = "divides by the root of the moving mean of squared gradients",
        .defaults =
            {.id = "rmsprop", .epsilon = 1e-8, .weight_decay = 0, .momentum = 0, .smoothing = 0.99, .centered = false},
        .make = make_rmsprop},
    OptimizerEntry{
        .id = "adafactor",
        .summary = "factored second moments, steps relative to the size of the parameter",
        .defaults = {.id = "adafactor", .weight_decay = 0, .beta2_decay = -0.8, .min_rms = 1e-3, .clip_threshold = 1},
        .make = make_adafactor},
    OptimizerEntry{.id = "lion",
                   .summary = "the sign of an interpolated momentum; a third of the state of AdamW is saved",
                   .defaults = {.id = "lion", .beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0},
                   .make = make_lion},
};

/// Bounds are inclusive; `below_one` makes the upper one open.
struct NumberOption {
  std::string_view name;
  std::optional<double> Config::*member;
  double min, max;
  bool below_one;
  std::string_view help;
};
const std::array kNumbers{
    NumberOption{"beta1", &Config::beta1, 0, 1, true, "decay of the first moment"},
    NumberOption{"beta2", &Config::beta2, 0, 1, true, "decay of the second moment"},
    NumberOption{"epsilon", &Config::epsilon, 0, 1, false, "added to the root in the denominator"},
    NumberOption{"weight_decay", &Config::weight_decay, 0, 1e6, false, "pull of matrices towards 0"},
    NumberOption{"momentum", &Config::momentum, 0, 1, true, "share of the last move that is kept"},
    NumberOption{"dampening", &Config::dampening, 0, 1, false, "share of the gradient kept out of the momentum"},
    NumberOption{"smoothing", &Config::smoothing, 0, 1, true, "decay of the mean of squared gradients"},
    NumberOption{"lr_decay", &Config::lr_decay, 0, 1e6, false, "the rate is divided by 1 + steps * lr_decay"},
    NumberOption{"momentum_decay", &Config::momentum_decay, 0, 1, false, "speed at which nadam's momentum grows"},
    NumberOption{"beta2_decay", &Config::beta2_decay, -1, 0, false, "adafactor forgets by step^beta2_decay"},
    NumberOption{"min_rms", &Config::min_rms, 0, 1, false, "least size that adafactor takes a parameter to have"},
    NumberOption{"clip_threshold", &Config::clip_threshold, 1e-6, 1e6, false, "largest root mean square of a step"},
};

struct SwitchOption {
  std::string_view name;
  std::optional<bool> Config::*member;
  std::string_view help;
};
const std::array kSwitches{
    SwitchOption{"nesterov", &Config::nesterov, "look ahead along the momentum"},
    SwitchOption{"amsgrad", &Config::amsgrad, "divide by the largest second moment so far"},
    SwitchOption{"centered", &Config::centered, "subtract the squared mean from the mean of squares"},
};

std::vector<std::string> ids() {
  std::vector<std::string> names;
  for (const OptimizerEntry& entry : kOptimizers) names.emplace_back(entry.id);
  return names;
}

Result<const OptimizerEntry*> find_entry(const std::string& id) {
  for (const OptimizerEntry& entry : kOptimizers)
    if (entry.id == id) return &entry;
  Error error = not_found("unknown optimizer '{}'; known: {}", printable(id), join(ids(), ", "));
  const std::string guess = did_you_mean(id, ids());
  return guess.empty() ? error : with_hint(std::move(error), format("did you mean '{}'?", guess));
}

template <class Option>
Result<void> fill(Config& config, const OptimizerEntry& entry, const Option& option) {
  const auto& by_default = entry.defaults.*option.member;
  auto& value = config.*option.member;
  if (value && !by_default) return invalid_input("optimizer '{}' has no '{}'", entry.id, option.name);
  if (!value) value = by_default;
  return ok();
}

Result<void> check_range(const Config& config, const NumberOption& option) {
  const std::optional<double>& value = config.*option.member;
  if (!value) return ok();
  if (*value >= option.min && *value <= option.max && !(option.below_one && *value == 1)) return ok();
  return invalid_input("{}: expected a number from {} to {}{}, found {}", option.name, option.min,
                       option.below_one ? "below " : "", option.max, *value);
}

}  // namespace

void fields(OptimizerConfig& c, FieldVisitor& f) {
  f("id", c.id, {.help = "which optimizer", .choices = ids()});
  f("lr", c.lr, {.help = "learning rate, the peak of its schedule", .min = 0});
  for (const NumberOption& option : kNumbers)
    f(option.name, c.*option.member, {.help = std::string(option.help), .min = option.min, .max = option.max});
  for (const SwitchOption& option : kSwitches) f(option.name, c.*option.member, {.help = std::string(option.help)});
}

std::span<const OptimizerEntry> all_optimizers() { return kOptimizers; }

Result<OptimizerConfig> resolve(const OptimizerConfig& config) {
  VB_TRY(const OptimizerEntry* entry, find_entry(config.id));
  OptimizerConfig resolved = config;
  for (const NumberOption& option : kNumbers) VB_CHECK(fill(resolved, *entry, option));
  for (const SwitchOption& option : kSwitches) VB_CHECK(fill(resolved, *entry, option));
  for (const NumberOption& option : kNumbers) VB_CHECK(check_range(resolved, option), "of optimizer '{}'", entry->id);
  if (!std::isfinite(config.lr) || config.lr < 0)
    return invalid_input("lr: expected a finite learning rate of at least 0, found {}", config.lr);
  if (resolved.nesterov.value_or(false) && (*resolved.momentum == 0 || *resolved.dampening != 0))
    return invalid_input("nesterov needs a momentum above 0 and no dampening");
  return resolved;
}

Result<std::unique_ptr<Optimizer>> make_optimizer(const OptimizerConfig& config, const Context& context) {
  VB_TRY(const OptimizerConfig resolved, resolve(config));
  VB_TRY(const OptimizerEntry* entry, find_entry(resolved.id));
  return entry->make(resolved, context.pool);
}

}  // namespace vauban
