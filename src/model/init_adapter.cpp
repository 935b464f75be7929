#include "model/init_adapter.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "base/strings.h"
#include "model/adapter_plan.h"
#include "model/model.h"
#include "model/stored_form.h"

namespace vauban {
namespace {

std::size_t elements(const Shape& shape) { return static_cast<std::size_t>(shape.elements()); }

std::vector<float> uniforms(std::size_t count, double bound, Rng& rng) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>((2.0 * rng.uniform() - 1.0) * bound);
  return values;
}

std::vector<float> normals(std::size_t count, double deviation, Rng& rng) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.normal() * deviation);
  return values;
}

void add_pair(std::vector<AdapterTensor>& tensors, const TargetModule& module, std::int64_t rank, bool gaussian, Rng rng) {
  const bool embedding = module.role == TensorRole::embedding;
  const std::int64_t in = module.shape[embedding ? 0 : 1], out = module.shape[embedding ? 1 : 0];
  const Shape a{rank, in}, b{out, rank};
  if (embedding) {
    tensors.push_back(adapter_tensor(pair_key(module.name, AdapterPart::embedding_a), a, std::vector<float>(elements(a))));
    tensors.push_back(adapter_tensor(pair_key(module.name, AdapterPart::embedding_b), b, normals(elements(b), 1.0, rng)));
    return;
  }
  const std::vector<float> random = gaussian ? normals(elements(a), 1.0 / static_cast<double>(rank), rng)
                                             : uniforms(elements(a), 1.0 / std::sqrt(static_cast<double>(in)), rng);
  tensors.push_back(adapter_tensor(pair_key(module.name, AdapterPart::lora_a), a, random));
  tensors.push_back(adapter_tensor(pair_key(module.name, AdapterPart::lora_b), b, std::vector<float>(elements(b))));
}

/// The base's values in Hugging Face's layout, as f32. A tied head is the table.
Result<std::vector<float>> base_values(const ModelSource& base, const TensorSpec& spec, const std::vector<TensorSpec>& map) {
  const bool gguf = base.is_gguf();
  std::vector<std::string> names{gguf ? spec.gguf : spec.hf, gguf ? "" : spec.hf_alias};
  if (spec.role == TensorRole::head)
    for (const TensorSpec& other : map)
      if (other.role == TensorRole::embedding && other.shape == spec.shape) names.push_back(gguf ? other.gguf : other.hf);
  for (const std::string& name : names) {
    if (base.compressed && base.compressed->holds(name)) {
      VB_TRY(const DecodedTensor decoded, base.compressed->decode(name));
      return decode_f32(decoded.view);
    }
    const TensorEntry* entry = name.empty() ? nullptr : base.file->find(name);
    if (!entry) continue;
    VB_TRY(std::vector<float> values, decode_f32(entry->view), "in tensor '{}'", name);
    if (!gguf) return values;
    const TensorView view{DType::f32, entry->view.shape, std::as_bytes(std::span(values))};
    VB_TRY(const OwnedView canonical, to_canonical(view, spec, true), "in tensor '{}'", name);
    VB_TRY(const OwnedView stored, from_canonical(canonical.view, spec, false), "in tensor '{}'", name);
    return decode_f32(stored.view);
  }
  return not_found("tensor '{}' is missing in {}", spec.hf, base.path.string());
}

bool copies_bias(const AdapterConfig& config, const TensorSpec& spec, bool is_target) {
  return spec.hf.ends_with(".bias") &&
         (config.bias == AdapterBias::all || (config.bias == AdapterBias::lora_only && is_target));
}

}  // namespace

Result<std::shared_ptr<const Adapter>> init_adapter(AdapterConfig config, const ModelSource& base, std::uint64_t seed) {
  if (config.init != "true" && config.init != "gaussian")
    return unsupported("init_lora_weights '{}' is not supported for a new adapter; known: true, gaussian",
                       printable(config.init));
  VB_TRY(const Architecture* architecture, find_architecture(base));
  VB_TRY(const ModelConfig model, architecture->read_config(base));
  VB_TRY(const TargetMatcher matcher, TargetMatcher::make(config));
  const std::vector<TargetModule> modules = target_modules(*architecture, model);
  VB_TRY(const std::vector<TargetModule> matched, matched_modules(matcher, modules));

  std::vector<AdapterTensor> tensors;
  std::set<std::string> targets;
  config.fan_in_fan_out = std::ranges::any_of(matched, &TargetModule::transposed);
  for (std::size_t i = 0; i < modules.size(); ++i) {
    VB_TRY(const bool is_target, matcher.matches(modules[i]));
    if (!is_target) continue;
    VB_TRY(const std::int64_t rank, matcher.rank(modules[i].name));
    add_pair(tensors, modules[i], rank, config.init == "gaussian", Rng(seed, i));
    targets.insert(modules[i].name);
  }
  const TensorMap map = architecture->tensors(model);
  for (const auto& [name, spec] : replaceable_tensors(*architecture, model)) {
    const std::string module = module_of(spec);
    const bool is_target = targets.contains(module);
    if (!matcher.is_saved(module) && !copies_bias(config, spec, is_target)) continue;
    VB_TRY(const std::vector<float> values, base_values(base, spec, map));
    tensors.push_back(adapter_tensor(replacement_key(module, name.substr(module.size() + 1), is_target), hf_shape(spec), values));
  }
  VB_TRY(auto adapter, Adapter::make(std::move(config), std::move(tensors)));
  VB_CHECK(plan_adapter(adapter, *architecture, model), "in the new adapter");
  return adapter;
}

}  // namespace vauban
