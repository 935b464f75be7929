#include "app/audit/audit_inputs.h"

#include <algorithm>

#include "app/version.h"
#include "base/config/dump.h"
#include "base/files.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "report/run_folder.h"
#include "trace/trace_json.h"
#include "trace/weight_edit_json.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kClaimStrength = "claim_strength";

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json sampling_json(const SamplingOptions& s, std::uint64_t seed) {
  return Json::object({{"max_tokens", s.max_tokens}, {"temperature", s.temperature}, {"top_k", s.top_k}, {"top_p", s.top_p}, {"min_p", s.min_p},
                       {"repetition_penalty", s.repetition_penalty}, {"repetition_window", s.repetition_window}, {"stop", Json(s.stop)},
                       {"ignore_eos", s.ignore_eos}, {"seed", seed}});
}

Json digest_or_null(const std::shared_ptr<const Tokenizer>& tokenizer) { return tokenizer ? Json(tokenizer->digest()) : Json(); }

/// Of the edits as they were read, so that the files which hold the directions count too.
Result<Json> intervention_digest(const std::vector<Intervention>& interventions) {
  if (interventions.empty()) return Json();
  VB_TRY(const std::string text, to_json(TraceRequest{.interventions = interventions}).find("interventions")->dump());
  return Json(sha256_hex(text));
}

/// As they were measured: the edits themselves, and what they made of the loaded weights.
Json weight_edits_json(const AuditSide& side) {
  return side.runtime->weight_edits().empty() ? Json() : to_json(side.runtime->weight_edits());
}

Json side_json(const AuditSide& side) {
  const ModelIdentity& identity = side.runtime->model();
  return Json::object({{"name", identity.name}, {"digest", identity.digest}, {"config_digest", identity.config_digest}, {"architecture", identity.architecture}, {"lineage", identity.lineage},
                       {"tokenizer_digest", digest_or_null(side.tokenizer)},
                       {"tokenizer_kind", side.tokenizer ? Json(side.tokenizer->kind()) : Json()},
                       {"capability", to_json(side.runtime->capabilities())}});
}

Result<void> check_same(const Json& stored, const Json& now) {
  for (const auto& [key, value] : now.entries()) {
    const Json* before = stored.find(key);
    if (before ? *before == value : value.is_null()) continue;
    return with_hint(invalid_input("the folder holds another run: '{}' was {} and is {} now", key, before ? before->dump().value_or("?") : "absent",
                                   value.dump().value_or("?")),
                     "use another --out, or remove the folder");
  }
  return ok();
}

Json with_level(Json inputs, const Json& level) {
  if (inputs.is_object()) inputs[kClaimStrength] = level;
  return inputs;
}

}  // namespace

Result<Json> audit_inputs(const AuditConfig& config, const CommonOptions& common, const AuditSuite& suite, const AuditSide& base,
                          const AuditSide& candidate, const std::vector<Intervention>& edits) {
  VB_TRY(const Json interventions, intervention_digest(edits));
  return Json::object({{"version", "vauban_inputs_v1"},
                       {"suite", suite.suite.digest},
                       {"suite_file", sha256_hex(suite.stored_text)},
                       {"baseline", base.runtime->model().digest},
                       {"candidate", candidate.runtime->model().digest},
                       {"baseline_config", base.runtime->model().config_digest},
                       {"candidate_config", candidate.runtime->model().config_digest},
                       {"tool_version", version()},
                       {"baseline_tokenizer", digest_or_null(base.tokenizer)},
                       {"candidate_tokenizer", digest_or_null(candidate.tokenizer)},
                       {"backend", common.backend},
                       {"device", base.runtime->capabilities().device_kinds.front()},
                       {"numerics", common.numerics},
                       {"primitive", common.primitive},
                       {"sampling", sampling_json(config.sampling, common.seed)},
                       {"samples", config.samples},
                       {"scorers", Json(suite.suite.scorers)},
                       {"observe", Json(config.observe)},
                       {"interventions", interventions},
                       {"weight_edits", weight_edits_json(candidate)},
                       {"baseline_floor", config.baseline_floor},
                       {"record_outputs", config.record_outputs},
                       {std::string(kClaimStrength), or_null(config.claim_strength)},
                       {"title", or_null(config.title)},
                       {"target_change", or_null(config.target_change)},
                       {"transformation_kind", or_null(config.transformation_kind)},
                       {"transformation_summary", or_null(config.transformation_summary)}});
}

Json audit_models(const AuditSide& base, const AuditSide& candidate) {
  Json missing = Json::array();
  if (const std::string difference = vocabulary_difference(base, candidate); !difference.empty())
    missing.push_back(Json::object({{"kind", "logits"}, {"reason", "not scored on identical ids: " + difference}}));
  return Json::object({{"baseline", side_json(base)}, {"candidate", side_json(candidate)}, {"missing", std::move(missing)}});
}

std::string vocabulary_difference(const AuditSide& base, const AuditSide& candidate) {
  if (!base.tokenizer || !candidate.tokenizer) return "one side carries no tokenizer";
  if (base.tokenizer->digest() == candidate.tokenizer->digest()) return "";
  const std::int32_t size = base.tokenizer->vocab_size(), other = candidate.tokenizer->vocab_size();
  if (size != other) return format("the vocabularies hold {} and {} tokens", size, other);
  // Containers write the same vocabulary down differently: what counts is what every id stands for.
  std::int32_t differing = 0;
  for (std::int32_t id = 0; id < size; ++id) {
    const auto a = base.tokenizer->piece(id), b = candidate.tokenizer->piece(id);
    differing += !a || !b || *a != *b;
  }
  return differing ? format("{} of {} token ids stand for different text", differing, size) : "";
}

Result<AuditSuite> load_audit_suite(const std::string& suite) {
  AuditSuite loaded;
  VB_TRY(const fs::path path, locate_suite(suite));
  VB_TRY(const std::string text, read_file(path));
  VB_TRY(loaded.suite, parse_suite(text, path.string()));
  VB_TRY(loaded.stored_text, storable_suite(text, path.string()));
  return loaded;
}

Result<void> check_unused(const fs::path& folder, const AuditSuite& suite) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const auto before = name == run_files::kSuite ? read_file(it->path()) : Result<std::string>(suite.stored_text);
    const bool ours = is_temporary_file(it->path()) || name == run_files::kConfig || name == run_files::kModels ||
                      (name == run_files::kSuite && before && *before == suite.stored_text);
    if (!ours)
      return with_hint(invalid_input("'{}' is not empty and holds no run: '{}' would be overwritten or mixed in", folder.string(), printable(name)),
                       "use another --out");
  }
  if (error) return io("could not list '{}': {}", folder.string(), error.message());
  return ok();
}

Result<void> prepare_folder(const fs::path& folder, const std::string& config_toml, const AuditSuite& suite, const Json& inputs,
                            const Json& models) {
  if (fs::exists(folder / run_files::kInputs)) {
    VB_TRY(const Json stored, read_json_file(folder / run_files::kInputs));
    // A level that turned out to be too high was refused before there was a report: it does not bind the next try.
    const bool level_is_open = !fs::exists(folder / run_files::kReport);
    VB_CHECK(check_same(level_is_open ? with_level(stored, *inputs.find(kClaimStrength)) : stored, inputs));
    if (stored == inputs) return ok();
    VB_CHECK(write_file_atomic(folder / run_files::kConfig, config_toml));
    return write_json_file(folder / run_files::kInputs, inputs);
  }
  VB_CHECK(check_unused(folder, suite));
  VB_CHECK(write_file_atomic(folder / run_files::kSuite, suite.stored_text));
  VB_CHECK(write_file_atomic(folder / run_files::kConfig, config_toml));
  VB_CHECK(write_json_file(folder / run_files::kModels, models));
  // Last: a folder with inputs.json has everything that defines the run.
  return write_json_file(folder / run_files::kInputs, inputs);
}

}  // namespace vauban
