#include "model/decoder/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vauban {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

std::vector<double> scores_of(const Routing& routing, std::span<const double> logits) {
  std::vector<double> scores(logits.begin(), logits.end());
  if (routing.scores == Routing::Scores::sigmoid) {
    for (double& score : scores) score = 1.0 / (1.0 + std::exp(-score));
    return scores;
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (double& score : scores) score /= sum;
  return scores;
}

/// The `count` largest, largest first; of equal ones the first.
std::vector<int> largest(std::span<const double> values, int count) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(count));
  return order;
}

double group_score(const Routing& routing, std::span<const double> members) {
  const bool two = routing.group_score == Routing::GroupScore::sum_of_two && members.size() > 1;
  double sum = 0.0;
  for (const int member : largest(members, two ? 2 : 1)) sum += members[static_cast<std::size_t>(member)];
  return sum;
}

/// Experts outside the best groups can no longer be chosen.
void keep_groups(const Routing& routing, std::vector<double>& choice) {
  if (routing.groups_kept >= routing.groups) return;
  const std::size_t size = choice.size() / static_cast<std::size_t>(routing.groups);
  std::vector<double> scores;
  for (int group = 0; group < routing.groups; ++group)
    scores.push_back(group_score(routing, std::span(choice).subspan(static_cast<std::size_t>(group) * size, size)));
  std::vector<bool> kept(scores.size(), false);
  for (const int group : largest(scores, routing.groups_kept)) kept[static_cast<std::size_t>(group)] = true;
  for (std::size_t i = 0; i < choice.size(); ++i)
    if (!kept[i / size]) choice[i] = kNever;
}

}  // namespace

Routed route(const Routing& routing, std::span<const double> logits, std::span<const double> correction) {
  const auto experts = static_cast<std::size_t>(routing.experts);
  Routed out;
  for (std::size_t first = 0; first < logits.size(); first += experts) {
    const std::vector<double> scores = scores_of(routing, logits.subspan(first, experts));
    std::vector<double> choice = scores;
    for (std::size_t i = 0; i < correction.size(); ++i) choice[i] += correction[i];
    keep_groups(routing, choice);
    std::vector<int> chosen = largest(choice, routing.chosen);
    std::sort(chosen.begin(), chosen.end());
    double sum = 0.0;
    for (const int expert : chosen) sum += scores[static_cast<std::size_t>(expert)];
    const double factor = routing.scale / (routing.normalise ? sum + 1e-20 : 1.0);
    for (const int expert : chosen) {
      out.experts.push_back(expert);
      out.weights.push_back(scores[static_cast<std::size_t>(expert)] * factor);
    }
  }
  return out;
}

}  // namespace vauban
