/// AdapterConfig: adapter_config.json of a LoRA adapter, as PEFT writes it.
///
/// Keys that change what an adapter computes and that this program does not know are refused by name; a key with a value
/// that means "off" (null, false, an empty list or object) is passed over, whatever its name.
/// Source: PEFT 0.21 LoraConfig; model-files.md section 6.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// Which biases of the base were trained with the adapter and are stored in it.
enum class AdapterBias { none, all, lora_only };

/// Names of modules, or one regular expression over whole module names (Python's fullmatch).
struct ModuleChoice {
  std::vector<std::string> names;  ///< a module matches its whole name, or what follows one of its dots
  std::string pattern;             ///< of target_modules also "all-linear"; empty: `names` count
  bool empty() const { return names.empty() && pattern.empty(); }
  friend bool operator==(const ModuleChoice&, const ModuleChoice&) = default;
};

struct AdapterConfig {
  static constexpr std::int64_t kMaxRank = 1 << 20;

  std::int64_t rank = 8;
  double alpha = 8.0;
  double dropout = 0.0;  ///< [0, 1), while training only
  ModuleChoice target_modules, exclude_modules;
  std::vector<std::int64_t> layers_to_transform;  ///< empty: every layer; counts for lists of names only, as in PEFT
  std::vector<std::string> layers_pattern;        ///< what stands before the layer number ("layers"); empty: anything
  std::map<std::string, std::int64_t> rank_pattern;  ///< regular expression over the end of a module name -> rank
  std::map<std::string, double> alpha_pattern;
  bool use_rslora = false;  ///< scale alpha / sqrt(r) instead of alpha / r
  /// Base weights are stored (in, out). Said by the module itself here, as PEFT corrects it too; kept for the file.
  bool fan_in_fan_out = false;
  AdapterBias bias = AdapterBias::none;
  std::vector<std::string> modules_to_save;  ///< a module matches when its name ends so: replaced as a whole
  std::string init = "true";                 ///< init_lora_weights: "true", "false", "gaussian", "orthogonal", "eva"
  std::string task_type;                     ///< "" or "CAUSAL_LM"
  std::string base_model;                    ///< base_model_name_or_path; a note

  /// alpha / r, or alpha / sqrt(r) with use_rslora.
  double scale(double module_alpha, std::int64_t module_rank) const;
  friend bool operator==(const AdapterConfig&, const AdapterConfig&) = default;
};

/// Errors: unsupported for another PEFT type or an unknown part (named), corrupt for missing or unfit values.
Result<AdapterConfig> adapter_config_from_json(const Json& config);
/// With every key that PEFT needs to open the adapter.
Json to_json(const AdapterConfig& config);

}  // namespace vauban
