#include "report/report_json.h"

#include <algorithm>
#include <map>

#include "base/sha256.h"
#include "report/report.h"

namespace vauban {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json ci_json(const std::optional<Interval>& ci) { return ci ? Json::array({ci->low, ci->high}) : Json(); }

Json stats_json(const Stats& stats, const std::string& family_hash) {
  return Json::object({{"test", stats.test}, {"estimate", or_null(stats.estimate)}, {"ci", ci_json(stats.ci)}, {"p", or_null(stats.p)},
                       {"p_adjusted", or_null(stats.p_adjusted)}, {"n", stats.n}, {"mde", or_null(stats.mde)}, {"family_hash", family_hash}});
}

Json find_or_null(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  return found ? *found : Json();
}

/// One model as `baseline` / `candidate` and in `models`.
Json model_json(const RunData& data, std::string_view side) {
  const Json identity = find_or_null(data.models, side);
  return Json::object({{"name", find_or_null(identity, "name")}, {"digest", find_or_null(identity, "digest")},
                       {"config_digest", find_or_null(identity, "config_digest")}, {"architecture", find_or_null(identity, "architecture")}, {"lineage", find_or_null(identity, "lineage")},
                       {"tokenizer_digest", find_or_null(identity, "tokenizer_digest")}, {"role", side}});
}

Json suite_json(const RunData& data, const Evidence& evidence) {
  Json roles = Json::object();
  for (const auto& [category, role] : evidence.roles) roles[category] = to_string(role);
  Json json = Json::object({{"roles", roles}, {"pairs", evidence.pairs}, {"planned_pairs", evidence.planned_pairs}});
  if (!data.suite) return json;
  json["name"] = data.suite->name;
  json["version"] = data.suite->version;
  json["description"] = data.suite->description;
  json["digest"] = data.suite->digest;
  json["categories"] = Json(data.suite->categories());
  json["n_prompts"] = data.suite->prompts.size();
  json["scorers"] = Json(data.suite->scorers);
  return json;
}

Json claims_json(const std::vector<Claim>& claims) {
  Json list = Json::array();
  for (const Claim& claim : claims) list.push_back(to_json(claim));
  return list;
}

Json access_json(const ClaimSet& claims) {
  return Json::object({{"level", claims.access}, {"claim_strength", to_string(claims.level)}, {"can_claim", Json(claims.can_say)},
                       {"cannot_claim", Json(claims.cannot_say)}, {"lifted_by", claims.lifted_by}, {"notes", Json(claims.notes)}});
}

/// What the claims' evidence ids stand for, with a digest of the values behind them.
Json evidence_list(const RunData& data) {
  Json list = Json::array();
  const auto rows = [&](const char* id, const std::vector<Observation>& observations) {
    Sha256 digest;
    for (const Observation& row : observations) digest.update(to_json(row).dump().value_or("?") + "\n");
    list.push_back(Json::object({{"id", id}, {"kind", "trace"}, {"n", observations.size()}, {"digest", digest.finish_hex()}}));
  };
  rows("rows.baseline", data.baseline);
  rows("rows.candidate", data.candidate);
  if (!data.token_scores.empty()) {
    Sha256 digest;
    for (const TokenScores& scores : data.token_scores) {
      const std::vector<float> values = pack_scores(scores);
      digest.update(std::as_bytes(std::span(values)));
    }
    list.push_back(Json::object({{"id", "token_scores"}, {"kind", "logprobs"}, {"n", data.token_scores.size()}, {"digest", digest.finish_hex()}}));
  }
  if (data.suite) list.push_back(Json::object({{"id", "suite"}, {"kind", "suite"}, {"n", data.suite->prompts.size()}, {"digest", data.suite->digest}}));
  return list;
}

/// high: a gate on this metric shows a regression; medium: it got worse; low: it changed without a better side.
std::string severity_of(const MetricDelta& delta, const Evidence& evidence) {
  for (const GateResult& gate : evidence.gates)
    if (gate.metric == delta.name && gate.category == delta.category && gate.severity == "fail" && gate.decided && !gate.passed) return "high";
  if (delta.quality == "regressed") return "medium";
  return delta.quality == "improved" ? "info" : "low";
}

/// Changed metrics, strongest first by adjusted p and then by name: never ranked across units.
Json findings_json(const Evidence& evidence, const ClaimSet& claims) {
  Json list = Json::array();
  std::vector<const MetricDelta*> changed;
  for (const MetricDelta& delta : evidence.deltas)
    if (delta.verdict == Verdict::changed) changed.push_back(&delta);
  std::stable_sort(changed.begin(), changed.end(), [](const MetricDelta* a, const MetricDelta* b) {
    return a->stats.p_adjusted.value_or(0) < b->stats.p_adjusted.value_or(0);
  });
  for (const MetricDelta* delta : changed)
    for (const Claim& claim : claims.claims)
      if (claim.metric() == delta->name && claim.category() == delta->category)
        list.push_back(Json::object({{"title", claim.statement()}, {"severity", severity_of(*delta, evidence)}, {"metric", delta->name},
                                     {"category", delta->category}, {"claim", claim.id()}}));
  return list;
}

Json metrics_json(const Evidence& evidence) {
  Json list = Json::array();
  for (const MetricDelta& delta : evidence.deltas)
    for (const auto& [label, value] : {std::pair(evidence.baseline_label, delta.value_baseline), std::pair(evidence.candidate_label, delta.value_candidate)})
      if (value)
        list.push_back(Json::object({{"name", delta.name}, {"value", *value}, {"model_label", label}, {"category", delta.category},
                                     {"unit", delta.unit}, {"polarity", delta.polarity}, {"family", delta.family}, {"sample_size", delta.stats.n}}));
  return list;
}

Json unpaired_json(const std::vector<UnpairedRow>& rows) {
  Json list = Json::array();
  for (const UnpairedRow& row : rows)
    list.push_back(Json::object({{"missing_on", row.model_label}, {"prompt_id", row.prompt_id}, {"category", row.category}, {"sample_index", row.sample_index}}));
  return list;
}

Json outcomes_json(const Evidence& evidence) {
  static constexpr const char* kAll[] = {"ok", "wrong", "refused", "partial", "timeout", "truncated", "crash", "infra_error", "empty", "not_run"};
  Json json = Json::object();
  for (const char* side : {"baseline", "candidate"}) {
    Json counts = Json::object();
    for (const char* name : kAll) counts[name] = 0;
    if (const auto found = evidence.outcomes.find(side); found != evidence.outcomes.end())
      for (const auto& [name, count] : found->second) counts[name] = count;
    json[side] = std::move(counts);
  }
  return json;
}

Json thresholds_json(const Evidence& evidence) {
  Json list = Json::array();
  for (const GateResult& gate : evidence.gates) {
    Json bounds = Json::object({{gate.on == "equivalence" ? "max_absolute_delta" : gate.bound + "_delta", gate.limit}});
    list.push_back(Json::object({{"metric", gate.metric}, {"category", gate.category}, {"severity", gate.severity}, {"passed", gate.passed},
                                 {"delta", or_null(gate.value)}, {"bounds", bounds}, {"description", gate.description}, {"reason", gate.reason}}));
  }
  return list;
}

Json threshold_summary(const Evidence& evidence) {
  std::int64_t failed = 0, warned = 0;
  for (const GateResult& gate : evidence.gates) {
    failed += !gate.passed && gate.severity == "fail";
    warned += !gate.passed && gate.severity == "warn";
  }
  return Json::object({{"passed", failed == 0}, {"n_thresholds", evidence.gates.size()}, {"n_failed", failed}, {"n_warned", warned}});
}

Json floors_json(const RunData& data) {
  Json floors = Json::object();
  for (const auto& [name, value] : data.noise_floors) floors[name] = value;
  return floors;
}

Json interventions_json(const RunData& data) {
  Json list = Json::array();
  for (const InterventionUse& use : data.interventions)
    list.push_back(Json::object({{"side", use.side}, {"name", use.name}, {"mode", use.mode}, {"answers", use.answers}, {"with_effect", use.with_effect}}));
  return list;
}

/// Rows that could not be run, by reason: they are left out of every delta, and that must be seen.
void add_failures(std::vector<std::string>& list, const std::vector<Observation>& rows, const char* side) {
  std::map<std::string, std::int64_t> reasons;
  for (const Observation& row : rows)
    if (const Json* error = row.metadata.find("error")) ++reasons[error->get_string("message").value_or("unknown")];
  for (const auto& [reason, count] : reasons) list.push_back(format("{} prompts of the {} could not be run: {}", count, side, reason));
}

std::vector<std::string> limitations(const RunData& data, const Evidence& evidence, const ClaimSet& claims) {
  std::vector<std::string> list;
  if (!evidence.unpaired.empty())
    list.push_back(format("{} rows have no partner and are left out of every delta: see `unpaired`", evidence.unpaired.size()));
  add_failures(list, data.baseline, "baseline");
  add_failures(list, data.candidate, "candidate");
  for (const InterventionUse& use : data.interventions)
    list.push_back(format("the {} ran with the edit '{}' ({}): its weights are not what was measured alone", use.side, use.name, use.mode));
  if (const Json edits = find_or_null(data.inputs, "weight_edits"); edits.is_array())
    list.push_back(format("the candidate ran with {} edits of its loaded weights: its file holds others", edits.size()));
  if (data.noise_floors.empty()) list.emplace_back("no noise floor was measured (--baseline-floor)");
  for (std::string& limit : execution_limits(data.executions, !data.noise_floors.empty()))
    list.push_back(std::move(limit));
  if (!claims.lifted_by.empty()) list.push_back("a higher rung needs " + claims.lifted_by);
  for (const Missing& missing : evidence.missing) list.push_back(format("{} missing: {}", to_string(missing.kind), missing.reason));
  std::int64_t truncated = 0;
  for (const auto& [side, counts] : evidence.outcomes)
    if (const auto found = counts.find("truncated"); found != counts.end()) truncated += found->second;
  if (truncated) list.push_back(format("{} answers reached the token limit: their lengths measure the limit", truncated));
  return list;
}

std::string recommendation(const ReportVerdict& verdict) {
  if (verdict.answer == "ship") return "The declared gates pass. Ship within the limits below.";
  if (verdict.answer == "hold") return "Do not ship: " + verdict.reason + ".";
  return "Not decided: " + verdict.reason + ".";
}

}  // namespace

Json missing_json(const std::vector<Missing>& missing) {
  Json list = Json::array();
  for (const Missing& row : missing)
    list.push_back(Json::object({{"kind", to_string(row.kind)}, {"site", row.site ? Json(to_string(*row.site)) : Json()},
                                 {"layer", or_null(row.layer)}, {"reason", row.reason}, {"unsupported", row.unsupported}}));
  return list;
}

Json to_json(const MetricDelta& delta, const std::string& family_hash, const Evidence& evidence) {
  return Json::object({{"name", delta.name}, {"category", delta.category}, {"unit", delta.unit}, {"family", delta.family},
                       {"polarity", delta.polarity}, {"baseline_label", evidence.baseline_label}, {"candidate_label", evidence.candidate_label},
                       {"value_baseline", or_null(delta.value_baseline)}, {"value_candidate", or_null(delta.value_candidate)},
                       {"delta", or_null(delta.delta)}, {"percent_change", or_null(delta.percent_change)}, {"quality", delta.quality},
                       {"stats", stats_json(delta.stats, family_hash)}, {"noise_floor", or_null(delta.noise_floor)},
                       {"verdict", to_string(delta.verdict)}, {"paired", delta.paired_metric}});
}

Json to_json(const GateResult& gate) {
  return Json::object({{"id", gate.id}, {"metric", gate.metric}, {"category", gate.category}, {"bound", gate.bound}, {"on", gate.on},
                       {"limit", gate.limit}, {"value", or_null(gate.value)}, {"ci", ci_json(gate.ci)}, {"passed", gate.passed},
                       {"decided", gate.decided}, {"waived", false}, {"severity", gate.severity}, {"description", gate.description}, {"reason", gate.reason}});
}

Json to_json(const Claim& claim) {
  return Json::object({{"id", claim.id()}, {"strength", to_string(claim.strength())}, {"statement", claim.statement()}, {"metric", claim.metric()},
                       {"category", claim.category()}, {"n", claim.n()}, {"effect", or_null(claim.effect())},
                       {"ci", claim.ci() ? Json::array({claim.ci()->first, claim.ci()->second}) : Json()}, {"p", or_null(claim.p())},
                       {"p_adjusted", or_null(claim.p_adjusted())}, {"limits", Json(claim.limits())}, {"evidence", Json(claim.evidence())},
                       {"lifted_by", claim.lifted_by().empty() ? Json() : Json(claim.lifted_by())}});
}

Json to_json(const FlipMatrix& matrix) {
  Json rows = Json::array();
  for (const auto& row : matrix.counts) rows.push_back(Json(row));
  return Json::object({{"category", matrix.category}, {"classes", Json(matrix.classes)}, {"counts", std::move(rows)}});
}

Json to_json(const Evidence& evidence) {
  Json deltas = Json::array(), gates = Json::array(), flips = Json::array(), presence = Json::object();
  for (const MetricDelta& delta : evidence.deltas) deltas.push_back(to_json(delta, evidence.family_hash, evidence));
  for (const GateResult& gate : evidence.gates) gates.push_back(to_json(gate));
  for (const FlipMatrix& matrix : evidence.flips) flips.push_back(to_json(matrix));
  for (const auto& [kind, counts] : evidence.presence)
    presence[to_string(kind)] = Json::object({{"baseline", counts.baseline}, {"candidate", counts.candidate}});
  return Json::object({{"pairs", evidence.pairs}, {"planned_pairs", evidence.planned_pairs}, {"unpaired", unpaired_json(evidence.unpaired)},
                       {"metric_deltas", std::move(deltas)}, {"gates", std::move(gates)}, {"flips", std::move(flips)},
                       {"outcomes", outcomes_json(evidence)}, {"presence", std::move(presence)}, {"missing", missing_json(evidence.missing)},
                       {"family_hash", evidence.family_hash}});
}

Json to_json(const ClaimSet& claims) {
  return Json::object({{"level", to_string(claims.level)}, {"access", access_json(claims)}, {"claims", claims_json(claims.claims)}});
}

Json report_json(const RunData& data, const Evidence& evidence, const ClaimSet& claims, const ReportVerdict& verdict) {
  Json report = to_json(evidence);
  report["schema_version"] = kReportSchemaVersion;
  report["report_version"] = "behavior_diff_v1";
  report["title"] = find_or_null(data.inputs, "title");
  report["target_change"] = find_or_null(data.inputs, "target_change");
  report["run"] = find_or_null(data.run, "run");
  report["level"] = to_string(claims.level);
  report["verdict"] = Json::object({{"answer", verdict.answer}, {"exit_code", verdict.exit_code}, {"reason", verdict.reason}});
  report["claims"] = claims_json(claims.claims);
  report["access"] = access_json(claims);
  report["baseline"] = model_json(data, "baseline");
  report["candidate"] = model_json(data, "candidate");
  report["models"] = Json::object({{"baseline", model_json(data, "baseline")}, {"candidate", model_json(data, "candidate")}});
  report["execution"] = to_json(data.executions);
  report["suite"] = suite_json(data, evidence);
  const Json declared_kind = find_or_null(data.inputs, "transformation_kind");
  report["transformation"] = Json::object({{"kind", declared_kind.is_null() && !data.interventions.empty() ? Json("steering") : declared_kind}, {"summary", find_or_null(data.inputs, "transformation_summary")}});
  report["evidence"] = evidence_list(data);
  report["findings"] = findings_json(evidence, claims);
  report["metrics"] = metrics_json(evidence);
  report["activation_findings"] = Json::array();
  report["examples"] = examples_json(data, 5);
  report["reproduction_targets"] = Json::array();
  report["reproduction_results"] = Json::array();
  report["intervention_results"] = interventions_json(data);
  report["limitations"] = Json(limitations(data, evidence, claims));
  report["recommendation"] = recommendation(verdict);
  report["noise_floor"] = floors_json(data);
  report["thresholds"] = thresholds_json(evidence);
  report["threshold_summary"] = threshold_summary(evidence);
  report["inputs"] = data.inputs;
  report["timings"] = find_or_null(data.run, "timings");
  report["commands"] = find_or_null(data.run, "commands");
  report["reproducibility"] = find_or_null(data.run, "reproducibility");
  return report;
}

}  // namespace vauban
