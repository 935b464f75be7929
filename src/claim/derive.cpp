#include "claim/derive.h"

#include <algorithm>
#include <cmath>

#include "claim/ladder.h"

namespace vauban {
namespace {

bool present_on_both_sides(const Evidence& evidence, ArtifactKind kind) {
  const auto found = evidence.presence.find(kind);
  return found != evidence.presence.end() && found->second.baseline > 0 && found->second.candidate > 0;
}

/// A kind counts when a metric was computed from it, over artifacts that both sides have.
bool computed_from(const Evidence& evidence, ArtifactKind kind) {
  if (!present_on_both_sides(evidence, kind)) return false;
  return std::any_of(evidence.deltas.begin(), evidence.deltas.end(), [&](const MetricDelta& delta) {
    const bool uses = std::find(delta.needs.begin(), delta.needs.end(), kind) != delta.needs.end();
    return uses && delta.delta && delta.stats.n > 0;
  });
}

bool reaches(const Evidence& evidence, const Rung& rung) {
  return std::all_of(rung.needs.begin(), rung.needs.end(), [&](ArtifactKind kind) { return computed_from(evidence, kind); });
}

/// The rung whose kinds a metric itself rests on.
Strength strength_of(const MetricDelta& delta) {
  Strength strongest = Strength::black_box_behavioral_diff;
  for (const Rung& row : ladder())
    if (row.needs.size() == 1 && std::find(delta.needs.begin(), delta.needs.end(), row.needs.front()) != delta.needs.end())
      strongest = std::max(strongest, row.strength);
  return strongest;
}

std::string lift_above(const Evidence& evidence, Strength level) {
  for (const Rung& row : ladder()) {
    if (row.strength <= level || reaches(evidence, row)) continue;
    return format("{}: {}", to_string(row.strength), row.lifted_from_below_by);
  }
  return "";
}

std::string number(double value) { return format("{:.4g}", value); }

std::string place(const MetricDelta& delta) {
  return delta.category == "overall" ? "over the whole suite" : format("on category '{}'", delta.category);
}

std::string unit_of(const MetricDelta& delta) { return delta.unit.empty() || delta.unit == "ratio" ? "" : " " + delta.unit; }

std::string interval_text(const Stats& stats) {
  return stats.ci ? format(", 95 % interval {} to {}", number(stats.ci->low), number(stats.ci->high)) : "";
}

std::string p_text(const Stats& stats) { return stats.p_adjusted ? format(", adjusted p = {}", number(*stats.p_adjusted)) : ""; }

std::string changed_statement(const MetricDelta& delta) {
  if (delta.paired_metric)
    return format("{} between the two models is {}{} {} (n = {}{})", delta.name, number(*delta.value_candidate), unit_of(delta),
                  place(delta), delta.stats.n, interval_text(delta.stats));
  return format("{} {} from {} to {}{} {}: {} (n = {}{}{})", delta.name, *delta.delta > 0 ? "rose" : "fell",
                number(*delta.value_baseline), number(*delta.value_candidate), unit_of(delta), place(delta),
                delta.quality == "neutral" ? "a change without a better side" : delta.quality, delta.stats.n,
                interval_text(delta.stats), p_text(delta.stats));
}

std::string equivalent_statement(const MetricDelta& delta) {
  return format("{} is equivalent within the declared margin {}: difference {} (n = {}{})", delta.name, place(delta),
                number(*delta.delta), delta.stats.n, interval_text(delta.stats));
}

std::vector<std::string> limits_of(const Evidence& evidence, const MetricDelta& delta) {
  std::vector<std::string> limits{"holds for the prompts of this suite"};
  if (evidence.pairs < evidence.planned_pairs)
    limits.push_back(format("{} of {} planned pairs were compared", evidence.pairs, evidence.planned_pairs));
  if (!delta.noise_floor) limits.emplace_back("the baseline was not measured against itself: no noise floor");
  if (delta.paired_metric) limits.emplace_back("says how much the models disagree, not which one is right");
  return limits;
}

}  // namespace

/// The one place that can fill a Claim.
Claim detail::make_claim(const Evidence& evidence, const MetricDelta& delta, Strength level) {
  Claim claim;
  claim.metric_ = delta.name;
  claim.category_ = delta.category;
  claim.id_ = format("claim.{}.{}", delta.name, delta.category);
  claim.strength_ = std::min(strength_of(delta), level);
  claim.statement_ = delta.verdict == Verdict::changed ? changed_statement(delta) : equivalent_statement(delta);
  claim.n_ = delta.stats.n;
  claim.effect_ = delta.paired_metric ? delta.value_candidate : delta.delta;
  if (delta.stats.ci) claim.ci_ = {delta.stats.ci->low, delta.stats.ci->high};
  claim.p_ = delta.stats.p;
  claim.p_adjusted_ = delta.stats.p_adjusted;
  claim.limits_ = limits_of(evidence, delta);
  claim.evidence_ = delta.evidence_ids;
  claim.lifted_by_ = lift_above(evidence, claim.strength_);
  return claim;
}

namespace {

std::vector<Claim> claims_of(const Evidence& evidence, Strength level) {
  std::vector<Claim> claims;
  for (const MetricDelta& delta : evidence.deltas) {
    const bool decided = delta.verdict == Verdict::changed || delta.verdict == Verdict::equivalent;
    if (decided && delta.delta && strength_of(delta) <= level) claims.push_back(detail::make_claim(evidence, delta, level));
  }
  return claims;
}

Error above_support(Strength declared, Strength supported, const std::string& lift) {
  return with_hint(invalid_input("claim_strength = \"{}\" is above what the artifacts support, \"{}\"", to_string(declared),
                                 to_string(supported)),
                   format("leave it out, or provide what is missing for {}", lift));
}

/// A configuration may only lower the level.
Result<Strength> limited(Strength computed, std::optional<Strength> declared, const Evidence& evidence) {
  if (!declared) return computed;
  if (*declared > computed) return above_support(*declared, computed, lift_above(evidence, computed));
  return *declared;
}

bool all_among(const std::vector<ArtifactKind>& needs, std::span<const ArtifactKind> kinds) {
  return std::ranges::all_of(needs, [&](ArtifactKind kind) { return std::ranges::find(kinds, kind) != kinds.end(); });
}

std::vector<std::string> strings(const std::vector<std::string_view>& views) { return {views.begin(), views.end()}; }

}  // namespace

Strength computed_strength(const Evidence& evidence) {
  if (evidence.pairs == 0) return Strength::behavioral_profile;
  Strength best = Strength::behavioral_profile;
  for (const Rung& row : ladder())
    if (reaches(evidence, row)) best = row.strength;
  return best;
}

Strength attainable_strength(std::span<const ArtifactKind> kinds) {
  Strength best = Strength::behavioral_profile;
  for (const Rung& row : ladder())
    if (all_among(row.needs, kinds)) best = row.strength;
  return best;
}

Result<void> check_declared(Strength declared, std::span<const ArtifactKind> kinds) {
  const Strength attainable = attainable_strength(kinds);
  if (declared <= attainable) return ok();
  for (const Rung& row : ladder())
    if (row.strength > attainable && !all_among(row.needs, kinds))
      return above_support(declared, attainable, format("{}: {}", to_string(row.strength), row.lifted_from_below_by));
  return above_support(declared, attainable, std::string(to_string(declared)));
}

Result<ClaimSet> derive_claims(const Evidence& evidence, std::optional<Strength> declared) {
  const Strength computed = computed_strength(evidence);
  VB_TRY(const Strength level, limited(computed, declared, evidence));
  ClaimSet set{.level = level, .access = std::string(rung(level).access)};
  set.can_say = strings(rung(level).can_say);
  set.cannot_say = strings(rung(level).cannot_say);
  set.lifted_by = lift_above(evidence, level);
  if (level > Strength::behavioral_profile) set.claims = claims_of(evidence, level);
  if (level < computed)
    set.notes.push_back(format("the configuration lowers the level from {} to {}", to_string(computed), to_string(level)));
  return set;
}

}  // namespace vauban
