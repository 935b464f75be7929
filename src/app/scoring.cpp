#include "app/scoring.h"

namespace vauban {
namespace {

/// Outcome and metrics of a row that did run: what the scorers say, and whether the answer was cut.
void finish_row(Observation& row, std::string_view output, std::string_view prompt, const std::vector<const Scorer*>& scorers) {
  score_row(row, output, prompt, scorers);
  if (row.finish_reason == "length") row.outcome = "truncated";
}

std::string prompt_text(const SuitePrompt& prompt) {
  if (!prompt.text.empty()) return prompt.text;
  return prompt.messages.empty() ? "" : prompt.messages.back().content;
}

}  // namespace

Result<RowFinisher> make_finisher(const Suite& suite) {
  VB_TRY(const std::vector<const Scorer*> scorers, find_scorers(suite.scorers));
  return RowFinisher([scorers](Observation& row, const SuitePrompt& prompt, std::string_view output) {
    finish_row(row, output, prompt_text(prompt), scorers);
  });
}

Observation rescore_row(const Observation& row, const RunData& data) {
  std::vector<std::string> names;
  if (const Json* listed = data.inputs.find("scorers"))
    for (const Json& name : listed->items()) names.push_back(name.as_string());
  const auto scorers = find_scorers(names);
  if (!scorers || names.empty()) return row;
  Observation again = row;
  again.metrics.clear();
  again.refused.reset();
  again.behaviour_class.clear();
  again.outcome.clear();
  const SuitePrompt* prompt = data.suite ? data.suite->find(row.prompt_id) : nullptr;
  finish_row(again, *row.output_text, prompt ? prompt_text(*prompt) : row.prompt.value_or(""), *scorers);
  return again;
}

}  // namespace vauban
