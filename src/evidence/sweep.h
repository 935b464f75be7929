/// Sweeps: comparable traces along one axis, summarised point by point. A pure function of the traces.
///
/// A *run* is the requests that went through the engine together; it is one sample of its point. Traces of one run
/// carry the same word at metadata.request.sweep.run; a trace without it is a run of its own. Each run keeps its own
/// numbers, so that spread, and a fit with intervals (evidence/usl.h), can be computed from them. Contract:
/// trace-contract 8. JSON keys: docs/trace-format.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

/// What is varied, and where a trace tells its value: token_count is the length of the prompt (tokens of the prefill
/// span; of a trace without one, the largest token count), batch_size and queue_depth are the largest of all spans. The
/// value of a run is the largest of its traces'.
enum class SweepAxis { token_count, batch_size, queue_depth };
std::string_view to_string(SweepAxis axis);
Result<SweepAxis> sweep_axis_from(std::string_view name);

inline constexpr std::string_view kSweepMetadata = "sweep";  ///< in the metadata of a request
inline constexpr std::int64_t kMinimumSamples = 5;

/// One figure of each run of a point, in the order of the runs.
struct Samples {
  std::vector<double> values;
  double mean() const;
  double std() const;  ///< n - 1 in the denominator; 0 for one value
  double min() const;
  double max() const;
  double median() const;
};

struct TraceProfileSweepPoint {
  std::int64_t axis_value = 0;
  std::vector<std::string> trace_ids;  ///< unique
  std::int64_t samples = 0;            ///< runs
  std::int64_t requests = 0;           ///< of one run
  Samples total_duration_s;            ///< of all spans of a run but `load`, summed over its requests
  Samples device_s;                    ///< empty unless every trace has it
  /// Tokens of a run over the time of its prefill or decode spans; empty unless every run has such tokens.
  Samples prefill_tokens_per_second, decode_tokens_per_second;
  /// The older figure: the largest token count of each trace, summed, over total_duration_s.
  Samples tokens_per_second;
  std::optional<std::int64_t> peak_memory_bytes;
  std::int64_t total_host_device_copies = 0, total_sync_points = 0;  ///< over all runs
};

struct TraceProfileSweep {
  std::string sweep_id;
  SweepAxis axis = SweepAxis::token_count;
  std::vector<ArtifactKind> artifact_kinds;    ///< of every trace, in the order of the vocabulary
  std::vector<TraceProfileSweepPoint> points;  ///< ascending by axis value
};

struct SweepOptions {
  std::string id = "sweep";
  int warmup = 1;                          ///< first runs of each axis value that are dropped
  std::int64_t samples = kMinimumSamples;  ///< runs that every point needs
};

/// Errors: invalid_input for a trace without the value.
Result<std::int64_t> sweep_axis_value(const Trace& trace, SweepAxis axis);
/// Whether every trace covers the artifact kinds of the first: other artifacts are other work. Errors: unsupported,
/// naming trace and difference.
Result<void> check_stable_coverage(std::span<const Trace> traces);

/// Traces in the order in which they ran. Errors: invalid_input without traces, for samples below 5 and for a negative
/// warmup; unsupported, naming trace and difference, when a trace covers other artifact kinds than the first;
/// invalid_input for a trace without the axis value, for two traces of one id, and for a point with too few runs or
/// runs of other sizes.
Result<TraceProfileSweep> summarise_sweep(std::span<const Trace> traces, SweepAxis axis,
                                          const SweepOptions& options = {});

/// {"status": "not_computed", "reason"}.
Json not_computed(std::string_view reason);
/// {"status": "disabled"}.
Json disabled();

/// `fit`: to_json of a USL fit, not_computed() or disabled(); `reason`: why there is no fit, or empty.
Json to_json(const TraceProfileSweep& sweep, const Json& fit, std::string_view reason);

}  // namespace vauban
