#include "train/fresh_adapter.h"

#include <algorithm>

#include "base/strings.h"
#include "model/init_adapter.h"

namespace vauban {
namespace {

/// "all-linear" and what looks like a regular expression is a pattern, as in PEFT a single string would be.
ModuleChoice choice_of(const std::vector<std::string>& targets) {
  const bool pattern = targets.size() == 1 && (targets[0] == "all-linear" ||
                                               targets[0].find_first_of("*+?()[]|^$\\") != std::string::npos);
  return pattern ? ModuleChoice{.names = {}, .pattern = targets[0]} : ModuleChoice{.names = targets, .pattern = {}};
}

struct PatternEntry {
  std::string regex;
  double number;
};
Result<PatternEntry> parse_pattern(std::string_view key, const std::string& text) {
  const std::size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0)
    return invalid_input("[lora] {}: expected \"regex=number\", found \"{}\"", key, text);
  VB_TRY(const double number, parse_double(text.substr(at + 1)), "in [lora] {} \"{}\"", key, text);
  return PatternEntry{text.substr(0, at), number};
}

}  // namespace

Result<std::shared_ptr<const Adapter>> fresh_adapter(const TrainingConfig& config, const ModelSource& base) {
  const LoraConfig lora = config.lora.value_or(LoraConfig{});
  AdapterConfig adapter{.rank = lora.rank,
                        .alpha = lora.alpha,
                        .dropout = lora.dropout,
                        .target_modules = choice_of(lora.targets),
                        .layers_to_transform = lora.layers,
                        .use_rslora = lora.use_rslora,
                        .modules_to_save = lora.modules_to_save,
                        .task_type = "CAUSAL_LM",
                        .base_model = base.name};
  if (!lora.layers.empty() && !adapter.target_modules.pattern.empty())
    return with_hint(invalid_input("[lora] layers: PEFT applies them to a list of module names only, found targets = [\"{}\"]",
                                   adapter.target_modules.pattern),
                     "list the modules: targets = [\"q_proj\", \"v_proj\"]");
  for (const std::string& text : lora.rank_pattern) {
    VB_TRY(const PatternEntry entry, parse_pattern("rank_pattern", text));
    const auto rank = static_cast<std::int64_t>(std::clamp(entry.number, 0.0, 1e6));
    if (static_cast<double>(rank) != entry.number || rank < 1 || rank > AdapterConfig::kMaxRank)
      return invalid_input("[lora] rank_pattern: expected a rank of 1 to {}, found \"{}\"", AdapterConfig::kMaxRank, text);
    if (!adapter.rank_pattern.emplace(entry.regex, rank).second)
      return invalid_input("[lora] rank_pattern names \"{}\" twice", entry.regex);
  }
  for (const std::string& text : lora.alpha_pattern) {
    VB_TRY(const PatternEntry entry, parse_pattern("alpha_pattern", text));
    if (!adapter.alpha_pattern.emplace(entry.regex, entry.number).second)
      return invalid_input("[lora] alpha_pattern names \"{}\" twice", entry.regex);
  }
  return init_adapter(std::move(adapter), base, config.seed);
}

}  // namespace vauban
