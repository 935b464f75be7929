/// The Trace: the evidence-bearing record of what one inference run really observed.
///
/// The root stays small: TraceRequest, Trace, TraceSpan, TraceArtifact, Capability. A new kind of observation or
/// intervention is an artifact kind or a site, never a new root type. All are values; a Trace is validated when it is
/// made (Trace::make) and immutable afterwards. JSON: src/trace/trace_json.h. Contract: docs/trace-format.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vauban/json.h"
#include "vauban/primitive.h"
#include "vauban/result.h"
#include "vauban/site.h"

namespace vauban {

/// In canonical order: coverage lists follow it.
enum class ArtifactKind {
  text, tokens, logits, logprobs, activation, intervention_result, weight_snapshot, metric, report_evidence, profile, other,
};
inline constexpr int kArtifactKindCount = static_cast<int>(ArtifactKind::other) + 1;
std::string_view to_string(ArtifactKind kind);
Result<ArtifactKind> artifact_kind_from(std::string_view name);

enum class SupportLevel { unsupported, partial, full };
std::string_view to_string(SupportLevel level);

struct Support {
  SupportLevel level = SupportLevel::unsupported;
  std::string reason;  ///< required for partial and unsupported
  friend bool operator==(const Support&, const Support&) = default;
};

/// `exact`: weights widened to f32, f32 activations and KV (the reference: f64). `native`: as the type is meant to run.
enum class Numerics { exact, native, fast };
std::string_view to_string(Numerics numerics);
Result<Numerics> numerics_from(std::string_view name);

struct DeviceRef {
  std::string kind;   ///< "cpu", "cuda", "mps", ...; readers accept unknown kinds
  std::string label;  ///< "cpu:0"
  friend bool operator==(const DeviceRef&, const DeviceRef&) = default;
};

/// What an executor can honestly produce. Computed from backend and architecture, proved by the contract tests.
struct Capability {
  std::string name;                       ///< backend or runtime name
  std::vector<std::string> device_kinds;  ///< not empty
  Support logits, logprobs, activations, interventions, kv_cache, weight_access, mutable_weights;
  Support text, tokens, profile_device_memory, profile_sync_points;
  /// Sites that are not fully observable, with the reason; every site that is not listed is full.
  std::map<Site, Support> site_limits;

  Support artifact(ArtifactKind kind) const;  ///< metric, report_evidence, other: made above the runtime, so full
  Support site(Site site) const;
};

/// Which token rows an observation or intervention concerns. Prompt rows come first, then generated ones.
struct Positions {
  enum class Kind { all, last, range, list, decode } kind = Kind::all;
  std::int64_t begin = 0, end = 0;   ///< range: [begin, end]
  std::vector<std::int64_t> values;  ///< list
  /// `last` is decided by the caller, who knows the number of rows (the local runtime: the last prompt row, so that two models
  /// that continue differently stay comparable); `prompt_rows` separates prefill from decode.
  bool contains(std::int64_t position, std::int64_t last_position, std::int64_t prompt_rows) const;
  std::string to_string() const;  ///< "all", "last", "3-7", "1,4,9", "decode"
  friend bool operator==(const Positions&, const Positions&) = default;
};
Result<Positions> positions_from(std::string_view text);

enum class Form { summary, payload, top_k };
enum class Moment { before, after };  ///< of the intervention at the same site

/// One requested observation.
struct Want {
  ArtifactKind kind = ArtifactKind::activation;
  Site site = Site::resid_post;
  std::vector<int> layers;  ///< empty: all
  Positions positions;
  Form form = Form::summary;
  int top_k = 0;            ///< for Form::top_k
  Moment moment = Moment::after;
  std::string dtype = "f32";  ///< of a payload: f32 or f16
};

/// One requested edit at a site.
struct Intervention {
  std::string name;
  Site site = Site::resid_post;
  std::vector<int> layers;  ///< empty: all
  Positions positions;
  Primitive primitive;
  std::string direction_digest;  ///< SHA-256 of where the direction came from
};

/// Order of operations: logits -> logprobs recorded here -> repetition penalty -> temperature -> top-k -> top-p -> min-p
/// -> normalise -> draw. Temperature 0 is greedy (lowest id on ties).
struct Sampling {
  double temperature = 0.0;
  int top_k = 0;                    ///< 0: off
  double top_p = 1.0;               ///< 1: off
  double min_p = 0.0;               ///< 0: off
  double repetition_penalty = 1.0;  ///< 1: off
  int repetition_window = 64;       ///< last tokens looked at, prompt included; 0: all
  std::uint64_t seed = 0;
  std::uint32_t sample = 0;         ///< which of several samples of one request
  int max_tokens = 0;
  std::vector<std::string> stop;    ///< trimmed from the text
  bool ignore_eos = false;
};

struct TraceRequest {
  std::string trace_id;
  std::string input_text;               ///< or prompt_ids
  std::vector<std::int32_t> prompt_ids;  ///< nothing is added to them
  bool apply_chat_template = false;
  bool add_special = true;              ///< BOS and the like, for input_text
  Sampling sampling;
  std::vector<Want> want;
  std::vector<Intervention> interventions;
  std::vector<std::string> leave_out;   ///< stages the configuration leaves out: "observe", "decode", "score", "emit"
  std::vector<std::string> profile;     ///< stages whose profiles get what costs, too: trace/profile_fields.h
  Json metadata;
};
/// Errors: invalid_input naming field, expectation and finding.
Result<void> validate(const TraceRequest& request);

/// Cost of one stage. Counters that a stage does not have stay empty.
struct StageProfile {
  std::string name;
  double duration_s = 0.0;
  std::optional<DeviceRef> device;
  std::optional<std::int64_t> memory_bytes, batch_size, token_count, input_bytes, output_bytes, queue_depth;
  std::int64_t host_device_copies = 0, sync_points = 0;
  /// Only when the request asks for them: trace/profile_fields.h.
  std::optional<double> device_s;
  std::optional<std::int64_t> host_peak_bytes;
  std::vector<double> step_duration_s;
  std::string kernel_path;  ///< which code ran: "cpu/avx512 f32"
  std::vector<std::string> notes;
};

struct TraceSpan {
  std::string span_id;  ///< "span.3.prefill"
  std::string name;     ///< load tokenize batch prefill forward observe intervene decode score emit render
  std::optional<StageProfile> profile;
  std::vector<std::string> input_artifacts, output_artifacts;
  Json metadata;
};

struct TraceArtifact {
  std::string artifact_id;
  ArtifactKind kind = ArtifactKind::other;
  std::optional<std::string> producer_span_id;
  std::optional<std::vector<std::int64_t>> shape;
  std::string dtype;
  std::string digest;          ///< SHA-256 of the values: row-major little-endian, in `dtype`
  std::string payload_path;    ///< relative to the store; empty when only a summary was kept
  std::string payload_digest;  ///< SHA-256 of that file
  Json summary;                ///< count, mean, std, min, max, rms, row norms, non-finite counts; or top_k rows
  std::optional<Site> site;
  std::optional<int> layer;
  std::string positions;       ///< policy, as Positions::to_string
  std::int64_t fire_count = 0; ///< how many passes contributed rows
  SupportLevel level = SupportLevel::full;
  Json metadata;
};

struct Missing {
  ArtifactKind kind = ArtifactKind::other;
  std::optional<Site> site;
  std::optional<int> layer;
  std::string reason;
  bool unsupported = false;  ///< the capability said no; otherwise it was asked for and not emitted
};

struct ModelIdentity {
  std::string name, path, digest, architecture;
  std::string config_digest;  ///< of the hyper-parameters: two models with equal weights may still differ
  Json lineage;  ///< null when unknown
};

struct TraceParts {
  std::string trace_id;
  DeviceRef device;
  std::string backend;
  Numerics numerics = Numerics::exact;
  ModelIdentity model;
  std::vector<TraceSpan> spans;
  std::vector<TraceArtifact> artifacts;
  std::vector<Missing> missing;
  Json metadata;
};

class Trace {
 public:
  /// Graph rules (trace-contract 3.2): span and artifact ids unique; producers, inputs and outputs exist; an output's
  /// producer is that span; ids not blank; counters >= 0; missing entries carry a reason.
  /// Errors: corrupt, naming the id and the rule.
  static Result<Trace> make(TraceParts parts);
  /// The same, and refuses an artifact whose kind or site the capability calls unsupported.
  static Result<Trace> make(TraceParts parts, const Capability& capability);

  const TraceParts& parts() const { return parts_; }
  const std::string& id() const { return parts_.trace_id; }
  const std::vector<TraceSpan>& spans() const { return parts_.spans; }
  const std::vector<TraceArtifact>& artifacts() const { return parts_.artifacts; }
  const std::vector<Missing>& missing() const { return parts_.missing; }
  const TraceArtifact* find(std::string_view artifact_id) const;
  std::vector<const TraceArtifact*> artifacts_by_kind(ArtifactKind kind) const;
  /// Kinds present, in canonical order.
  std::vector<ArtifactKind> coverage() const;

 private:
  explicit Trace(TraceParts parts) : parts_(std::move(parts)) {}
  TraceParts parts_;
};

/// Aggregate of the spans' profiles: sums of durations, bytes, copies, syncs; maxima of tokens, batch, memory, queue.
struct TraceProfileSummary {
  double total_duration_s = 0.0;
  int profiled_spans = 0;
  std::optional<std::int64_t> token_count, batch_size, peak_memory_bytes, max_queue_depth;
  std::optional<double> tokens_per_second, prefill_tokens_per_second, decode_tokens_per_second;
  std::optional<double> total_device_s;
  std::int64_t total_input_bytes = 0, total_output_bytes = 0, host_device_copies = 0, sync_points = 0;
};
TraceProfileSummary summarise(const Trace& trace);

/// Where payload bytes go. The store of a run folder is src/trace/artifact_store.h; a null sink keeps summaries only.
struct StoredPayload {
  std::string path, digest;
};
class PayloadSink {
 public:
  virtual ~PayloadSink() = default;
  /// One tensor, named inside the file `tensor_name`. Content-addressed: equal bytes are stored once. Thread-safe.
  virtual Result<StoredPayload> put(std::string_view tensor_name, std::string_view dtype,
                                    std::span<const std::int64_t> shape, std::span<const std::byte> bytes) = 0;
};

}  // namespace vauban
