#include <algorithm>
#include <map>

#include "base/sha256.h"
#include "runtime/local/trace_artifacts.h"
#include "runtime/local/trace_run.h"
#include "runtime/request_digest.h"
#include "trace/weight_edit_json.h"
#include "trace/wants.h"

namespace vauban {

namespace {

/// Puts spans and artifacts together so that both ends of every edge agree.
class TraceBuilder {
 public:
  TraceBuilder(TraceRun& run, const Sequence& sequence, const TraceSetting& setting)
      : run_(run),
        sequence_(sequence),
        setting_(setting),
        device_{std::string(setting.ops.device_kind()), setting.ops.device_label()} {}

  Result<Trace> build();

 private:
  using Span = std::size_t;
  Span span(std::string name, const StageCost& cost);
  void produce(Span span, TraceArtifact artifact);
  void keep(TraceArtifact artifact);  ///< without a producer
  void consume(Span span, std::string_view artifact_id) {
    parts_.spans[span].input_artifacts.emplace_back(artifact_id);
  }
  bool wants(ArtifactKind kind, std::optional<Site> site = {}) const;
  void miss(ArtifactKind kind, std::string reason);

  void load();
  Result<void> weights();
  void weight_edits();
  void tokenize();
  void prompt_pass();
  Result<void> observations();
  Result<void> interventions();
  Result<void> projections(Span at, const InterventionEffect& effect, std::string_view dtype);
  void generation();
  void scores();
  void emission();
  Result<void> finish_metadata();
  std::string why_no_text() const;

  TraceRun& run_;
  const Sequence& sequence_;
  const TraceSetting& setting_;
  DeviceRef device_;
  TraceParts parts_;
  std::vector<TraceArtifact> logprob_artifacts_;
  std::map<std::string, int> projection_ids_;  ///< how often each was given out
  StageCost emit_;
};

TraceBuilder::Span TraceBuilder::span(std::string name, const StageCost& cost) {
  TraceSpan out;
  out.span_id = format("span.{}.{}", parts_.spans.size(), name);
  out.profile = cost.profile(name, device_);
  out.name = std::move(name);
  parts_.spans.push_back(std::move(out));
  return parts_.spans.size() - 1;
}

void TraceBuilder::produce(Span at, TraceArtifact artifact) {
  artifact.producer_span_id = parts_.spans[at].span_id;
  parts_.spans[at].output_artifacts.push_back(artifact.artifact_id);
  keep(std::move(artifact));
}

/// No artifact claims more than the capability allows.
void TraceBuilder::keep(TraceArtifact artifact) {
  const Support support = setting_.capability.artifact(artifact.kind);
  if (support.level == SupportLevel::partial && artifact.level == SupportLevel::full) {
    artifact.level = support.level;
    artifact.metadata["level_reason"] = support.reason;
  }
  parts_.artifacts.push_back(std::move(artifact));
}

bool TraceBuilder::wants(ArtifactKind kind, std::optional<Site> site) const {
  return std::any_of(run_.request.want.begin(), run_.request.want.end(),
                     [&](const Want& want) { return want.kind == kind && (!site || want.site == *site); });
}

void TraceBuilder::miss(ArtifactKind kind, std::string reason) {
  const bool unsupported = setting_.capability.artifact(kind).level == SupportLevel::unsupported;
  parts_.missing.push_back(
      {.kind = kind, .site = {}, .layer = {}, .reason = std::move(reason), .unsupported = unsupported});
}

void TraceBuilder::load() {
  if (!run_.reports_load) return;
  StageCost cost;
  cost.add_seconds(setting_.model.load_seconds);
  cost.note_memory(setting_.model.weight_bytes);
  cost.add_work(setting_.load);
  span("load", cost);
}

/// What was asked for of the weights, and what edits made of them.
Result<void> TraceBuilder::weights() {
  if (setting_.capability.weight_access.level == SupportLevel::unsupported) return ok();
  const auto start = setting_.context.clock.monotonic();
  std::vector<Want> wants;
  std::ranges::copy_if(run_.observed.wants, std::back_inserter(wants),
                       [](const Want& want) { return want.kind == ArtifactKind::weight_snapshot; });
  VB_TRY(WeightObservation seen,
         observe_weights(setting_.weights, wants, run_.leaves_out("emit") ? nullptr : setting_.sink));
  parts_.missing.insert(parts_.missing.end(), seen.missing.begin(), seen.missing.end());
  if (seen.artifacts.empty()) return ok();
  StageCost cost;
  cost.add_seconds(std::chrono::duration<double>(setting_.context.clock.monotonic() - start).count());
  cost.add_bytes(seen.bytes_read, 0);
  const Span at = span("observe", cost);
  for (TraceArtifact& artifact : seen.artifacts) produce(at, std::move(artifact));
  return ok();
}

void TraceBuilder::weight_edits() {
  const std::span<const WeightEditRecord> records = setting_.weights.editor().records();
  if (records.empty()) return;
  parts_.metadata["weight_edits"] = to_json(records);
  for (const WeightEditRecord& record : records)
    if (!record.changed())
      miss(ArtifactKind::intervention_result,
           format("weight edit {} ({} of '{}') had no effect: none of {} values changed", record.edit, record.op,
                  record.tensor, record.values));
}

void TraceBuilder::tokenize() {
  if (run_.tokenized())
    produce(span("tokenize", run_.tokenize), tokens_artifact(run_));
  else
    keep(tokens_artifact(run_));
}

void TraceBuilder::prompt_pass() {
  const Span batch = span("batch", run_.batch);
  consume(batch, "tokens");
  if (wants(ArtifactKind::other, Site::kv_pages)) produce(batch, kv_pages_artifact(run_, setting_.kv));
  const Span prefill = span("prefill", run_.prefill);
  consume(prefill, "tokens");
  parts_.spans[prefill].metadata = Json::object({{"threads", setting_.context.pool.size()},
                                                 {"prefill_chunk", setting_.engine.prefill_chunk},
                                                 {"max_batch", setting_.engine.max_batch}});
}

Result<void> TraceBuilder::observations() {
  const auto start = setting_.context.clock.monotonic();
  PayloadSink* sink = run_.leaves_out("emit") ? nullptr : setting_.sink;
  VB_TRY(Recording recording, run_.observed.recorder->finish(sink));
  emit_.add_seconds(std::chrono::duration<double>(setting_.context.clock.monotonic() - start).count());
  parts_.missing.insert(parts_.missing.end(), recording.missing.begin(), recording.missing.end());

  std::vector<TraceArtifact> seen;
  for (TraceArtifact& artifact : recording.artifacts)
    (artifact.kind == ArtifactKind::logprobs ? logprob_artifacts_ : seen).push_back(std::move(artifact));
  if (seen.empty()) return ok();
  run_.observe.add_bytes(run_.observed.observed_values * static_cast<std::int64_t>(sizeof(float)), 0);
  const Span at = span("observe", run_.observe);
  for (TraceArtifact& artifact : seen) produce(at, std::move(artifact));
  return ok();
}

/// Per-row projections, where they are wanted (projections.h). The stage "emit" left out drops the payloads.
Result<void> TraceBuilder::projections(Span at, const InterventionEffect& effect, std::string_view dtype) {
  const bool payload = std::any_of(run_.request.want.begin(), run_.request.want.end(), [](const Want& want) {
    return want.kind == ArtifactKind::metric && want.form == Form::payload;
  });
  const Json identity = run_.input_identity();
  std::vector<ProjectionArtifact> seen = effect.projections(dtype, device_);
  for (ProjectionArtifact& made : seen) {
    TraceArtifact& artifact = made.artifact;
    const int uses = ++projection_ids_[artifact.artifact_id];
    if (uses > 1) artifact.artifact_id += format(".{}", uses);
    for (const auto& [key, value] : identity.entries()) artifact.metadata[key] = value;
    if (payload && !run_.leaves_out("emit") && setting_.sink) VB_CHECK(store_projection(made, *setting_.sink));
    if (payload && !setting_.sink) artifact.metadata["payload"] = "not kept: there is no artifact store";
    produce(at, std::move(artifact));
  }
  return ok();
}

Result<void> TraceBuilder::interventions() {
  if (run_.observed.effects.empty() && wants(ArtifactKind::metric))
    miss(ArtifactKind::metric, "projections are those of interventions, and the request has none");
  if (run_.observed.effects.empty()) return ok();
  const Span at = span("intervene", run_.intervene);
  const std::string_view dtype = to_string(setting_.ops.activation_dtype());
  const Json identity = run_.input_identity();
  Json no_ops = Json::array();
  for (std::size_t i = 0; i < run_.observed.effects.size(); ++i) {
    const InterventionEffect& effect = run_.observed.effects[i];
    TraceArtifact record = effect.artifact(i, dtype, device_);
    for (const auto& [key, value] : identity.entries()) record.metadata[key] = value;
    produce(at, std::move(record));
    VB_CHECK(projections(at, effect, dtype));
    for (Missing& entry : effect.no_ops()) {
      no_ops.push_back(Json::object({{"intervention", effect.intervention().name},
                                     {"layer", entry.layer ? Json(*entry.layer) : Json()},
                                     {"reason", entry.reason}}));
      parts_.missing.push_back(std::move(entry));
    }
  }
  parts_.metadata["no_op_interventions"] = std::move(no_ops);
  if (wants(ArtifactKind::metric) && projection_ids_.empty())
    miss(ArtifactKind::metric, "no intervention met a row at its positions");
  return ok();
}

std::string TraceBuilder::why_no_text() const {
  if (run_.leaves_out("decode")) return "the configuration leaves the stage 'decode' out";
  if (run_.request.sampling.max_tokens == 0) return "no new tokens were asked for (max_tokens 0)";
  return format("model '{}' came without a tokenizer", setting_.model.identity.name);
}

void TraceBuilder::generation() {
  const bool decoded = !sequence_.new_ids().empty();
  if (decoded) {
    const Span decode = span("decode", run_.decode);
    consume(decode, "tokens");
    parts_.spans[decode].metadata =
        Json::object({{"threads", setting_.context.pool.size()}, {"max_batch", setting_.engine.max_batch}});
    produce(decode, generated_tokens_artifact(sequence_));
    if (sequence_.has_text()) produce(decode, text_artifact(sequence_));
    produce(decode, sampler_artifact(sequence_));
  }
  const bool asked = run_.request.sampling.max_tokens > 0 || wants(ArtifactKind::text);
  if (asked && !(decoded && sequence_.has_text())) miss(ArtifactKind::text, why_no_text());
}

void TraceBuilder::scores() {
  const bool chosen = !sequence_.logprobs().empty();
  if (chosen || !logprob_artifacts_.empty()) {
    const Span score = span("score", run_.score);
    for (TraceArtifact& artifact : logprob_artifacts_) produce(score, std::move(artifact));
    if (chosen) produce(score, token_logprobs_artifact(sequence_));
  }
  if (!chosen && !sequence_.new_ids().empty())
    miss(ArtifactKind::logprobs, "the configuration leaves the stage 'score' out");
}

void TraceBuilder::emission() {
  const bool has_payload = std::any_of(parts_.artifacts.begin(), parts_.artifacts.end(),
                                       [](const TraceArtifact& artifact) { return !artifact.payload_path.empty(); });
  if (run_.leaves_out("emit")) emit_.note("payloads left out by the configuration");
  const Span emit = span("emit", emit_);
  for (const TraceArtifact& artifact : parts_.artifacts)
    if (has_payload && !artifact.payload_path.empty()) consume(emit, artifact.artifact_id);
  if (wants(ArtifactKind::profile)) produce(emit, profile_artifact(parts_.spans));
}

Result<void> TraceBuilder::finish_metadata() {
  const int layers = static_cast<int>(setting_.model.config.layers);
  parts_.missing.insert(parts_.missing.end(), run_.left_out.begin(), run_.left_out.end());
  parts_.missing = find_missing(run_.request, setting_.capability, parts_.artifacts, layers, parts_.missing);
  VB_TRY(const std::string digest, request_digest(run_.request));
  Json& metadata = parts_.metadata;
  metadata[kRequestDigest] = digest;
  metadata["prompt_ids_sha256"] = sha256_hex(std::as_bytes(std::span<const std::int32_t>(run_.prompt)));
  metadata["last_position"] = run_.observed.prompt_rows - 1;
  metadata["left_out_stages"] = Json(run_.request.leave_out);
  metadata["request"] = run_.request.metadata;
  metadata["invariant_bits"] = setting_.ops.invariant_bits();
  if (!setting_.model.notes.empty()) metadata["model_notes"] = Json(setting_.model.notes);
  if (!setting_.requested_device.empty()) metadata["requested_device"] = setting_.requested_device;
  if (!setting_.sink) metadata["payload_store"] = "none: wanted payloads were kept as summaries";
  return ok();
}

Result<Trace> TraceBuilder::build() {
  parts_.trace_id = run_.request.trace_id;
  parts_.device = device_;
  parts_.backend = setting_.ops.backend();
  parts_.numerics = setting_.numerics;
  parts_.model = setting_.model.identity;
  load();
  VB_CHECK(weights());
  weight_edits();
  tokenize();
  prompt_pass();
  VB_CHECK(observations());
  VB_CHECK(interventions());
  generation();
  scores();
  emission();
  VB_CHECK(finish_metadata());
  return Trace::make(std::move(parts_), setting_.capability);
}

}  // namespace

Result<Trace> build_trace(TraceRun& run, const Sequence& sequence, const TraceSetting& setting) {
  return TraceBuilder(run, sequence, setting).build();
}

}  // namespace vauban
