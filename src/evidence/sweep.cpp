#include "evidence/sweep.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "evidence/stats/stats.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

constexpr std::string_view kAxisNames[] = {"token_count", "batch_size", "queue_depth"};

/// Requests that went through the engine together.
struct Run {
  std::int64_t axis_value = 0;
  std::vector<const Trace*> traces;
};

/// Time and tokens of the spans of one name.
struct Stage {
  double seconds = 0;
  std::int64_t tokens = 0;
};

Stage stage_of(const Run& run, std::string_view name) {
  Stage stage;
  for (const Trace* trace : run.traces)
    for (const TraceSpan& span : trace->spans()) {
      if (span.name != name || !span.profile) continue;
      stage.seconds += span.profile->duration_s;
      stage.tokens += span.profile->token_count.value_or(0);
    }
  return stage;
}

std::string words(const std::vector<ArtifactKind>& kinds) {
  std::vector<std::string> names;
  for (const ArtifactKind kind : kinds) names.emplace_back(to_string(kind));
  return join(names, " ");
}

/// Kinds of `a` that are not in `b`.
std::vector<ArtifactKind> without(const std::vector<ArtifactKind>& a, const std::vector<ArtifactKind>& b) {
  std::vector<ArtifactKind> rest;
  for (const ArtifactKind kind : a)
    if (std::ranges::find(b, kind) == b.end()) rest.push_back(kind);
  return rest;
}

std::optional<std::int64_t> axis_value(const Trace& trace, SweepAxis axis) {
  const TraceProfileSummary summary = summarise(trace);
  if (axis == SweepAxis::batch_size) return summary.batch_size;
  if (axis == SweepAxis::queue_depth) return summary.max_queue_depth;
  for (const TraceSpan& span : trace.spans())
    if (span.name == "prefill" && span.profile) return span.profile->token_count;
  return summary.token_count;
}

/// The word at metadata.request.sweep.run; empty without it.
std::string run_of(const Trace& trace) {
  const Json* at = &trace.parts().metadata;
  for (const std::string_view key : {std::string_view("request"), kSweepMetadata, std::string_view("run")}) {
    at = at->find(key);
    if (!at) return "";
  }
  return at->is_string() ? at->as_string() : "";
}

Result<std::vector<Run>> gather_runs(std::span<const Trace> traces, SweepAxis axis) {
  std::vector<Run> runs;
  std::map<std::string, std::size_t> by_word;
  std::set<std::string_view> ids;
  for (const Trace& trace : traces) {
    if (!ids.insert(trace.id()).second)
      return invalid_input("trace id '{}' occurs twice: ids must be unique", trace.id());
    VB_TRY(const std::int64_t value, sweep_axis_value(trace, axis));
    const std::string word = run_of(trace);
    const auto known = word.empty() ? by_word.end() : by_word.find(word);
    const std::size_t at = known == by_word.end() ? runs.size() : known->second;
    if (at == runs.size()) runs.emplace_back();
    if (!word.empty()) by_word.emplace(word, at);
    runs[at].axis_value = std::max(runs[at].axis_value, value);
    runs[at].traces.push_back(&trace);
  }
  return runs;
}

double total_seconds(const Run& run) {
  double sum = 0;
  for (const Trace* trace : run.traces)
    for (const TraceSpan& span : trace->spans())
      if (span.profile && span.name != "load") sum += span.profile->duration_s;
  return sum;
}

void add_rate(Samples& samples, double tokens, double seconds) {
  if (tokens > 0 && seconds > 0) samples.values.push_back(tokens / seconds);
}

void add_run(TraceProfileSweepPoint& point, const Run& run) {
  ++point.samples;
  double device_s = 0, largest_counts = 0;
  bool has_device_s = true;
  for (const Trace* trace : run.traces) {
    point.trace_ids.push_back(trace->id());
    const TraceProfileSummary summary = summarise(*trace);
    point.total_host_device_copies += summary.host_device_copies;
    point.total_sync_points += summary.sync_points;
    if (summary.peak_memory_bytes)
      point.peak_memory_bytes = std::max(point.peak_memory_bytes.value_or(0), *summary.peak_memory_bytes);
    has_device_s = has_device_s && summary.total_device_s.has_value();
    device_s += summary.total_device_s.value_or(0);
    largest_counts += static_cast<double>(summary.token_count.value_or(0));
  }
  const double seconds = total_seconds(run);
  point.total_duration_s.values.push_back(seconds);
  if (has_device_s) point.device_s.values.push_back(device_s);
  const Stage prefill = stage_of(run, "prefill"), decode = stage_of(run, "decode");
  add_rate(point.prefill_tokens_per_second, static_cast<double>(prefill.tokens), prefill.seconds);
  add_rate(point.decode_tokens_per_second, static_cast<double>(decode.tokens), decode.seconds);
  add_rate(point.tokens_per_second, largest_counts, seconds);
}

/// A figure that some runs lack is no figure of the point.
void drop_partial(TraceProfileSweepPoint& point) {
  for (Samples* samples :
       {&point.device_s, &point.prefill_tokens_per_second, &point.decode_tokens_per_second, &point.tokens_per_second})
    if (static_cast<std::int64_t>(samples->values.size()) != point.samples) samples->values.clear();
}

Result<TraceProfileSweepPoint> make_point(std::int64_t value, std::span<const Run> runs, SweepAxis axis,
                                          const SweepOptions& options) {
  const std::size_t dropped = std::min(static_cast<std::size_t>(options.warmup), runs.size());
  runs = runs.subspan(dropped);
  if (static_cast<std::int64_t>(runs.size()) < options.samples)
    return invalid_input("{} {}: expected {} runs after {} for warm-up, found {}", to_string(axis), value,
                         options.samples, options.warmup, runs.size());
  TraceProfileSweepPoint point;
  point.axis_value = value;
  point.requests = static_cast<std::int64_t>(runs.front().traces.size());
  for (const Run& run : runs) {
    if (static_cast<std::int64_t>(run.traces.size()) != point.requests)
      return invalid_input("{} {}: a run of {} requests ('{}') stands beside one of {}", to_string(axis), value,
                           run.traces.size(), run.traces.front()->id(), point.requests);
    add_run(point, run);
  }
  drop_partial(point);
  return point;
}

Json samples_json(const Samples& samples) {
  if (samples.values.empty()) return Json();
  return Json::object({{"mean", samples.mean()},
                       {"std", samples.std()},
                       {"min", samples.min()},
                       {"max", samples.max()},
                       {"median", samples.median()},
                       {"values", Json(samples.values)}});
}

Json mean_json(const Samples& samples) { return samples.values.empty() ? Json() : Json(samples.mean()); }

Json point_json(const TraceProfileSweepPoint& point) {
  return Json::object({{"axis_value", point.axis_value},
                       {"trace_ids", Json(point.trace_ids)},
                       {"samples", point.samples},
                       {"requests", point.requests},
                       {"mean_total_duration_s", mean_json(point.total_duration_s)},
                       {"mean_tokens_per_second", mean_json(point.tokens_per_second)},
                       {"total_duration_s", samples_json(point.total_duration_s)},
                       {"device_s", samples_json(point.device_s)},
                       {"prefill_tokens_per_second", samples_json(point.prefill_tokens_per_second)},
                       {"decode_tokens_per_second", samples_json(point.decode_tokens_per_second)},
                       {"tokens_per_second", samples_json(point.tokens_per_second)},
                       {"peak_memory_bytes", point.peak_memory_bytes ? Json(*point.peak_memory_bytes) : Json()},
                       {"total_host_device_copies", point.total_host_device_copies},
                       {"total_sync_points", point.total_sync_points}});
}

}  // namespace

std::string_view to_string(SweepAxis axis) { return kAxisNames[static_cast<std::size_t>(axis)]; }

Result<SweepAxis> sweep_axis_from(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kAxisNames); ++i)
    if (kAxisNames[i] == name) return static_cast<SweepAxis>(i);
  return invalid_input("expected token_count, batch_size or queue_depth, found '{}'", printable(name, 60));
}

Result<std::int64_t> sweep_axis_value(const Trace& trace, SweepAxis axis) {
  if (const auto value = axis_value(trace, axis)) return *value;
  return invalid_input("trace '{}' has no {}: it cannot be placed on the axis", trace.id(), to_string(axis));
}

Result<void> check_stable_coverage(std::span<const Trace> traces) {
  const std::vector<ArtifactKind> expected = traces.empty() ? std::vector<ArtifactKind>() : traces.front().coverage();
  for (const Trace& trace : traces) {
    const std::vector<ArtifactKind> found = trace.coverage();
    if (found == expected) continue;
    const std::string more = words(without(found, expected)), less = words(without(expected, found));
    return unsupported("trace '{}' covers other artifact kinds than the first, '{}': {}{}{}", trace.id(),
                       traces.front().id(), more.empty() ? "" : "it has " + more + " beside them",
                       !more.empty() && !less.empty() ? "; " : "", less.empty() ? "" : "it lacks " + less);
  }
  return ok();
}

double Samples::mean() const { return mean_of(values); }
double Samples::std() const { return sample_sd(values); }
double Samples::min() const { return *std::ranges::min_element(values); }
double Samples::max() const { return *std::ranges::max_element(values); }
double Samples::median() const { return quantile_of(values, 0.5); }

Result<TraceProfileSweep> summarise_sweep(std::span<const Trace> traces, SweepAxis axis, const SweepOptions& options) {
  if (traces.empty()) return invalid_input("a sweep needs traces, found none");
  if (options.samples < kMinimumSamples)
    return invalid_input("samples: expected {} or more, found {}", kMinimumSamples, options.samples);
  if (options.warmup < 0) return invalid_input("warmup: expected 0 or more, found {}", options.warmup);
  VB_CHECK(check_stable_coverage(traces));
  VB_TRY(std::vector<Run> runs, gather_runs(traces, axis));
  std::map<std::int64_t, std::vector<Run>> by_value;
  for (Run& run : runs) by_value[run.axis_value].push_back(std::move(run));
  TraceProfileSweep sweep;
  sweep.sweep_id = options.id;
  sweep.axis = axis;
  sweep.artifact_kinds = traces.front().coverage();
  for (const auto& [value, of_value] : by_value) {
    VB_TRY(TraceProfileSweepPoint point, make_point(value, of_value, axis, options));
    sweep.points.push_back(std::move(point));
  }
  return sweep;
}

Json not_computed(std::string_view reason) { return Json::object({{"status", "not_computed"}, {"reason", reason}}); }

Json disabled() { return Json::object({{"status", "disabled"}}); }

Json to_json(const TraceProfileSweep& sweep, const Json& fit, std::string_view reason) {
  Json kinds = Json::array(), points = Json::array();
  for (const ArtifactKind kind : sweep.artifact_kinds) kinds.push_back(to_string(kind));
  for (const TraceProfileSweepPoint& point : sweep.points) points.push_back(point_json(point));
  return Json::object({{"id", sweep.sweep_id},
                       {"axis", to_string(sweep.axis)},
                       {"artifact_kinds", std::move(kinds)},
                       {"points", std::move(points)},
                       {"metadata", Json::object({{"requires_stable_artifacts", true},
                                                  {"fit", fit},
                                                  {"reason", reason.empty() ? Json() : Json(reason)}})}});
}

}  // namespace vauban
