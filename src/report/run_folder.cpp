#include "report/run_folder.h"

#include <algorithm>
#include <span>
#include <tuple>

#include "base/files.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "trace/artifact_store.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

Result<Json> read_optional_json(const fs::path& path) {
  if (!fs::exists(path)) return Json();
  return read_json_file(path);
}

/// Calls `visit` for each JSON line of a log that may be absent.
template <class Visit>
Result<void> for_each_line(const fs::path& path, Visit visit) {
  if (!fs::exists(path)) return ok();
  VB_TRY(const std::string text, read_log(path));
  std::int64_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    VB_TRY(const Json row, Json::parse(line), "{}:{}", path.filename().string(), number);
    VB_CHECK(visit(row), "{}:{}", path.filename().string(), number);
  }
  return ok();
}

bool is_candidate(const std::string& label) { return label == "candidate"; }

Result<void> load_rows(const fs::path& folder, RunData& data) {
  VB_TRY(const std::string text, read_log(folder / run_files::kObservations));
  VB_TRY(std::vector<Observation> rows, parse_observations(text, std::string(run_files::kObservations), {}));
  for (Observation& row : rows) {
    if (row.model_label != "baseline" && row.model_label != "candidate")
      return corrupt("{}: row '{}' belongs to neither baseline nor candidate but to '{}'", run_files::kObservations, row.id, row.model_label);
    (is_candidate(row.model_label) ? data.candidate : data.baseline).push_back(std::move(row));
  }
  return ok();
}

void count(RunData& data, ArtifactKind kind, bool candidate) {
  Presence& presence = data.presence[kind];
  (candidate ? presence.candidate : presence.baseline) += 1;
}

/// A kind is present in a row when the trace holds an artifact of it, and for tensors when that artifact is hashed.
void count_trace(RunData& data, const Trace& trace) {
  const bool candidate = trace.id().starts_with("candidate:");
  for (const ArtifactKind kind : trace.coverage()) {
    const auto artifacts = trace.artifacts_by_kind(kind);
    const bool needs_digest = kind == ArtifactKind::activation || kind == ArtifactKind::logits;
    if (!needs_digest || std::any_of(artifacts.begin(), artifacts.end(), [](const TraceArtifact* a) { return !a->digest.empty(); }))
      count(data, kind, candidate);
  }
}

void count_interventions(RunData& data, const Trace& trace) {
  const std::string side = trace.id().starts_with("candidate:") ? "candidate" : "baseline";
  for (const TraceArtifact* artifact : trace.artifacts_by_kind(ArtifactKind::intervention_result)) {
    const std::string name = artifact->metadata.get_string("name").value_or("intervention");
    const auto known = std::find_if(data.interventions.begin(), data.interventions.end(),
                                    [&](const InterventionUse& use) { return use.side == side && use.name == name; });
    InterventionUse& use = known == data.interventions.end()
                               ? data.interventions.emplace_back(InterventionUse{side, name, artifact->metadata.get_string("mode").value_or("")})
                               : *known;
    ++use.answers;
    const Json* no_op = artifact->metadata.find("no_op");
    const Json* effect = artifact->metadata.find("effect");
    use.with_effect += !(no_op && no_op->as_bool()) && !(effect && effect->as_string() == "none");
  }
}

/// SHA-256 of the ids in an artifact's metadata, as little-endian i32; "" where there are none.
std::string ids_digest(const TraceArtifact* artifact) {
  const Json* ids = artifact ? artifact->metadata.find("ids") : nullptr;
  if (!ids) return "";
  std::vector<std::int32_t> values;
  for (const Json& id : ids->items()) values.push_back(static_cast<std::int32_t>(id.as_int()));
  return sha256_hex(std::as_bytes(std::span(values)));
}

TraceDigests digests_of(const Trace& trace) {
  TraceDigests digests{.trace_id = trace.id()};
  if (const TraceArtifact* text = trace.find("text"))
    if (const Json* value = text->metadata.find("text"); value && value->is_string()) digests.text_sha256 = sha256_hex(value->as_string());
  digests.prompt_ids_sha256 = ids_digest(trace.find("tokens"));
  digests.output_ids_sha256 = ids_digest(trace.find("generated_tokens"));
  return digests;
}

bool same(const Missing& a, const Missing& b) {
  return a.kind == b.kind && a.site == b.site && a.layer == b.layer && a.reason == b.reason;
}

void add_missing(RunData& data, const Missing& missing) {
  const auto known = std::find_if(data.missing.begin(), data.missing.end(), [&](const Missing& m) { return same(m, missing); });
  if (known == data.missing.end()) data.missing.push_back(missing);
}

Result<void> load_traces(const fs::path& folder, RunData& data) {
  return for_each_line(folder / run_files::kTraces, [&](const Json& json) -> Result<void> {
    VB_TRY(const Trace trace, trace_from_json(json));
    count_trace(data, trace);
    count_interventions(data, trace);
    count_execution(data.executions, trace);
    data.traces.push_back(digests_of(trace));
    for (const Missing& missing : trace.missing()) add_missing(data, missing);
    return ok();
  });
}

Result<TokenScores> unpack(const ScoreRow& row, const Payload& payload) {
  VB_TRY(const std::vector<float> values, payload_values(payload));
  if (payload.shape != std::vector<std::int64_t>{4, row.tokens})
    return corrupt("{}: expected shape [4, {}], found another", row.path, row.tokens);
  TokenScores scores{.prompt_id = row.prompt_id, .category = row.category, .family = row.family, .ids_sha256 = row.ids_sha256,
                     .sample_index = row.sample_index};
  const auto n = static_cast<std::size_t>(row.tokens);
  const auto part = [&](std::size_t i) { return std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(i * n),
                                                                   values.begin() + static_cast<std::ptrdiff_t>((i + 1) * n)); };
  scores.kld = part(0);
  scores.nll_baseline = part(1);
  scores.nll_candidate = part(2);
  for (const float value : part(3)) scores.same_top.push_back(value != 0.0f);
  return scores;
}

Result<void> load_scores(const fs::path& folder, RunData& data) {
  if (!fs::exists(folder / run_files::kScores)) return ok();
  VB_TRY(const std::unique_ptr<ArtifactStore> store, ArtifactStore::open(folder));
  VB_CHECK(for_each_line(folder / run_files::kScores, [&](const Json& json) -> Result<void> {
    VB_TRY(const ScoreRow row, score_row_from_json(json));
    if (!row.error.empty()) {
      add_missing(data, Missing{.kind = ArtifactKind::logits, .reason = "not scored on identical ids: " + row.error});
      return ok();
    }
    VB_TRY(const Payload payload, store->read(row.path));
    VB_TRY(TokenScores scores, unpack(row, payload));
    data.token_scores.push_back(std::move(scores));
    // One teacher-forced pass of each model stands behind every row.
    count(data, ArtifactKind::logits, false);
    count(data, ArtifactKind::logits, true);
    return ok();
  }));
  // A resumed run may have appended in another order; what is computed must not depend on it.
  std::sort(data.token_scores.begin(), data.token_scores.end(), [](const TokenScores& x, const TokenScores& y) {
    return std::tie(x.prompt_id, x.sample_index) < std::tie(y.prompt_id, y.sample_index);
  });
  return ok();
}

/// The stored suite may lack withheld texts: its own digest is `suite_file`, that of the suite as it was run is `suite`.
Result<void> load_stored_suite(const fs::path& path, RunData& data) {
  VB_TRY(const std::string text, read_file(path));
  VB_TRY(data.suite, parse_suite(text, path.string()));
  const Json* file_digest = data.inputs.find("suite_file");
  if (file_digest && file_digest->is_string() && file_digest->as_string() != data.suite->digest)
    return corrupt("{}: expected SHA-256 {}, found {}", run_files::kSuite, file_digest->as_string(), data.suite->digest);
  if (const Json* digest = data.inputs.find("suite"); digest && digest->is_string()) data.suite->digest = digest->as_string();
  return ok();
}

Result<void> load_inputs(const fs::path& folder, RunData& data) {
  VB_TRY(data.inputs, read_json_file(folder / run_files::kInputs));
  VB_TRY(data.models, read_optional_json(folder / run_files::kModels));
  VB_TRY(data.run, read_optional_json(folder / run_files::kRun));
  if (fs::exists(folder / run_files::kSuite)) VB_CHECK(load_stored_suite(folder / run_files::kSuite, data));
  if (const Json* roles = data.inputs.find("roles"))
    for (const auto& [category, role] : roles->entries()) {
      VB_TRY(data.roles[category], role_from(role.as_string()));
    }
  if (const Json* sampling = data.inputs.find("sampling"))
    if (const Json* temperature = sampling->find("temperature")) data.sampled = temperature->as_double() > 0;
  if (const Json* strength = data.inputs.find("claim_strength"); strength && strength->is_string()) {
    VB_TRY(data.declared_strength, strength_from(strength->as_string()));
  }
  if (const Json* missing = data.models.find("missing"))
    for (const Json& row : missing->items()) {
      VB_TRY(const std::string kind, row.get_string("kind"));
      VB_TRY(const std::string reason, row.get_string("reason"));
      VB_TRY(const ArtifactKind parsed, artifact_kind_from(kind));
      add_missing(data, Missing{.kind = parsed, .reason = reason});
    }
  return ok();
}

Result<void> load_floor(const fs::path& folder, RunData& data) {
  VB_TRY(const Json floor, read_optional_json(folder / run_files::kFloor));
  if (const Json* metrics = floor.find("metrics"))
    for (const auto& [name, value] : metrics->entries()) data.noise_floors[name] = value.as_double();
  return ok();
}

}  // namespace

Json to_json(const ScoreRow& row) {
  return Json::object({{"prompt_id", row.prompt_id}, {"sample_index", row.sample_index}, {"category", row.category},
                       {"family", row.family}, {"ids_sha256", row.ids_sha256}, {"path", row.path}, {"digest", row.digest},
                       {"tokens", row.tokens}, {"error", row.error.empty() ? Json() : Json(row.error)}});
}

Result<ScoreRow> score_row_from_json(const Json& json) {
  ScoreRow row;
  VB_TRY(row.prompt_id, json.get_string("prompt_id"));
  VB_TRY(row.sample_index, json.get_int("sample_index"));
  VB_TRY(row.category, json.get_string("category"));
  VB_TRY(row.family, json.get_string("family"));
  VB_TRY(row.ids_sha256, json.get_string("ids_sha256"));
  VB_TRY(row.path, json.get_string("path"));
  VB_TRY(row.digest, json.get_string("digest"));
  if (const Json* error = json.find("error"); error && error->is_string()) row.error = error->as_string();
  VB_TRY(row.tokens, json.get_int("tokens"));
  if (row.tokens < 0) return corrupt("'tokens' is negative: {}", row.tokens);
  return row;
}

std::vector<float> pack_scores(const TokenScores& scores) {
  std::vector<float> values = scores.kld;
  values.insert(values.end(), scores.nll_baseline.begin(), scores.nll_baseline.end());
  values.insert(values.end(), scores.nll_candidate.begin(), scores.nll_candidate.end());
  values.insert(values.end(), scores.same_top.begin(), scores.same_top.end());
  return values;
}

Result<RunData> load_run(const fs::path& folder) {
  if (!fs::exists(folder / run_files::kInputs))
    return not_found("'{}' is no run folder: it has no {}", folder.string(), run_files::kInputs);
  RunData data;
  VB_CHECK(load_inputs(folder, data), "in {}", folder.string());
  VB_CHECK(load_rows(folder, data), "in {}", folder.string());
  VB_CHECK(load_traces(folder, data), "in {}", folder.string());
  VB_CHECK(load_scores(folder, data), "in {}", folder.string());
  VB_CHECK(load_floor(folder, data), "in {}", folder.string());
  return data;
}

bool is_derived_file(std::string_view name) {
  return name == run_files::kEvidence || name == run_files::kClaims || name == run_files::kReport || name == run_files::kMarkdown;
}

Result<std::vector<std::string>> changed_since_sealed(const fs::path& folder) {
  std::vector<std::string> changed;
  VB_TRY(const Json sealed, read_optional_json(folder / run_files::kManifest));
  const Json* files = sealed.find("files");
  if (!files) return changed;
  VB_TRY(const Json now, make_manifest(folder));
  for (const auto& [name, entry] : files->entries()) {
    const Json* found = now.find("files")->find(name);
    if (!is_derived_file(name) && (!found || *found != entry)) changed.push_back(name);
  }
  return changed;
}

Result<Json> make_manifest(const fs::path& folder) {
  Json files = Json::object();
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end && !error; it.increment(error)) {
    const std::string name = fs::relative(it->path(), folder).generic_string();
    if (!it->is_regular_file() || name == run_files::kManifest) continue;
    VB_TRY(const std::string digest, sha256_file(it->path().string()));
    files[name] = Json::object({{"sha256", digest}, {"bytes", it->file_size()}});
  }
  if (error) return io("could not list '{}': {}", folder.string(), error.message());
  return Json::object({{"version", "vauban_run_v1"}, {"files", std::move(files)}});
}

}  // namespace vauban
