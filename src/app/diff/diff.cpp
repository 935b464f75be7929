#include "app/diff/diff.h"

#include <algorithm>
#include <filesystem>

#include "app/audit/audit_inputs.h"
#include "app/command_text.h"
#include "app/folder_lock.h"
#include "app/scoring.h"
#include "base/files.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "report/report.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

bool is_run(const fs::path& path) { return fs::exists(path / run_files::kInputs); }

/// Rows of one side, under the label that the comparison gives them.
Result<std::vector<Observation>> rows_of(const std::string& path, const char* label) {
  if (fs::is_directory(path) && !is_run(path))
    return with_hint(unsupported("'{}' is a folder but no run", path), "to compare two models name two: a folder with config.json, a .gguf; `vauban audit` compares what they answer");
  std::vector<Observation> rows;
  if (is_run(path)) {
    VB_TRY(RunData data, load_run(path));
    rows = std::move(data.candidate);
  } else {
    VB_TRY(rows, read_observations(path, {.model_label = label}));
    const auto other = std::find_if(rows.begin(), rows.end(), [&](const Observation& row) { return row.model_label != rows.front().model_label; });
    if (other != rows.end())
      return with_hint(invalid_input("{} holds rows of '{}' and of '{}'", path, rows.front().model_label, other->model_label),
                       "name the run folder itself, or split the file");
  }
  for (Observation& row : rows) row.model_label = label;
  return rows;
}

void score_texts(std::vector<Observation>& rows, const std::vector<const Scorer*>& scorers) {
  for (Observation& row : rows) {
    if (!row.output_text) continue;
    row.metrics.clear();
    row.refused.reset();
    score_row(row, *row.output_text, row.prompt.value_or(""), scorers);
    if (row.outcome.empty() || row.outcome == "ok") row.outcome = row.behaviour_class == "empty" ? "empty" : "ok";
    row.output_sha256 = sha256_hex(*row.output_text);
  }
}

/// Category and role come from the suite where it knows the prompt.
void apply_suite(std::vector<Observation>& rows, const Suite& suite) {
  for (Observation& row : rows) {
    const SuitePrompt* prompt = suite.find(row.prompt_id);
    if (!prompt) continue;
    row.category = prompt->category;
    row.family = prompt->family;
    row.redaction = strictest(row.redaction, redaction_from(prompt->redaction).value_or(Redaction::omitted));
  }
}

Result<std::map<std::string, Role>> roles_of(const std::vector<std::string>& items, const std::vector<Observation>& rows) {
  std::map<std::string, Role> roles;
  for (const std::string& item : items) {
    const std::size_t equals = item.rfind('=');
    if (equals == std::string::npos) return invalid_input("--role '{}': expected CATEGORY=ROLE", item);
    VB_TRY(const Role role, role_from(item.substr(equals + 1)), "in --role '{}'", item);
    const std::string category = item.substr(0, equals);
    if (category == "overall")
      for (const Observation& row : rows) roles.emplace(row.category, role);
    else
      roles[category] = role;
  }
  return roles;
}

Json roles_json(const std::map<std::string, Role>& roles) {
  Json json = Json::object();
  for (const auto& [category, role] : roles) json[category] = to_string(role);
  return json;
}

std::string stem(const std::string& path) {
  const fs::path clean = fs::path(path).lexically_normal();
  return (clean.has_filename() ? clean : clean.parent_path()).stem().string();
}

Result<RunData> data_of(const DiffConfig& config) {
  RunData data;
  VB_TRY(data.baseline, rows_of(config.a, "baseline"));
  VB_TRY(data.candidate, rows_of(config.b, "candidate"));
  VB_TRY(const auto scorers, find_scorers(config.scorers));
  Json suite_file;
  if (config.suite) {
    VB_TRY(AuditSuite suite, load_audit_suite(*config.suite));
    suite_file = sha256_hex(suite.stored_text);
    data.suite = std::move(suite.suite);
    apply_suite(data.baseline, *data.suite);
    apply_suite(data.candidate, *data.suite);
  }
  if (config.rescore) {
    score_texts(data.baseline, scorers);
    score_texts(data.candidate, scorers);
  }
  VB_TRY(data.roles, roles_of(config.role, data.baseline));
  if (config.claim_strength) {
    VB_TRY(data.declared_strength, strength_from(*config.claim_strength));
  }
  data.models = Json::object({{"baseline", Json::object({{"name", stem(config.a)}})}, {"candidate", Json::object({{"name", stem(config.b)}})},
                              {"missing", Json::array()}});
  data.inputs = Json::object({{"version", "vauban_inputs_v1"}, {"kind", is_run(config.a) && is_run(config.b) ? "runs" : "observations"},
                              {"suite", data.suite ? Json(data.suite->digest) : Json()}, {"suite_file", std::move(suite_file)}, {"roles", roles_json(data.roles)},
                              {"scorers", config.rescore ? Json(config.scorers) : Json::array()},
                              {"claim_strength", config.claim_strength ? Json(*config.claim_strength) : Json()},
                              {"title", config.title ? Json(*config.title) : Json()}});
  return data;
}

Result<std::string> rows_text(const RunData& data) {
  std::string text;
  for (const auto* rows : {&data.baseline, &data.candidate})
    for (const Observation& row : *rows) {
      VB_TRY(const std::string line, to_json(row).dump());
      text += line + "\n";
    }
  return text;
}

Result<void> write_folder(const DiffConfig& config, const RunData& data, const Session& session) {
  const fs::path folder = *config.out;
  if (is_run(folder)) {
    VB_TRY(const Json stored, read_json_file(folder / run_files::kInputs));
    VB_TRY(const std::string rows, rows_text(data));
    VB_TRY(const std::string before, read_file(folder / run_files::kObservations));
    if (stored != data.inputs || rows != before)
      return with_hint(invalid_input("'{}' holds another run", folder.string()), "use another --out, or remove the folder");
    return ok();
  }
  if (config.suite) {
    VB_TRY(const AuditSuite suite, load_audit_suite(*config.suite));
    VB_CHECK(write_file_atomic(folder / run_files::kSuite, suite.stored_text));
  }
  VB_TRY(const std::string rows, rows_text(data));
  VB_CHECK(write_file_atomic(folder / run_files::kObservations, rows));
  VB_CHECK(write_json_file(folder / run_files::kModels, data.models));
  VB_CHECK(write_json_file(folder / run_files::kRun,
                           Json::object({{"run", Json::object({{"id", sha256_hex(rows).substr(0, 16)}, {"finished", iso8601(session.context().clock.utc())}})},
                                         {"timings", Json::object()},
                                         {"commands", Json::array({command_text(session.command_line()), command_text({"vauban", "verify", folder.string()})})},
                                         {"reproducibility", Json::object({{"a", config.a}, {"b", config.b}})}})));
  return write_json_file(folder / run_files::kInputs, data.inputs);
}

}  // namespace

Result<Json> diff(const DiffConfig& config, Session& session) {
  VB_TRY(const RunData data, data_of(config));
  // A refused claim_strength must leave no folder behind.
  VB_TRY(Analysis analysis, analyse(data));
  Json report = std::move(analysis.report);
  if (config.out) {
    VB_TRY(const FolderLock lock, FolderLock::take(*config.out));
    VB_CHECK(write_folder(config, data, session));
    VB_TRY(report, write_report(*config.out));
  }
  report["kind"] = *data.inputs.find("kind");
  // cli.md: rows as metric_deltas, under the name that diff has for all kinds of things compared.
  report["metrics"] = *report.find("metric_deltas");
  return report;
}

}  // namespace vauban
