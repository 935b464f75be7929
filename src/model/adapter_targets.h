/// Which modules of a model an adapter's configuration names, and with which rank and alpha. The rules are PEFT's
/// (check_target_module_exists, get_pattern_key, _maybe_include_all_linear_layers), down to their differences: a list of
/// names matches behind a dot, modules_to_save match any end of a name.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "format/peft/adapter_config.h"
#include "model/config.h"
#include "model/tensor_map.h"
#include "text/regex.h"

namespace vauban {

struct Architecture;

/// A layer that an adapter can attach to.
struct TargetModule {
  std::string name;  ///< as Hugging Face's module tree names it: "model.layers.0.self_attn.q_proj"
  TensorRole role = TensorRole::linear;
  Shape shape;              ///< of the weight: (out, in), or (V, D) of an embedding
  bool transposed = false;  ///< a Conv1D: its file holds (in, out)
};
/// In the order of the forward pass. A tied head is there too: it is a module of its own.
std::vector<TargetModule> target_modules(const Architecture& architecture, const ModelConfig& config);

class TargetMatcher {
 public:
  /// Errors: corrupt for an unfit regular expression.
  static Result<TargetMatcher> make(const AdapterConfig& config);

  /// Errors: resource when a regular expression backtracks too much; here and below.
  Result<bool> matches(const TargetModule& module) const;
  /// Whether the module, or one that holds it, is among modules_to_save.
  bool is_saved(std::string_view module) const;
  /// From rank_pattern and alpha_pattern where one matches. Errors: unsupported when two match with different values,
  /// since the order of a JSON object would decide.
  Result<std::int64_t> rank(std::string_view module) const;
  Result<double> alpha(std::string_view module) const;

 private:
  explicit TargetMatcher(const AdapterConfig& config) : config_(config) {}
  Result<bool> is_named(const TargetModule& module) const;
  Result<bool> is_excluded(std::string_view module) const;
  bool is_in_layers(std::string_view module) const;

  AdapterConfig config_;
  std::optional<Regex> target_, exclude_;
  std::vector<std::pair<Regex, std::int64_t>> ranks_;
  std::vector<std::pair<Regex, double>> alphas_;
};

/// Errors: invalid_input when nothing matches; the message lists what the model's modules are called.
Result<std::vector<TargetModule>> matched_modules(const TargetMatcher& matcher, const std::vector<TargetModule>& modules);

}  // namespace vauban
