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
#include "evidence/scorers/v2.h"
#include "primitive/gate_compare.h"
#include "primitive/measure.h"
#include "runner/trace_rows.h"
#include "suite/suite.h"
#include "trace/trace_json.h"

namespace vauban::bench {
namespace {

std::string_view status(bool good) { return good ? "pass" : "fail"; }

// ---- torch_equality ----

Result<Json> compare_on(Ops& torch, const Context& context) {
  VB_TRY(const std::vector<Problem> problems, all_problems());
  Json targets = Json::object({});
  bool good = true;
  for (const CpuTarget target : available_cpu_targets()) {
    VB_TRY(const auto ops, make_cpu_ops(context, target, PrimitivePath::simd));
    Apart worst;
    for (const Problem& problem : problems) {
      VB_TRY(const Answer ours, answer_of(*ops, problem), "in {}", problem.name);
      VB_TRY(const Answer theirs, answer_of(torch, problem), "in {}", problem.name);
      worst = worst.worst_of(apart(ours, theirs, problem));
    }
    targets[to_string(target)] = worst.to_json();
    good = good && worst.within_bounds();
  }
  return Json::object({{"status", status(good)},
                       {"device", torch.device_label()},
                       {"problems", std::ssize(problems)},
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
  return Json::object({{"status", both}, {"bound", kFigureBound}, {"bound_of", "|h| |d|"},
                       {"bound_of_bf16_elements", kElementBound}, {"cpu", cpu}, {"cuda", cuda}});
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
