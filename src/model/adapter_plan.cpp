#include "model/adapter_plan.h"

#include <algorithm>

#include "base/strings.h"
#include "model/model.h"

namespace vauban {
namespace {

using Specs = std::map<std::string, TensorSpec, std::less<>>;

std::string where(const Adapter& adapter) {
  return adapter.path().empty() ? format("the adapter '{}'", adapter.name()) : adapter.path().string();
}

Result<const AdapterTensor*> need(const Adapter& adapter, const std::string& key, const Shape& expected) {
  const AdapterTensor* tensor = adapter.find(key);
  if (!tensor) return corrupt("tensor '{}' is missing in {}", key, where(adapter));
  if (tensor->view.shape == expected) return tensor;
  return corrupt("tensor '{}' in {}: expected shape {}, file has {} {}", printable(key), where(adapter),
                 expected.to_string(), to_string(tensor->view.dtype), tensor->view.shape.to_string());
}

Result<PlannedPair> plan_pair(const Adapter& adapter, const TargetMatcher& matcher, const TargetModule& module) {
  VB_TRY(const std::int64_t rank, matcher.rank(module.name));
  VB_TRY(const double alpha, matcher.alpha(module.name));
  PlannedPair pair{.scale = adapter.config().scale(alpha, rank), .dropout = adapter.config().dropout};
  pair.embedding = module.role == TensorRole::embedding;
  // An embedding (V, D) reads ids: its "in" is V. Of the others the weight is (out, in).
  const std::int64_t in = module.shape[pair.embedding ? 0 : 1], out = module.shape[pair.embedding ? 1 : 0];
  VB_TRY(pair.a, need(adapter, pair_key(module.name, pair.embedding ? AdapterPart::embedding_a : AdapterPart::lora_a),
                      {rank, in}));
  VB_TRY(pair.b, need(adapter, pair_key(module.name, pair.embedding ? AdapterPart::embedding_b : AdapterPart::lora_b),
                      {out, rank}));
  return pair;
}

/// Why a tensor of the base may be in the adapter, apart from modules_to_save: biases that were trained with it, and the
/// tables that PEFT stores whenever one of them is targeted or was resized (save_embedding_layers).
bool may_replace(const AdapterConfig& config, const TensorSpec& spec, bool is_target) {
  if (spec.hf.ends_with(".bias")) return config.bias == AdapterBias::all || (config.bias == AdapterBias::lora_only && is_target);
  return spec.role == TensorRole::embedding || spec.role == TensorRole::head;
}

Result<void> plan_replacement(AdapterPlan& plan, const AdapterTensor& tensor, const TargetMatcher& matcher,
                              const Specs& specs) {
  const AdapterKey& key = tensor.parsed;
  const auto spec = specs.find(format("{}.{}", key.module, key.tensor));
  if (spec == specs.end())
    return corrupt("tensor '{}' in {} belongs to no part of this model", printable(tensor.key), where(*plan.adapter));
  const bool is_target = plan.pairs.contains(key.module);
  if (!matcher.is_saved(key.module) && !may_replace(plan.adapter->config(), spec->second, is_target))
    return corrupt("tensor '{}' in {}: its configuration names this module neither in modules_to_save nor by its bias",
                   printable(tensor.key), where(*plan.adapter));
  VB_TRY(const AdapterTensor* checked, need(*plan.adapter, tensor.key, hf_shape(spec->second)));
  if (!plan.replacements.emplace(spec->first, checked).second)
    return corrupt("{} holds '{}' twice, inside and outside of base_layer", where(*plan.adapter), spec->first);
  return ok();
}

/// Every tensor of a saved module is stored. (Biases need not be: older writers left those of adapted modules out.)
Result<void> check_saved_are_there(const AdapterPlan& plan, const TargetMatcher& matcher, const Specs& specs) {
  std::vector<std::string> unmatched = plan.adapter->config().modules_to_save;
  for (const auto& [name, spec] : specs) {
    const std::string module = module_of(spec);
    if (!matcher.is_saved(module)) continue;
    std::erase_if(unmatched, [&](const std::string& saved) { return format("{}.", module).find(saved + ".") != std::string::npos; });
    if (!plan.replacements.contains(name))
      return corrupt("tensor '{}' is missing in {}, although modules_to_save names it",
                     replacement_key(module, name.substr(module.size() + 1)), where(*plan.adapter));
  }
  if (unmatched.empty()) return ok();
  return invalid_input("modules_to_save of {} names '{}', which this model does not have", where(*plan.adapter),
                       printable(unmatched.front()));
}

Result<void> refuse_extra_pairs(const AdapterPlan& plan) {
  for (const AdapterTensor& tensor : plan.adapter->tensors()) {
    if (tensor.parsed.part == AdapterPart::replacement) continue;
    const auto pair = plan.pairs.find(tensor.parsed.module);
    if (pair != plan.pairs.end() && (pair->second.a == &tensor || pair->second.b == &tensor)) continue;
    return corrupt("tensor '{}' in {}: its configuration targets no such layer of this model", printable(tensor.key),
                   where(*plan.adapter));
  }
  return ok();
}

}  // namespace

Specs replaceable_tensors(const Architecture& architecture, const ModelConfig& config) {
  Specs specs;
  for (const TensorSpec& spec : architecture.tensors(config)) specs.emplace(spec.hf, spec);
  for (const TargetModule& module : target_modules(architecture, config)) {
    const std::string name = module.name + ".weight";
    specs.emplace(name, TensorSpec{.hf = name, .shape = module.shape, .role = module.role});  // the tied head
  }
  return specs;
}

Result<AdapterPlan> plan_adapter(std::shared_ptr<const Adapter> adapter, const Architecture& architecture,
                                 const ModelConfig& config) {
  AdapterPlan plan;
  plan.adapter = std::move(adapter);
  VB_TRY(const TargetMatcher matcher, TargetMatcher::make(plan.adapter->config()));
  VB_TRY(const std::vector<TargetModule> modules, matched_modules(matcher, target_modules(architecture, config)));
  for (const TargetModule& module : modules) {
    VB_TRY(const PlannedPair pair, plan_pair(*plan.adapter, matcher, module));
    plan.pairs.emplace(module.name, pair);
  }
  const Specs specs = replaceable_tensors(architecture, config);
  for (const AdapterTensor& tensor : plan.adapter->tensors())
    if (tensor.parsed.part == AdapterPart::replacement) VB_CHECK(plan_replacement(plan, tensor, matcher, specs));
  VB_CHECK(refuse_extra_pairs(plan));
  VB_CHECK(check_saved_are_there(plan, matcher, specs));
  return plan;
}

Result<std::vector<AdapterPlan>> plan_adapters(const std::vector<std::shared_ptr<const Adapter>>& adapters,
                                               const Architecture& architecture, const ModelConfig& config) {
  std::vector<AdapterPlan> plans;
  std::set<std::string> names, replaced;
  for (const std::shared_ptr<const Adapter>& adapter : adapters) {
    if (!names.insert(adapter->name()).second)
      return invalid_input("two adapters are called '{}'", printable(adapter->name()));
    VB_TRY(AdapterPlan plan, plan_adapter(adapter, architecture, config), "with {}", where(*adapter));
    for (const auto& [tensor, replacement] : plan.replacements)
      if (!replaced.insert(tensor).second)
        return invalid_input("two adapters replace tensor '{}': which one should count cannot be known", tensor);
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace vauban
