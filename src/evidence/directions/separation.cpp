#include "evidence/directions/separation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "evidence/stats/stats.h"

namespace vauban {
namespace {

struct Labelled {
  double value;
  bool positive;
};

std::vector<Labelled> sorted(std::span<const double> positive, std::span<const double> negative) {
  std::vector<Labelled> all;
  all.reserve(positive.size() + negative.size());
  for (const double value : positive) all.push_back({value, true});
  for (const double value : negative) all.push_back({value, false});
  std::ranges::sort(all, {}, &Labelled::value);
  return all;
}

}  // namespace

double auroc(std::span<const double> positive, std::span<const double> negative) {
  const std::vector<Labelled> all = sorted(positive, negative);
  double wins = 0, negatives_below = 0;
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    double positives = 0, negatives = 0;
    for (; end < all.size() && all[end].value == all[begin].value; ++end)
      (all[end].positive ? positives : negatives) += 1;
    wins += positives * (negatives_below + negatives / 2);
    negatives_below += negatives;
    begin = end;
  }
  return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

std::optional<double> cohens_d(std::span<const double> positive, std::span<const double> negative) {
  if (positive.size() < 2 || negative.size() < 2) return std::nullopt;
  const double free_positive = static_cast<double>(positive.size()) - 1,
               free_negative = static_cast<double>(negative.size()) - 1;
  const double sd_positive = sample_sd(positive), sd_negative = sample_sd(negative);
  const double pooled =
      std::sqrt((free_positive * sd_positive * sd_positive + free_negative * sd_negative * sd_negative) /
                (free_positive + free_negative));
  if (pooled == 0) return std::nullopt;
  return (mean_of(positive) - mean_of(negative)) / pooled;
}

}  // namespace vauban
