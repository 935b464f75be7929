/// Which experts a token goes to, and with what weight: from the router's logits, on the host, in f64.
///
/// Sources: Shazeer et al. 2017 (arXiv 1701.06538); Mixtral: Jiang et al. 2024 (2401.04088); DeepSeek-V2: 2405.04434
/// (groups by their best expert); DeepSeek-V3: 2412.19437 (sigmoid scores, a bias for the choice alone, groups by the sum
/// of their two best).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vauban {

struct Routing {
  enum class Scores { softmax, sigmoid } scores = Scores::softmax;
  enum class GroupScore { best, sum_of_two } group_score = GroupScore::best;
  int experts = 0, chosen = 0;    ///< E, k
  int groups = 1, groups_kept = 1;
  bool normalise = false;         ///< the weights of the chosen are divided by their sum
  double scale = 1.0;             ///< and multiplied by this
};

struct Routed {
  std::vector<std::int32_t> experts;  ///< (T * k), each token's by ascending number
  std::vector<double> weights;        ///< (T * k)
};

/// `logits` (T, E); `correction` (E) is added to the scores for the choice alone, empty: none. Equal scores: the lower number.
Routed route(const Routing& routing, std::span<const double> logits, std::span<const double> correction = {});

}  // namespace vauban
