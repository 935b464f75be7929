// `verify` on a good run, and on every kind of damage.
#include "base/json_file.h"
#include "base/result.h"
#include "base/sha256.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

fs::path first_payload(const fs::path& run) {
  for (const fs::directory_entry& entry : fs::directory_iterator(run / "artifacts")) return entry.path();
  ADD_FAILURE() << "the run has no payload";
  return {};
}

void flip_byte(const fs::path& path) {
  std::string bytes = read_text(path);
  ASSERT_GT(bytes.size(), 9u);
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 0x10);
  write_text(path, bytes);
}

/// The first of the array under `list` gets another number under `key`.
void edit_first(const fs::path& path, const char* list, const char* key) {
  edit_json(path, [&](Json& json) {
    Json::Array items = at(json, {list}).items();
    ASSERT_FALSE(items.empty());
    items.front()[key] = at(items.front(), {key}).as_double() + 0.125;
    json[list] = Json(std::move(items));
  });
}

/// `edit` on the first line only.
void edit_first_line(const fs::path& path, const std::function<bool(Json&)>& edit) {
  bool first = true;
  edit_lines(path, [&](Json& row) { return std::exchange(first, false) ? edit(row) : true; });
}

bool drop(Json&) { return false; }
bool raise_metric(Json& row) {
  row["metrics"]["refusal_rate"] = 1.0 - at(row, {"metrics", "refusal_rate"}).as_double();
  return true;
}
bool rewrite_text(Json& row) {
  row["output_text"] = at(row, {"output_text"}).as_string() + " and so on";
  return true;
}
bool rewrite_text_and_digest(Json& row) {
  rewrite_text(row);
  row["output_sha256"] = sha256_hex(at(row, {"output_text"}).as_string());
  return true;
}

void edit_manifest_entry(const fs::path& run, const char* key, const Json& value) {
  edit_json(run / "manifest.json", [&](Json& manifest) { manifest["files"]["report.md"][key] = value; });
}

void append(const fs::path& path, const std::string& text) { write_text(path, read_text(path) + text); }

struct Fault {
  const char* name;
  const char* file;  ///< part of the file name that a failure must give
  void (*plant)(const fs::path& run);
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

const Fault kPlainFaults[] = {
    {"FlippedByteInAPayload", "artifacts/", [](const fs::path& run) { flip_byte(first_payload(run)); }},
    {"EditedMetricInTheReport", "report.json", [](const fs::path& run) { edit_first(run / "report.json", "metric_deltas", "delta"); }},
    {"EditedMetricOfARow", "observations.jsonl", [](const fs::path& run) { edit_first_line(run / "observations.jsonl", raise_metric); }},
    {"RemovedRow", "observations.jsonl", [](const fs::path& run) { edit_first_line(run / "observations.jsonl", drop); }},
    {"RemovedScoreRow", "scores.jsonl", [](const fs::path& run) { edit_first_line(run / "scores.jsonl", drop); }},
    {"RemovedTrace", "traces.jsonl", [](const fs::path& run) { edit_first_line(run / "traces.jsonl", drop); }},
    {"RemovedArtifact", "artifacts/", [](const fs::path& run) { fs::remove(first_payload(run)); }},
    {"RemovedReport", "report.json", [](const fs::path& run) { fs::remove(run / "report.json"); }},
    {"RemovedInputs", "inputs.json", [](const fs::path& run) { fs::remove(run / "inputs.json"); }},
    {"RemovedManifest", "manifest.json", [](const fs::path& run) { fs::remove(run / "manifest.json"); }},
    {"AddedFile", "extra.txt", [](const fs::path& run) { write_text(run / "extra.txt", "x"); }},
    {"AddedArtifact", "artifacts/extra", [](const fs::path& run) { write_text(run / "artifacts/extra.safetensors", "x"); }},
    {"EditedDigestInTheManifest", "report.md", [](const fs::path& run) { edit_manifest_entry(run, "sha256", std::string(64, '0')); }},
    {"EditedSizeInTheManifest", "report.md", [](const fs::path& run) { edit_manifest_entry(run, "bytes", 1); }},
    {"AddedKeyInAManifestEntry", "manifest.json", [](const fs::path& run) { edit_manifest_entry(run, "note", "fine"); }},
    {"AddedKeyInTheManifest", "manifest.json", [](const fs::path& run) { edit_json(run / "manifest.json", [](Json& m) { m["ok"] = true; }); }},
    {"UnreadableManifest", "manifest.json", [](const fs::path& run) { write_text(run / "manifest.json", "{"); }},
    {"EditedSuite", "suite.toml", [](const fs::path& run) { append(run / "suite.toml", "\n# note\n"); }},
    {"EditedMarkdown", "report.md", [](const fs::path& run) { append(run / "report.md", "All is well.\n"); }},
    {"UnreadableRows", "observations.jsonl", [](const fs::path& run) { append(run / "observations.jsonl", "{\"prompt_id\": 3}\n"); }},
};

/// Whoever edits a file can also write the manifest anew; then only recomputation tells.
const Fault kFaultsWithManifest[] = {
    {"MetricInTheReport", "report.json", [](const fs::path& run) { edit_first(run / "report.json", "metric_deltas", "delta"); }},
    {"LevelInTheReport", "report.json", [](const fs::path& run) { edit_json(run / "report.json", [](Json& r) { r["level"] = "model_change_audit"; }); }},
    {"VerdictInTheReport", "report.json", [](const fs::path& run) { edit_json(run / "report.json", [](Json& r) { r["verdict"]["answer"] = "ship"; }); }},
    {"ClaimAdded", "claims.json", [](const fs::path& run) { edit_json(run / "claims.json", [](Json& c) { c["claims"].push_back("it is safe"); }); }},
    {"MetricInTheEvidence", "evidence.json", [](const fs::path& run) { edit_first(run / "evidence.json", "metric_deltas", "value_candidate"); }},
    {"MarkdownText", "report.md", [](const fs::path& run) { append(run / "report.md", "All is well.\n"); }},
    {"MetricOfARow", "observations.jsonl", [](const fs::path& run) { edit_first_line(run / "observations.jsonl", raise_metric); }},
    {"TextOfARow", "observations.jsonl", [](const fs::path& run) { edit_first_line(run / "observations.jsonl", rewrite_text); }},
    {"TextOfARowWithItsDigest", "observations.jsonl", [](const fs::path& run) { edit_first_line(run / "observations.jsonl", rewrite_text_and_digest); }},
    {"RowRemoved", "report.json", [](const fs::path& run) { edit_first_line(run / "observations.jsonl", drop); }},
    {"ScoreRowRemoved", "report.json", [](const fs::path& run) { edit_first_line(run / "scores.jsonl", drop); }},
    {"TraceRemoved", "evidence.json", [](const fs::path& run) { edit_first_line(run / "traces.jsonl", drop); }},
    {"ByteOfAPayload", "artifacts/", [](const fs::path& run) { flip_byte(first_payload(run)); }},
    {"NoiseFloorRaised", "report.json", [](const fs::path& run) { edit_json(run / "floor.json", [](Json& f) { f["metrics"]["mean_kld"] = 100.0; }); }},
    {"SuiteComment", "suite.toml", [](const fs::path& run) { append(run / "suite.toml", "\n# note\n"); }},
    {"ModelDigest", "report.json", [](const fs::path& run) { edit_json(run / "models.json", [](Json& m) { m["candidate"]["digest"] = std::string(64, 'a'); }); }},
    {"RunRecord", "report.json", [](const fs::path& run) { edit_json(run / "run.json", [](Json& r) { r["reproducibility"]["threads"] = 99; }); }},
};

void write_manifest_anew(const fs::path& run) {
  Json files = Json::object();
  for (const auto& [name, bytes] : files_below(run))
    if (name != "manifest.json") files[name] = Json::object({{"sha256", sha256_hex(bytes)}, {"bytes", bytes.size()}});
  edit_json(run / "manifest.json", [&](Json& manifest) { manifest["files"] = std::move(files); });
}

class Verify : public testing::TestWithParam<Fault> {
 protected:
  void SetUp() override { ASSERT_EQ(work_.audit("base", "changed", "run").exit_code, 4); }
  fs::path run() const { return work_ / "run"; }

  void expect_caught() const {
    const Outcome told = work_.run({"verify", "run", "--json"});
    EXPECT_EQ(told.exit_code, 1) << told.err;
    const Json answer = told.json();
    EXPECT_FALSE(at(answer, {"ok"}).as_bool());
    bool named = false;
    for (const Json& failure : at(answer, {"failures"}).items()) {
      for (const char* key : {"file", "what", "expected", "found"}) EXPECT_TRUE(at(failure, {key}).is_string()) << key;
      named |= at(failure, {"file"}).as_string().find(GetParam().file) != std::string::npos;
    }
    EXPECT_TRUE(named) << "no failure names " << GetParam().file << ":\n" << told.out.substr(0, 2000);
    const Outcome plain = work_.run({"verify", "run"});
    EXPECT_EQ(plain.exit_code, 1);
    EXPECT_NE(plain.out.find(GetParam().file), std::string::npos) << plain.out;
  }
  const Workspace work_;
};

using VerifyGood = Verify;
INSTANTIATE_TEST_SUITE_P(Untouched, VerifyGood, testing::Values(Fault{"None", "", nullptr}), [](const auto&) { return "Run"; });

TEST_P(VerifyGood, PassesAndCountsWhatItChecked) {
  const Outcome done = work_.run({"verify", "run", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.out;
  const Json answer = done.json();
  EXPECT_TRUE(at(answer, {"ok"}).as_bool());
  EXPECT_GT(at(answer, {"checked"}).as_int(), 1000);
  EXPECT_EQ(at(answer, {"failures"}).size(), 0u);
  for (const auto& [name, bytes] : files_below(run()))
    if (name != "manifest.json") {
      EXPECT_NE(at(read_json(run() / "manifest.json"), {"files", name}).find("sha256"), nullptr) << name << " is not in the manifest";
    }
}

using VerifyDamage = Verify;
INSTANTIATE_TEST_SUITE_P(Of, VerifyDamage, testing::ValuesIn(kPlainFaults), [](const auto& fault) { return fault.param.name; });

TEST_P(VerifyDamage, IsCaughtAndNamed) {
  GetParam().plant(run());
  expect_caught();
}

using VerifyForgery = Verify;
INSTANTIATE_TEST_SUITE_P(Of, VerifyForgery, testing::ValuesIn(kFaultsWithManifest), [](const auto& fault) { return fault.param.name; });

TEST_P(VerifyForgery, IsCaughtByRecomputation) {
  GetParam().plant(run());
  write_manifest_anew(run());
  expect_caught();
}

/// Rendering again must not sign a change of the raw files, and an audit must not carry such a run on.
TEST(VerifyAfterReport, StillSeesAChangeOfTheRawFiles) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run").exit_code, 4);
  edit_first_line(work / "run" / "observations.jsonl", drop);
  EXPECT_EQ(work.run({"report", "run"}).exit_code, 4);
  const Outcome told = work.run({"verify", "run"});
  EXPECT_EQ(told.exit_code, 1);
  EXPECT_NE(told.out.find("observations.jsonl"), std::string::npos) << told.out;
  const Outcome again = work.audit("base", "changed", "run");
  EXPECT_EQ(again.exit_code, 3);
  EXPECT_NE(again.err.find("observations.jsonl"), std::string::npos) << again.err;
}

TEST(VerifyOfAnythingElse, IsNotARun) {
  const Workspace work;
  for (const char* path : {"base", "nothing-here"}) {
    const Outcome done = work.run({"verify", path, "--json"});
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_EQ(at(done.json(), {"error", "code"}).as_string(), "not_found");
  }
}

}  // namespace
}  // namespace vauban::test
