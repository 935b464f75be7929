/// Metrics: what a number means. The list is metrics/metrics.cpp; `list metrics` and the reports walk it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "suite/suite.h"
#include "vauban/trace.h"

namespace vauban {

struct Metric {
  std::string_view id;        ///< "refusal_rate", "mean_kld"
  std::string_view summary;
  std::string_view unit;      ///< ratio, count, nat, tokens
  std::string_view family;    ///< behavior, distribution
  std::string_view polarity;  ///< higher_is_better lower_is_better neutral; by role: see quality_of
  bool paired = false;        ///< needs both models on identical ids or prompts: value_baseline is baseline vs itself
  bool binary = false;        ///< 0/1 per row: tested by McNemar
  std::vector<ArtifactKind> needs;
};

std::span<const Metric> all_metrics();
const Metric* find_metric(std::string_view id);
/// improved, regressed, unchanged or neutral, by the category's role first (audit.md section 5).
std::string_view quality_of(std::string_view metric, std::string_view polarity, Role role, double delta);

}  // namespace vauban
