/// vauban score ROWS.jsonl: verdicts of stored completions.

#include "app/command.h"
#include "evidence/scorer.h"
#include "suite/observation.h"

namespace vauban {
namespace {

struct ScoreConfig {
  std::string rows;
  std::vector<std::string> scorers{"deterministic_v2"};
  CommonOptions common;
};

void fields(ScoreConfig& c, FieldVisitor& f) {
  f("rows", c.rows, {.help = "JSONL rows (or one JSON array) with output_text or response", .required = true, .positional = true, .file = true});
  f("scorers", c.scorers, {.help = "see `vauban list scorers`; deterministic_v1 and deterministic_v2 are bundles"});
  fields(c.common, f);
}

Json scored(Observation row, const std::vector<const Scorer*>& scorers) {
  row.metrics.clear();
  row.behaviour_class.clear();
  score_row(row, row.output_text.value_or(""), row.prompt.value_or(""), scorers);
  Json metrics = Json::object();
  for (const auto& [name, value] : row.metrics) metrics[name] = value;
  return Json::object({{"prompt_id", row.prompt_id}, {"class", row.behaviour_class.empty() ? Json() : Json(row.behaviour_class)},
                       {"metrics", std::move(metrics)}});
}

Result<int> run_score(const ScoreConfig& config, Session& session) {
  VB_TRY(const std::vector<const Scorer*> scorers, find_scorers(config.scorers));
  VB_TRY(const std::vector<Observation> rows, read_observations(config.rows, {}));
  for (const Observation& row : rows)
    if (!row.output_text)
      return with_hint(invalid_input("row '{}' of {} has no output_text: there is nothing to score", row.id, config.rows),
                       "rows whose text is withheld keep the metrics of their run");
  for (const Observation& row : rows) VB_CHECK(session.out().print_json_line(scored(row, scorers)));
  return 0;
}

}  // namespace

Command score_command() {
  return make_command<ScoreConfig>({"score", "verdicts of stored completions, one JSON line each", ""}, run_score);
}

}  // namespace vauban
