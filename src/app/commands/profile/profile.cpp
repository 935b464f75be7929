/// vauban profile MODEL --axis AXIS: what a model costs along one axis, measured again and again, as one sweep.

#include <algorithm>
#include <optional>

#include "app/command.h"
#include "app/commands/profile/sweep_run.h"
#include "app/open.h"
#include "app/out_folder.h"
#include "base/json_file.h"
#include "base/strings.h"
#include "evidence/usl.h"
#include "model/model.h"
#include "trace/artifact_store.h"
#include "trace/profile_fields.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

constexpr int kInconclusive = 4;

/// Read from the files, so that a sweep that cannot fit is refused before the weights are loaded.
Result<std::int64_t> context_length_of(const std::string& model) {
  VB_TRY(const ModelSource source, open_source(model));
  VB_TRY(const Architecture* architecture, find_architecture(source));
  VB_TRY(const ModelConfig config,
         architecture->read_config(source));
  return config.context_length;
}

/// The prompt has a default, so what counts is what was given.
Result<void> check_prompt(const ProfileConfig& config, const Session& session) {
  if (session.was_given("prompt") && session.was_given("ids"))
    return invalid_input("--prompt and --ids are both given: which one is repeated up to the length of the prompt?");
  if (session.was_given("ids") && trim(config.ids).empty()) return invalid_input("--ids: expected token ids, found none");
  if (trim(config.prompt).empty()) return invalid_input("--prompt: expected a text, found none");
  return ok();
}

Result<std::vector<std::int32_t>> prompt_ids(const ProfileConfig& config, Runtime& runtime) {
  if (config.ids.empty()) return runtime.tokenize({.trace_id = "prompt", .input_text = config.prompt});
  return parse_ids(config.ids);
}

struct Fit {
  Json json = disabled();
  std::string reason = "no fit was asked for";
};

Fit fit_of(const ProfileConfig& config, const TraceProfileSweep& sweep) {
  if (config.fit == "none") return {};
  const Result<SweepThroughput> throughput = throughput_of(sweep);
  if (!throughput) return {not_computed(throughput.error().message), throughput.error().message};
  const Result<UslFit> fit = fit_usl(throughput->points, {.seed = config.common.seed});
  if (!fit) return {not_computed(fit.error().message), fit.error().message};
  return {to_json(*fit, throughput->rate), fit->reason};
}

Json settings_of(const ProfileConfig& config, const SweepPlan& plan) {
  return Json::object({{"values", Json(plan.values)},
                       {"samples", config.samples},
                       {"warmup", config.warmup},
                       {"prompt_tokens", config.prompt_tokens},
                       {"max_tokens", config.max_tokens},
                       {"max_batch", plan.max_batch},
                       {"observe", Json(config.observe)},
                       {"profile", Json(config.profile)},
                       {"seed", format("{}", config.common.seed)}});
}

/// What the traces were asked for and do not hold: each thing once, since every run is asked for the same.
Json missing_of(const std::vector<Trace>& traces) {
  Json out = Json::array();
  for (const Trace& trace : traces)
    for (const Missing& missing : trace.missing()) {
      Json entry = Json::object({{"kind", to_string(missing.kind)},
                                 {"site", missing.site ? Json(to_string(*missing.site)) : Json()},
                                 {"layer", missing.layer ? Json(*missing.layer) : Json()},
                                 {"reason", missing.reason}});
      if (std::ranges::find(out.items(), entry) == out.items().end()) out.push_back(std::move(entry));
    }
  return out;
}

/// Figures that are null, and why.
Json not_measured(const TraceProfileSweep& sweep) {
  Json out = Json::array();
  const auto note = [&](const char* figure, std::int64_t value, const char* reason) {
    out.push_back(Json::object({{"figure", figure}, {"axis_value", value}, {"reason", reason}}));
  };
  for (const TraceProfileSweepPoint& point : sweep.points) {
    if (point.device_s.values.empty())
      note("device_s", point.axis_value, "the device reports no time of its own in every run: `vauban man profile`");
    if (point.prefill_tokens_per_second.values.empty())
      note("prefill_tokens_per_second", point.axis_value, "not every run has prompt tokens and a prefill time");
    if (point.decode_tokens_per_second.values.empty())
      note("decode_tokens_per_second", point.axis_value, "not every run decodes tokens: see --max-tokens");
    if (point.tokens_per_second.values.empty())
      note("tokens_per_second", point.axis_value, "not every run counts tokens");
    if (!point.peak_memory_bytes)
      note("peak_memory_bytes", point.axis_value, "no run reports it: see --profile");
  }
  return out;
}

/// Where and with what it ran.
void add_provenance(Json& document, const ProfileConfig& config, const SweepPlan& plan,
                    const std::vector<Trace>& traces, const Session& session) {
  document["settings"] = settings_of(config, plan);
  document["missing"] = missing_of(traces);
  document["threads"] = session.context().pool.size();
  document["out"] = config.out.empty() ? Json() : Json(config.out);
  if (traces.empty()) return;
  const TraceParts& first = traces.front().parts();
  document["model"] = Json::object({{"name", first.model.name}, {"digest", first.model.digest}});
  document["backend"] = first.backend;
  document["numerics"] = to_string(first.numerics);
  document["device"] = to_json(first.device);
}

Result<void> write_files(const std::string& out, const Json& document, const std::vector<Trace>& traces) {
  if (out.empty()) return ok();
  std::string lines;
  for (const Trace& trace : traces) {
    VB_TRY(const std::string line, to_json(trace).dump());
    lines += line + "\n";
  }
  VB_CHECK(write_file_atomic(std::filesystem::path(out) / "traces.jsonl", lines));
  return write_json_file(std::filesystem::path(out) / "sweep.json", document);
}

std::string spread(const Samples& samples, double scale) {
  if (samples.values.empty()) return "-";
  return format("{:.4g} +- {:.2g}", scale * samples.mean(), scale * samples.std());
}

std::string table(const TraceProfileSweep& sweep) {
  std::string text = format("{:>12}{:>10}{:>9}{:>22}{:>22}{:>22}{:>14}\n", to_string(sweep.axis), "requests", "samples",
                            "ms per run", "prefill tokens/s", "decode tokens/s", "peak MiB");
  for (const TraceProfileSweepPoint& point : sweep.points)
    text += format(
        "{:>12}{:>10}{:>9}{:>22}{:>22}{:>22}{:>14}\n", point.axis_value, point.requests, point.samples,
        spread(point.total_duration_s, 1e3), spread(point.prefill_tokens_per_second, 1),
        spread(point.decode_tokens_per_second, 1),
        point.peak_memory_bytes ? format("{:.1f}", static_cast<double>(*point.peak_memory_bytes) / (1 << 20)) : "-");
  return text;
}

std::string missing_lines(const Json& document) {
  std::string text;
  for (const Json& missing : document.find("missing")->items()) {
    const Json& site = *missing.find("site");
    text += format("missing {}{}: {}\n", missing.find("kind")->as_string(),
                   site.is_string() ? " " + site.as_string() : "", missing.find("reason")->as_string());
  }
  return text;
}

std::string fit_lines(const Json& fit) {
  const Json* status = fit.find("status");
  if (status->as_string() == "disabled") return "";
  std::string text = format("fit: {}\n", status->as_string());
  for (const char* key : {"lambda", "sigma", "kappa", "n_star"})
    if (const Json* e = fit.find(key); e && e->is_object())
      text += format("  {:<8}{:.6g}  [{:.4g}, {:.4g}]\n", key, e->find("value")->as_double(),
                     e->find("low")->as_double(), e->find("high")->as_double());
  if (const Json* reason = fit.find("reason"); reason && reason->is_string())
    text += format("  {}\n", reason->as_string());
  return text;
}

Result<int> print_plan(const SweepPlan& plan, const ProfileConfig& config, Session& session) {
  const Json json = to_json(plan, config);
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(json));
    return 0;
  }
  VB_TRY(const std::string text, json.dump(2));
  session.out().text(text + "\n");
  return 0;
}

Result<int> report(const ProfileConfig& config, const SweepPlan& plan, const SweepTraces& done, Session& session) {
  const Result<TraceProfileSweep> sweep =
      done.ended ? summarise_sweep(done.traces, plan.axis,
                                   {.id = config.axis, .warmup = config.warmup, .samples = config.samples})
                 : Result<TraceProfileSweep>(done.ended.error());
  Fit fit;
  if (sweep) fit = fit_of(config, *sweep);
  Json document = sweep ? to_json(*sweep, fit.json, fit.reason) : not_computed(describe(sweep.error()));
  if (sweep) document["status"] = "computed";
  if (sweep) document["not_measured"] = not_measured(*sweep);
  add_provenance(document, config, plan, done.traces, session);
  VB_CHECK(write_files(config.out, document, done.traces));
  if (!done.ended) return done.ended.error();
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(document));
  } else {
    session.out().text(sweep ? table(*sweep) + missing_lines(document) + fit_lines(fit.json)
                             : format("not computed: {}\n", describe(sweep.error())));
    if (!config.out.empty()) session.out().text(format("sweep: {}/sweep.json\n", config.out));
  }
  return sweep ? 0 : kInconclusive;
}

Result<int> run_profile(const ProfileConfig& config, Session& session) {
  VB_CHECK(check_prompt(config, session));
  if (!config.out.empty()) VB_CHECK(check_out_folder(config.out, kProfileFolder));
  VB_TRY(const std::int64_t context_length, context_length_of(config.model));
  VB_TRY(const SweepPlan plan, plan_sweep(config, context_length));
  VB_CHECK(to_wants(config.observe));
  VB_CHECK(to_profile(config.profile));
  if (config.plan) return print_plan(plan, config, session);
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session, {.max_batch = plan.max_batch}));
  VB_TRY(const std::vector<std::int32_t> ids, prompt_ids(config, *runtime));
  if (ids.empty()) return invalid_input("--ids: expected token ids, found none");
  std::optional<FolderLock> lock;
  std::unique_ptr<ArtifactStore> store;
  if (!config.out.empty()) {
    VB_TRY(FolderLock taken, take_out_folder(config.out, kProfileFolder));
    lock.emplace(std::move(taken));
    VB_TRY(store, ArtifactStore::open(config.out, real_file_ops(), ArtifactStore::Durable::at_sync));
  }
  const SweepTraces done = run_sweep(plan, config, ids, *runtime, store.get(), session.context());
  if (store) VB_CHECK(store->sync());
  return report(config, plan, done, session);
}

/// The fields come from the one table (trace/profile_fields.h).
const std::string& description() {
  static const std::string text =
      "Runs the same requests at each value of the axis: one repetition runs every value once, in a drawn order, so "
      "that a drift of the machine does not pass for an effect; the first repetitions are warm-up. A point keeps every "
      "run's numbers. Traces that cover other artifact kinds than the first are other work: the sweep is then refused "
      "(exit 4). What was asked for and not observed stands under `missing`, and a figure that is null under "
      "`not_measured`, with the reasons. An interrupted sweep is not resumed, since its runs would not be comparable: sweep.json says so.\n\n"
      "--fit usl (5 values or more, none below 1) fits X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)) to the decode rate (along token_count: "
      "to "
      "the prefill rate), with bootstrap intervals. `not_identifiable`: the interval of kappa contains 0, or the "
      "maximum lies outside the values.\n\n"
      "What a profile holds. `costs`: only for stages that --profile names (here, for `trace` and for `generate`).\n" +
      profile_fields_text();
  return text;
}

}  // namespace

Command profile_command() {
  return make_command<ProfileConfig>({"profile", "measure what a model costs along one axis", description()},
                                     run_profile);
}

}  // namespace vauban
