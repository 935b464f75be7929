/// AdapterPlan: an adapter held against a model: which pair stands beside which layer, and which tensors it replaces.
///
/// Everything is checked before a weight is loaded: every tensor of the adapter has a place, every module that the
/// configuration names has its pair, every shape and rank fits. The loader and the merge read the same plan.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "format/model_source.h"
#include "format/peft/adapter.h"
#include "model/adapter_targets.h"

namespace vauban {

struct PlannedPair {
  const AdapterTensor *a = nullptr, *b = nullptr;  ///< of the adapter, which the plan keeps
  double scale = 1.0, dropout = 0.0;
  bool embedding = false;
};

struct AdapterPlan {
  std::shared_ptr<const Adapter> adapter;
  std::map<std::string, PlannedPair, std::less<>> pairs;  ///< by module
  /// By the base tensor's Hugging Face name. A replacement `in_adapted` takes the place of the base's own parameter, so
  /// a tied table changes at both ends; another one is a copy for that module alone.
  std::map<std::string, const AdapterTensor*, std::less<>> replacements;
};

/// Errors: invalid_input when no module matches; corrupt for missing, extra or misshapen tensors, all named.
Result<AdapterPlan> plan_adapter(std::shared_ptr<const Adapter> adapter, const Architecture& architecture,
                                 const ModelConfig& config);

/// Several adapters on one model. Errors: those above; invalid_input when two have one name or replace one tensor.
Result<std::vector<AdapterPlan>> plan_adapters(const std::vector<std::shared_ptr<const Adapter>>& adapters,
                                               const Architecture& architecture, const ModelConfig& config);

/// What an adapter may replace: the spec of every tensor of the model by Hugging Face name; that of a tied head too.
std::map<std::string, TensorSpec, std::less<>> replaceable_tensors(const Architecture& architecture,
                                                                   const ModelConfig& config);

}  // namespace vauban
