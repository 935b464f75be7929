#include <algorithm>
#include <array>

#include "model/model.h"
#include "model/weight_snapshot.h"

namespace vauban {
namespace {

const Support kFull{SupportLevel::full, ""};

Support partial(std::string reason) { return {SupportLevel::partial, std::move(reason)}; }
Support unsupported_for(std::string reason) { return {SupportLevel::unsupported, std::move(reason)}; }

/// Made around the forward pass (tokenizer, sampler, page table), not inside it.
bool is_made_by_runtime(Site site) {
  return site == Site::tokens || site == Site::logprobs || site == Site::sampled_id || site == Site::kv_pages;
}

Support op_support(const Ops& ops, Op op) {
  if (ops.supports(op, Direction::forward)) return kFull;
  return unsupported_for(format("backend '{}' has no operation '{}'", ops.backend(), to_string(op)));
}

Support site_support(const ModelConfig& config, const std::vector<Site>& sites, const Ops& ops, Site site) {
  if (is_made_by_runtime(site)) return kFull;
  if (std::find(sites.begin(), sites.end(), site) == sites.end())
    return unsupported_for(format("architecture '{}' has no value '{}'", config.architecture, to_string(site)));
  if (site == Site::attn_scores) return op_support(ops, Op::attention_scores);
  if (site == Site::attn_pattern) return op_support(ops, Op::attention_pattern);
  return kFull;
}

Support counted(const std::string& gap) { return gap.empty() ? kFull : partial(gap); }

/// A matrix and a vector of values that every narrower type would round, given to the backend and read back: what it gives
/// back unchanged can be shown, and what an edit writes arrives.
Support weight_support(Ops& ops) {
  static constexpr std::array kValues{0.1F, -2.7182817F, 16777215.0F, 3.0e-20F, -1.0F, 0.0F};
  const std::span<const float> values(kValues);
  for (const Shape& shape : {Shape{2, 3}, Shape{6}}) {
    const auto probe = ops.load_weight("probe", {.dtype = DType::f32, .shape = shape, .bytes = std::as_bytes(values)}, nullptr);
    if (!probe) return unsupported_for(format("backend '{}' takes no f32 weight: {}", ops.backend(), probe.error().message));
    const auto held = read_weight(*probe);
    if (!held) return unsupported_for(format("backend '{}': {}", ops.backend(), held.error().message));
    if (!std::ranges::equal(*held, values))
      return partial(format("backend '{}' does not hold f32 weights as they are given ({})", ops.backend(),
                            to_string(probe->tensor.dtype())));
  }
  return kFull;
}

}  // namespace

Capability capability_of(const ModelConfig& config, Ops& ops, bool has_tokenizer) {
  const Support text = has_tokenizer ? kFull : unsupported_for("the model came without a tokenizer");
  Capability capability;
  capability.name = std::string(ops.backend());
  capability.device_kinds = {std::string(ops.device_kind())};
  capability.logits = capability.logprobs = op_support(ops, Op::lm_head);
  capability.activations = kFull;
  capability.interventions = op_support(ops, Op::primitive);
  capability.kv_cache = op_support(ops, Op::attention);
  capability.weight_access = capability.mutable_weights = weight_support(ops);
  capability.text = text;
  capability.tokens = has_tokenizer ? kFull : partial("ids only: the model came without a tokenizer");
  const CounterGaps gaps = ops.counter_gaps(ops.device_kind());
  capability.profile_device_memory = counted(gaps.memory);
  capability.profile_sync_points = counted(gaps.waits);
  const std::vector<Site> sites = sites_of(config.decoder);
  for (const SiteInfo& site : all_sites())
    if (Support support = site_support(config, sites, ops, site.id); support.level != SupportLevel::full)
      capability.site_limits.emplace(site.id, std::move(support));
  return capability;
}

}  // namespace vauban
