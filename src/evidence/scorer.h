/// Scorers: text -> verdicts. A scorer has a version in its name; changing one changes the name.
/// The list is scorers/scorers.cpp; one file per scorer.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "suite/observation.h"
#include "suite/suite.h"

namespace vauban {

struct ScoreInput {
  std::string_view output;             ///< the whole completion
  std::string_view prompt;             ///< may be empty
  std::string_view expected_behavior;
};

struct ScoreOutput {
  std::map<std::string, double> metrics;
  std::string behaviour_class;  ///< comply partial refuse hedge clarify empty; "" when this scorer does not classify
};

struct Scorer {
  std::string_view id;  ///< "refusal_v2"
  std::string_view summary;
  std::vector<std::string_view> metrics;  ///< ids it emits
  void (*score)(const ScoreInput& input, ScoreOutput& output);
};

std::span<const Scorer> all_scorers();
/// Names may be bundles: deterministic_v1, deterministic_v2. Errors: not_found with a did-you-mean.
Result<std::vector<const Scorer*>> find_scorers(const std::vector<std::string>& names);
/// Fills metrics, refused, behaviour_class and (where still unknown) outcome of a row from its output text.
void score_row(Observation& row, std::string_view output, std::string_view prompt, const std::vector<const Scorer*>& scorers);

}  // namespace vauban
