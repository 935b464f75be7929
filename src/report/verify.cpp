#include "report/verify.h"

#include <algorithm>
#include <map>
#include <span>

#include "base/files.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "report/report.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

class Checker {
 public:
  explicit Checker(VerifyResult& result) : result_(result) {}
  void fail(std::string file, std::string what, std::string expected, std::string found) {
    result_.failures.push_back({std::move(file), std::move(what), std::move(expected), std::move(found)});
  }
  void same(std::string_view file, const std::string& what, const Json& expected, const Json& found) {
    ++result_.checked;
    if (expected != found) fail(std::string(file), what, shown(expected), shown(found));
  }
  void counted() { ++result_.checked; }

 private:
  static std::string shown(const Json& value) {
    std::string text = value.dump().value_or("?");
    return text.size() > 200 ? text.substr(0, 200) + "..." : text;
  }
  VerifyResult& result_;
};

Result<void> check_files(const fs::path& folder, Checker& checker) {
  if (!fs::exists(folder / run_files::kManifest)) {
    checker.fail(std::string(run_files::kManifest), "manifest", "present", "absent: the run was not finished");
    return ok();
  }
  const auto stored = read_json_file(folder / run_files::kManifest);
  if (!stored) {
    checker.fail(std::string(run_files::kManifest), "manifest", "readable", describe(stored.error()));
    return ok();
  }
  VB_TRY(const Json now, make_manifest(folder));
  const Json none = Json::object();
  const Json* expected = stored->find("files");
  const Json& then = expected ? *expected : none;
  for (const auto& [name, entry] : then.entries()) {
    const Json* found = now.find("files")->find(name);
    const auto check = [&](std::string_view key) {
      checker.same(name, std::string(key), entry.find(key) ? *entry.find(key) : Json(), found ? *found->find(key) : Json("absent"));
    };
    check("sha256");
    if (found) check("bytes");
    if (found && entry.size() != found->size()) checker.fail(std::string(run_files::kManifest), name, "sha256 and bytes", entry.dump().value_or("?"));
  }
  for (const auto& [name, entry] : now.find("files")->entries())
    if (!then.find(name)) checker.fail(name, "file", "listed in the manifest", "not listed");
  Json rest = *stored;
  rest["files"] = *now.find("files");
  checker.same(run_files::kManifest, "what stands beside `files`", now, rest);
  return ok();
}

/// Compares recomputed values with stored ones, key by key, so that a failure names the number.
void compare(Checker& checker, std::string_view file, const std::string& path, const Json& expected, const Json& found) {
  if (expected.is_object() && found.is_object()) {
    for (const auto& [key, value] : expected.entries()) {
      const Json* other = found.find(key);
      compare(checker, file, path.empty() ? key : path + "." + key, value, other ? *other : Json("absent"));
    }
    for (const auto& [key, value] : found.entries())
      if (!expected.find(key)) checker.fail(std::string(file), path + "." + key, "absent", value.dump().value_or("?"));
    return;
  }
  if (expected.is_array() && found.is_array() && expected.size() == found.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i)
      compare(checker, file, format("{}[{}]", path, i), expected.items()[i], found.items()[i]);
    return;
  }
  checker.same(file, path, expected, found);
}

void check_json(const fs::path& folder, std::string_view file, const Json& recomputed, Checker& checker) {
  const auto stored = read_json_file(folder / file);
  if (!stored) return checker.fail(std::string(file), "file", "readable", describe(stored.error()));
  // Numbers are compared as they are written: both sides go through the same text.
  const auto reread = Json::parse(recomputed.dump().value_or("null"));
  compare(checker, file, "", reread ? *reread : Json(), *stored);
}

void check_markdown(const fs::path& folder, const Json& report, Checker& checker) {
  const auto stored = read_file(folder / run_files::kMarkdown);
  checker.same(run_files::kMarkdown, "sha256 of the rendered text", sha256_hex(render_markdown(report)),
               stored ? Json(sha256_hex(*stored)) : Json("absent"));
}

/// The file of the run that an error speaks of; the folder itself when it names none.
std::string file_named_in(const std::string& reason) {
  if (const std::size_t begin = reason.find(format("{}/", run_files::kArtifacts)); begin != std::string::npos)
    return reason.substr(begin, reason.find('\'', begin) - begin);
  for (const std::string_view file : {run_files::kObservations, run_files::kTraces, run_files::kScores, run_files::kSuite, run_files::kFloor,
                                      run_files::kModels, run_files::kRun, run_files::kInputs})
    if (reason.find(file) != std::string::npos) return std::string(file);
  return ".";
}

void check_text_digests(const RunData& data, Checker& checker, VerifyResult& result) {
  std::int64_t withheld = 0;
  for (const auto* rows : {&data.baseline, &data.candidate})
    for (const Observation& row : *rows) {
      if (!row.output_text || !row.output_sha256) {
        withheld += row.output_sha256.has_value() || row.redaction != Redaction::safe;
        continue;
      }
      checker.same(run_files::kObservations, format("text of row '{}'", row.id), *row.output_sha256, sha256_hex(*row.output_text));
    }
  if (withheld) result.notes.push_back(format("{} rows withhold their text: verified from their metrics", withheld));
}

/// A row, its trace and its score row were written at one moment and must still tell the same.
void check_traces(const RunData& data, Checker& checker) {
  std::map<std::string, const TraceDigests*> traces;
  for (const TraceDigests& trace : data.traces) traces.emplace(trace.trace_id, &trace);
  for (const auto* rows : {&data.baseline, &data.candidate})
    for (const Observation& row : *rows) {
      if (row.trace_id.empty()) continue;
      const auto trace = traces.find(row.trace_id);
      if (trace == traces.end()) {
        checker.fail(std::string(run_files::kTraces), format("trace of row '{}'", row.id), row.trace_id, "absent");
        continue;
      }
      const TraceDigests& digests = *trace->second;
      if (!digests.text_sha256.empty() && row.output_sha256)
        checker.same(run_files::kTraces, format("text of trace '{}'", row.trace_id), *row.output_sha256, digests.text_sha256);
      if (!digests.prompt_ids_sha256.empty() && !row.prompt_ids_sha256.empty())
        checker.same(run_files::kTraces, format("prompt ids of trace '{}'", row.trace_id), row.prompt_ids_sha256, digests.prompt_ids_sha256);
      if (!digests.output_ids_sha256.empty() && !row.output_ids.empty())
        checker.same(run_files::kTraces, format("generated ids of trace '{}'", row.trace_id), sha256_hex(std::as_bytes(std::span(row.output_ids))), digests.output_ids_sha256);
    }
}

/// Scores are of the baseline's own ids: prompt and answer.
void check_score_ids(const RunData& data, Checker& checker) {
  for (const TokenScores& scores : data.token_scores)
    for (const Observation& row : data.baseline) {
      if (row.prompt_id != scores.prompt_id || row.sample_index != scores.sample_index || row.output_ids.empty()) continue;
      const std::size_t answer = row.output_ids.size();
      checker.same(run_files::kScores, format("tokens of prompt '{}'", row.prompt_id), true, scores.kld.size() + 1 > answer);
    }
}

}  // namespace

Result<VerifyResult> verify_run(const fs::path& folder, const RowRescorer& rescore) {
  // A manifest alone still says that this was a run: what it lists and is gone is then a fault, not a wrong path.
  if (!fs::exists(folder / run_files::kInputs) && !fs::exists(folder / run_files::kManifest))
    return not_found("'{}' is no run folder: it has no {}", folder.string(), run_files::kInputs);
  VerifyResult result;
  Checker checker(result);
  VB_CHECK(check_files(folder, checker));
  const auto data = load_run(folder);
  if (!data) {
    const std::string reason = describe(data.error());
    checker.fail(file_named_in(reason), "raw files", "readable", reason);
    return result;
  }
  check_text_digests(*data, checker, result);
  check_traces(*data, checker);
  check_score_ids(*data, checker);
  if (!data->token_scores.empty() || !data->noise_floors.empty())
    result.notes.emplace_back("per-token scores and the noise floor are taken as stored: recomputing them needs the models");
  if (rescore) {
    for (const auto* rows : {&data->baseline, &data->candidate})
      for (const Observation& row : *rows) {
        if (!row.output_text || row.redaction != Redaction::safe) continue;
        const Observation again = rescore(row, *data);
        compare(checker, run_files::kObservations, format("row '{}'", row.id), to_json(again), to_json(row));
      }
  }
  const auto analysis = analyse(*data);
  if (!analysis) {
    checker.fail(folder.filename().string(), "analysis", "computable", describe(analysis.error()));
    return result;
  }
  check_json(folder, run_files::kEvidence, to_json(analysis->evidence), checker);
  check_json(folder, run_files::kClaims, to_json(analysis->claims), checker);
  check_json(folder, run_files::kReport, analysis->report, checker);
  check_markdown(folder, analysis->report, checker);
  result.ok = result.failures.empty();
  return result;
}

}  // namespace vauban
