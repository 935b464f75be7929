/// Choosing one direction of many by what it does to the model, not by how well it separates prompts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace vauban {

/// A mean difference at one token position and layer, and what three runs with it gave.
struct DirectionCandidate {
  std::int64_t position = 0;  ///< of the prompt's last tokens: -1 is the last one
  int layer = 0;
  double refusal_score = 0;   ///< with the direction ablated, prompts that should be refused: lower bypasses more
  double steering_score = 0;  ///< with it added, prompts that should be answered: the refusal score that this induces
  double kl_divergence = 0;   ///< of the ablated model from the plain one on prompts that should be answered, nats
};

struct SelectionRule {
  double max_kl_divergence = 0.1;  ///< more than this damages the model
  double min_steering_score = 0;   ///< less than this does not induce the behaviour
  double layer_share = 0.8;        ///< layers from the whole number below this share of all on are left out: too near
                                   ///< the output tokens
};

/// Indices of the candidates that pass the rule, the best first: lowest refusal score, then the first given. A
/// candidate with a score that is not a number does not pass. Source: Arditi et al. 2024, arXiv 2406.11717, appendix C
/// ("Direction selection").
std::vector<std::size_t> admissible_directions(std::span<const DirectionCandidate> candidates, int layers,
                                               const SelectionRule& rule = {});

/// The first of them. Errors: invalid_input where `layers` is not positive; not_found, saying how many failed on what,
/// where none passes.
Result<std::size_t> select_direction(std::span<const DirectionCandidate> candidates, int layers,
                                     const SelectionRule& rule = {});

}  // namespace vauban
