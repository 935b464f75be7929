#include "evidence/directions/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vauban {
namespace {

enum class Verdict { passes, not_a_number, layer, divergence, steering };

Verdict verdict_of(const DirectionCandidate& candidate, int layers, const SelectionRule& rule) {
  const double scores = candidate.refusal_score + candidate.steering_score + candidate.kl_divergence;
  if (std::isnan(scores)) return Verdict::not_a_number;
  if (candidate.layer >= static_cast<int>(layers * rule.layer_share)) return Verdict::layer;
  if (candidate.kl_divergence > rule.max_kl_divergence) return Verdict::divergence;
  if (candidate.steering_score < rule.min_steering_score) return Verdict::steering;
  return Verdict::passes;
}

}  // namespace

std::vector<std::size_t> admissible_directions(std::span<const DirectionCandidate> candidates, int layers,
                                               const SelectionRule& rule) {
  std::vector<std::size_t> kept(candidates.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  std::erase_if(kept, [&](std::size_t i) { return verdict_of(candidates[i], layers, rule) != Verdict::passes; });
  std::ranges::stable_sort(kept, {}, [&](std::size_t i) { return candidates[i].refusal_score; });
  return kept;
}

Result<std::size_t> select_direction(std::span<const DirectionCandidate> candidates, int layers,
                                     const SelectionRule& rule) {
  if (layers < 1) return invalid_input("direction selection: expected the model's number of layers, found {}", layers);
  const std::vector<std::size_t> kept = admissible_directions(candidates, layers, rule);
  if (!kept.empty()) return kept.front();
  const auto failed = [&](Verdict verdict) {
    return std::ranges::count_if(candidates, [&](const auto& c) { return verdict_of(c, layers, rule) == verdict; });
  };
  return not_found(
      "no direction passes of {}: {} have a score that is not a number, {} lie in layers from {} on, {} have a "
      "divergence "
      "above {}, {} a steering score below {}",
      candidates.size(), failed(Verdict::not_a_number), failed(Verdict::layer),
      static_cast<int>(layers * rule.layer_share), failed(Verdict::divergence), rule.max_kl_divergence,
      failed(Verdict::steering), rule.min_steering_score);
}

}  // namespace vauban
