/// How well one number per prompt tells two groups of prompts apart.
#pragma once

#include <optional>
#include <span>

namespace vauban {

/// Area under the ROC curve: the chance that a positive value exceeds a negative one, ties counting half. Both groups
/// are not empty. Computed from rank sums (Mann-Whitney), so its cost is that of a sort.
double auroc(std::span<const double> positive, std::span<const double> negative);

/// (mean of positive - mean of negative) / pooled standard deviation, n - 1 in each group.
/// Empty where a group has fewer than two values or no value varies. Source: Cohen 1988, p. 67.
std::optional<double> cohens_d(std::span<const double> positive, std::span<const double> negative);

}  // namespace vauban
