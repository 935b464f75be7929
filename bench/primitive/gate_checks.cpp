#include "primitive/gate_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "app/intervention_file.h"
#include "app/open.h"
#include "backends/backends.h"
#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/primitive_gate.h"
#include "base/rng.h"
#include "evidence/scorers/v2.h"
#include "primitive/measure.h"
#include "runner/trace_rows.h"
#include "suite/suite.h"
#include "trace/trace_json.h"

namespace vauban::bench {
namespace {

std::string_view status(bool good) { return good ? "pass" : "fail"; }

// ---- torch_equality ----

constexpr PrimitiveMode kModes[] = {
    PrimitiveMode::project,         PrimitiveMode::subtract,     PrimitiveMode::add,   PrimitiveMode::subspace_project,
    PrimitiveMode::subspace_remove, PrimitiveMode::subspace_add, PrimitiveMode::clamp, PrimitiveMode::conditional,
    PrimitiveMode::offset};
constexpr double kBound = 1e-5;  // of |h| |d|: two f32 sums over up to 2049 products, in different orders
constexpr std::int64_t kRows = 17;

struct Problem {
  std::vector<float> values;
  std::int64_t width = 0;
  Primitive primitive;
  std::vector<std::int32_t> rows{0, 3, 4, 9, 16};
};

Result<Problem> make_problem(PrimitiveMode mode, std::int64_t width) {
  Rng rng(11, static_cast<std::uint64_t>(width));
  Problem problem{.width = width, .primitive = {.mode = mode, .alpha = 0.7, .lo = -0.3, .hi = 0.4}};
  for (std::int64_t i = 0; i < kRows * width; ++i) problem.values.push_back(static_cast<float>(rng.normal()));
  const bool subspace = mode == PrimitiveMode::subspace_project || mode == PrimitiveMode::subspace_remove ||
                        mode == PrimitiveMode::subspace_add;
  problem.primitive.basis_rows = subspace ? 3 : 1;
  for (std::int64_t i = 0; i < problem.primitive.basis_rows * width; ++i)
    problem.primitive.direction.push_back(rng.normal());
  if (mode == PrimitiveMode::conditional)
    for (std::int64_t i = 0; i < width; ++i) problem.primitive.gate.push_back(rng.normal());
  VB_TRY(problem.primitive, validate_primitive(problem.primitive, width));
  return problem;
}

struct Answer {
  PrimitiveResult result;
  std::vector<double> output;
};

/// Through embed(), so that the rows lie wherever the backend keeps its activations.
Result<Answer> answer_of(Ops& ops, const Problem& problem) {
  std::vector<std::int32_t> ids(kRows);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i);
  const TensorView view{DType::f32, {kRows, problem.width}, std::as_bytes(std::span(problem.values))};
  VB_TRY(const Weight table, ops.load_weight("rows", view, nullptr));
  ops.begin_step();
  Answer answer;
  answer.result = ops.primitive(ops.embed(table, ids), problem.primitive, problem.rows);
  answer.output = to_f64(answer.result.output);
  VB_CHECK(ops.end_step());
  return answer;
}

double worst(const std::vector<double>& a, const std::vector<double>& b, double scale) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]) / scale;
    largest = difference <= largest ? largest : std::isnan(difference) ? INFINITY : difference;
  }
  return largest;
}

double distance(const Answer& a, const Answer& b, const Problem& problem) {
  double d = 0.0;
  for (std::int64_t i = 0; i < problem.width; ++i)
    d += problem.primitive.direction[static_cast<std::size_t>(i)] *
         problem.primitive.direction[static_cast<std::size_t>(i)];
  const double h = std::sqrt(static_cast<double>(problem.width)), scale = h * std::max(1.0, std::sqrt(d));
  if (a.result.gates_open != b.result.gates_open) return INFINITY;
  return std::max({worst(a.output, b.output, scale), worst(a.result.before, b.result.before, scale),
                   worst(a.result.after, b.result.after, scale),
                   worst(a.result.delta_norm, b.result.delta_norm, scale)});
}

Result<Json> compare_on(Ops& torch, const Context& context) {
  Json targets = Json::object({});
  double worst_of_all = 0.0;
  for (const CpuTarget target : available_cpu_targets()) {
    VB_TRY(const auto ops, make_cpu_ops(context, target, PrimitivePath::simd));
    double worst_here = 0.0;
    for (const PrimitiveMode mode : kModes) {
      for (const std::int64_t width : {7, 33, 896, 2049}) {
        VB_TRY(const Problem problem, make_problem(mode, width));
        VB_TRY(const Answer ours, answer_of(*ops, problem));
        VB_TRY(const Answer theirs, answer_of(torch, problem));
        worst_here = std::max(worst_here, distance(ours, theirs, problem));
      }
    }
    targets[to_string(target)] = worst_here;
    worst_of_all = std::max(worst_of_all, worst_here);
  }
  return Json::object({{"status", status(worst_of_all <= kBound)},
                       {"device", torch.device_label()},
                       {"worst_by_target", std::move(targets)}});
}

/// What comparing on one device gave; `pending` with the reason where torch does not run on it.
Result<Json> compare_with_torch(const Context& context, std::string device) {
  const auto torch = make_backend("torch", context, {.device = std::move(device)});
  if (torch) return compare_on(**torch, context);
  return Json::object({{"status", "pending"}, {"reason", torch.error().message}});
}

// ---- traces on both paths ----

struct Traced {
  std::vector<Trace> traces;
  std::vector<TraceRow> rows;
};

Result<std::vector<SuitePrompt>> suite_prompts() {
  VB_TRY(const Suite suite, load_suite(std::filesystem::path(VAUBAN_ROOT) / "suites/garrison.toml"));
  return suite.prompts;
}

TraceRequest request_of(const SuitePrompt& prompt, const std::vector<Intervention>& edits, int max_tokens) {
  return {.trace_id = prompt.id,
          .input_text = prompt.text,
          .apply_chat_template = true,
          .sampling = {.max_tokens = max_tokens},
          .want = {},
          .interventions = edits};
}

Result<Traced> run_traces(const GateOptions& options, PrimitivePath path, const std::vector<TraceRequest>& requests) {
  Session session(CommonOptions{.threads = options.threads, .primitive = std::string(to_string(path)), .quiet = true},
                  {"primitive_gate"});
  VB_TRY(const auto runtime, open_runtime(options.model, session));
  Traced out;
  for (Result<Trace>& trace : runtime->trace_batch(requests)) {
    VB_CHECK(trace);
    out.rows.push_back(read_trace_row(*trace));
    out.traces.push_back(std::move(*trace));
  }
  return out;
}

/// The configuration of trace_config and records_stable: eight prompts, every layer observed, an edit at every layer.
Result<std::vector<TraceRequest>> observed_requests() {
  VB_TRY(const auto prompts, suite_prompts());
  VB_TRY(const auto edits, read_interventions("garrison-steered"));
  std::vector<TraceRequest> requests;
  for (std::size_t i = 0; i < prompts.size() && requests.size() < 8; i += prompts.size() / 8) {
    TraceRequest request = request_of(prompts[i], edits, 12);
    request.want = {
        {.kind = ArtifactKind::activation, .site = Site::resid_post, .positions = {}, .form = Form::summary},
        {.kind = ArtifactKind::logprobs, .site = Site::logprobs, .positions = {}, .form = Form::top_k, .top_k = 5}};
    requests.push_back(std::move(request));
  }
  return requests;
}

/// The largest |value| of a recorded {count, mean, min, max}; 0 of none.
double reach(const Json& summary) {
  double largest = 0.0;
  for (const char* key : {"min", "max"})
    if (const Json* value = summary.find(key); value && value->is_number())
      largest = std::max(largest, std::abs(value->as_double()));
  return largest;
}

/// How far two summaries of the same rows lie apart, in units of `scale`; infinite when they do not count the same rows.
double summary_distance(const Json& a, const Json& b, double scale) {
  double largest = 0.0;
  for (const char* key : {"count", "mean", "min", "max"}) {
    const Json *ours = a.find(key), *theirs = b.find(key);
    if (!ours || !theirs || ours->is_number() != theirs->is_number()) return INFINITY;
    if (!ours->is_number()) continue;
    const double apart = std::abs(ours->as_double() - theirs->as_double());
    if (std::string_view(key) == "count" && apart != 0.0) return INFINITY;
    if (apart != 0.0) largest = std::max(largest, apart / scale);
  }
  return largest;
}

/// The measured effects of a trace's interventions. The unit is the largest projection before the edit: a mean over rows
/// cancels, and a projection that was taken out is a rounding, so neither has a scale of its own.
double effect_distance(const Trace& a, const Trace& b) {
  double largest = 0.0;
  for (const TraceArtifact* artifact : a.artifacts_by_kind(ArtifactKind::intervention_result)) {
    const TraceArtifact* other = b.find(artifact->artifact_id);
    if (!other) return INFINITY;
    const Json* rows = artifact->metadata.find("rows_touched");
    const Json* other_rows = other->metadata.find("rows_touched");
    if (!rows || !other_rows || rows->as_double() != other_rows->as_double()) return INFINITY;
    const Json* before = artifact->metadata.find("projection_summary_before");
    if (!before) return INFINITY;
    for (const char* key : {"projection_summary_before", "projection_summary_after", "delta_summary"}) {
      const Json *ours = artifact->metadata.find(key), *theirs = other->metadata.find(key);
      if (!ours || !theirs) return INFINITY;
      largest = std::max(largest, summary_distance(*ours, *theirs, reach(*before)));
    }
  }
  return largest;
}

bool effects_agree(const Trace& a, const Trace& b) {
  for (const TraceArtifact* artifact : a.artifacts_by_kind(ArtifactKind::intervention_result)) {
    const TraceArtifact* other = b.find(artifact->artifact_id);
    const Json *ours = artifact->metadata.find("effect"), *theirs = other ? other->metadata.find("effect") : nullptr;
    if (!ours || !theirs || ours->as_string() != "changed" || theirs->as_string() != "changed") return false;
  }
  return !a.artifacts_by_kind(ArtifactKind::intervention_result).empty();
}

/// A document without its measurements: numbers become 0, digests and kernel paths their kind; keys, ids and lists
/// stay.
Json skeleton(const Json& value, std::string_view key = {}) {
  if (value.is_number()) return 0;
  if (value.is_string()) {
    const std::string& text = value.as_string();
    if (key == "kernel_path") return text.substr(0, text.find(" primitive/"));
    const bool is_digest = text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
    return is_digest ? Json("digest") : value;
  }
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value.items()) out.push_back(skeleton(item, key));
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object({});
  for (const auto& [name, item] : value.entries()) out[name] = skeleton(item, name);
  return out;
}

/// Where two documents first differ; "" when they do not.
std::string first_difference(const Json& a, const Json& b, const std::string& place = "") {
  if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : a.entries()) {
      const Json* other = b.find(key);
      if (!other) return place + "/" + key;
      if (auto found = first_difference(value, *other, place + "/" + key); !found.empty()) return found;
    }
    return a.size() == b.size() ? "" : place + " (keys)";
  }
  if (a.is_array() && b.is_array() && a.size() == b.size()) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (auto found = first_difference(a.items()[i], b.items()[i], format("{}/{}", place, i)); !found.empty())
        return found;
    return "";
  }
  return a.dump().value_or("?") == b.dump().value_or("!") ? "" : place.empty() ? "/" : place;
}

std::string kernel_paths(const Trace& trace) {
  std::string paths;
  for (const TraceSpan& span : trace.spans())
    if (span.profile) paths += span.profile->kernel_path + "; ";
  return paths;
}

}  // namespace

Result<Json> check_torch_equality(const Context& context) {
  VB_TRY(const Json cpu, compare_with_torch(context, "cpu"));
  VB_TRY(const Json cuda, compare_with_torch(context, "cuda"));
  const std::string on_cpu = cpu.find("status")->as_string(), on_cuda = cuda.find("status")->as_string();
  // CUDA counts where it is at hand: its absence is recorded and does not hold the gate.
  const std::string_view both = on_cuda == "fail" ? "fail" : std::string_view(on_cpu);
  return Json::object({{"status", both}, {"bound", kBound}, {"bound_of", "|h| |d|"}, {"cpu", cpu}, {"cuda", cuda}});
}

Result<Json> check_trace_config(const GateOptions& options) {
  VB_TRY(const auto requests, observed_requests());
  VB_TRY(const Traced before, run_traces(options, PrimitivePath::scalar, requests));
  VB_TRY(const Traced after, run_traces(options, PrimitivePath::simd, requests));
  constexpr double kEffectBound = 1e-5;  // of the largest projection: f32 sums over the width, then later layers
  double worst_effect = 0.0;
  bool same_tokens = true, effects = true;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    worst_effect = std::max(worst_effect, effect_distance(before.traces[i], after.traces[i]));
    same_tokens =
        same_tokens && before.rows[i].output_ids == after.rows[i].output_ids && !before.rows[i].output_ids.empty();
    effects = effects && effects_agree(before.traces[i], after.traces[i]);
  }
  return Json::object({{"status", status(same_tokens && effects && worst_effect <= kEffectBound)},
                       {"model", options.model},
                       {"prompts", static_cast<std::int64_t>(requests.size())},
                       {"intervention", "garrison-steered"},
                       {"same_tokens", same_tokens},
                       {"every_effect_measured", effects},
                       {"worst_effect_difference", worst_effect},
                       {"bound", kEffectBound}});
}

Result<Json> check_records_stable(const GateOptions& options) {
  VB_TRY(const auto requests, observed_requests());
  VB_TRY(const Traced before, run_traces(options, PrimitivePath::scalar, requests));
  VB_TRY(const Traced after, run_traces(options, PrimitivePath::simd, requests));
  std::string difference;
  bool named = true;
  std::int64_t artifacts = 0, spans = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Json a = skeleton(to_json(before.traces[i])), b = skeleton(to_json(after.traces[i]));
    if (difference.empty()) difference = first_difference(a, b);
    named = named && kernel_paths(before.traces[i]).find("primitive/scalar") != std::string::npos &&
            kernel_paths(after.traces[i]).find("primitive/simd") != std::string::npos;
    artifacts += std::ssize(after.traces[i].artifacts());
    spans += std::ssize(after.traces[i].spans());
  }
  return Json::object({{"status", status(difference.empty() && named)},
                       {"artifacts", artifacts},
                       {"spans", spans},
                       {"first_difference", difference.empty() ? Json() : Json(difference)},
                       {"profiles_name_the_path", named}});
}

Result<Json> check_suite(const GateOptions& options) {
  VB_TRY(const auto prompts, suite_prompts());
  VB_TRY(const auto edits, read_interventions("garrison-steered"));
  std::vector<TraceRequest> requests;
  for (const SuitePrompt& prompt : prompts) requests.push_back(request_of(prompt, edits, 24));
  VB_TRY(const Traced before, run_traces(options, PrimitivePath::scalar, requests));
  VB_TRY(const Traced after, run_traces(options, PrimitivePath::simd, requests));
  constexpr double kTexts = 0.01;  // greedy ties may fall either way
  std::int64_t texts = 0, classes = 0, refusals_before = 0, refusals_after = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::string_view was = classify_v2(before.rows[i].text), is = classify_v2(after.rows[i].text);
    texts += before.rows[i].text != after.rows[i].text;
    classes += was != is;
    refusals_before += was == "refuse";
    refusals_after += is == "refuse";
  }
  const double differing = static_cast<double>(texts) / static_cast<double>(requests.size());
  return Json::object({{"status", status(classes == 0 && differing <= kTexts)},
                       {"suite", "garrison"},
                       {"model", options.model},
                       {"intervention", "garrison-steered"},
                       {"prompts", static_cast<std::int64_t>(requests.size())},
                       {"texts_that_differ", texts},
                       {"bound_of_texts", kTexts},
                       {"classes_that_differ", classes},
                       {"refusals_scalar", refusals_before},
                       {"refusals_simd", refusals_after}});
}

Result<Json> check_speed(const GateOptions& options) {
  ThreadPool pool(options.threads);
  const double read_gb_s = read_bandwidth_gb_s(pool, std::size_t{256} << 20, options.samples);
  Json rows = Json::array();
  bool faster = true;
  double slowest = INFINITY;
  for (const Case& c : all_cases({PrimitiveMode::project, PrimitiveMode::subtract, PrimitiveMode::subspace_remove})) {
    const PathTimings timed = time_paths(c, pool, options.samples);
    const bool apart = timed.simd.quartile_s(3) < timed.scalar.quartile_s(1);
    faster = faster && apart;
    slowest = std::min(slowest, timed.scalar.median_s() / timed.simd.median_s());
    rows.push_back(Json::object({{"case", c.name()},
                                 {"scalar", to_json(timed.scalar, c.bytes(), read_gb_s)},
                                 {"simd", to_json(timed.simd, c.bytes(), read_gb_s)},
                                 {"quartiles_apart", apart}}));
  }
  return Json::object({{"status", status(faster)},
                       {"rule", "third quartile of simd below first quartile of scalar, in every case"},
                       {"samples", options.samples},
                       {"threads", pool.size()},
                       {"read_bandwidth_gb_s", read_gb_s},
                       {"least_speedup", slowest},
                       {"cases", std::move(rows)}});
}

}  // namespace vauban::bench
