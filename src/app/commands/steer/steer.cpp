/// vauban steer MODEL --direction F --mode M --alpha X --prompt T: one answer with an edit, beside the one without.

#include "app/command.h"
#include "app/commands/steer/steer_config.h"
#include "app/direction_notes.h"
#include "app/intervention_file.h"
#include "app/layer_choice.h"
#include "app/open.h"
#include "runner/trace_rows.h"

namespace vauban {
namespace {

struct SteerCommandConfig {
  SteerConfig steer;
  CommonOptions common;
};

void fields(SteerCommandConfig& c, FieldVisitor& f) {
  fields(c.steer, f);
  fields(c.common, f);
}

struct SteerPlan {
  DirectionFile file;
  std::vector<int> layers;
  std::vector<Intervention> interventions;
};

InterventionConfig as_intervention(const SteerConfig& config, const SteerPlan& plan) {
  InterventionConfig out{.name = "steer"};
  out.site = config.site.value_or(plan.file.site());
  out.mode = config.mode;
  out.inner_mode = config.inner_mode;
  out.positions = config.positions;
  out.layers = plan.layers;
  out.alpha = config.alpha;
  out.lo = config.lo;
  out.hi = config.hi;
  out.tau = config.tau;
  out.direction_file = config.direction;
  out.direction_sha256 = config.direction_sha256;
  out.random_seed = config.random_seed;
  if (config.mode == "conditional") out.gate_file = config.gate.value_or(config.direction);
  out.gate_sha256 = config.gate_sha256;
  return out;
}

Result<void> check_gate(const SteerConfig& config) {
  if (!config.gate && !config.gate_sha256) return ok();
  if (config.mode != "conditional")
    return with_hint(invalid_input("--gate goes with --mode conditional, found --mode {}", config.mode),
                     "--inner-mode then says what to do where the gate is open");
  if (config.gate_sha256 && !config.gate) return invalid_input("--gate-sha256 is that of --gate, which is not given");
  return ok();
}

Result<SteerPlan> plan_of(const SteerConfig& config) {
  SteerPlan plan;
  VB_CHECK(check_gate(config));
  VB_TRY(plan.file, read_directions(config.direction));
  VB_TRY(plan.layers, layers_from(config.layers, plan.file), "in {}", config.direction);
  VB_TRY(plan.interventions, to_interventions({as_intervention(config, plan)}));
  return plan;
}

/// With the digest of every row of logits that a token was drawn from.
TraceRequest request_of(TraceRequest request, std::string id, std::vector<Intervention> edits) {
  const auto prompt_rows = static_cast<std::int64_t>(request.prompt_ids.size());
  Positions drawn;
  drawn.kind = Positions::Kind::range;
  drawn.begin = prompt_rows - 1;
  drawn.end = prompt_rows - 1 + request.sampling.max_tokens;
  request.trace_id = std::move(id);
  request.interventions = std::move(edits);
  request.want = {{.kind = ArtifactKind::logits, .site = Site::logits, .positions = drawn, .form = Form::summary}};
  return request;
}

struct Answers {
  Trace baseline, steered;
};

Result<Answers> run_both(const SteerConfig& config, const SteerPlan& plan, std::uint64_t seed, Runtime& runtime) {
  VB_TRY(TraceRequest request, to_request(config.prompt, to_sampling(config.sampling, seed)));
  VB_TRY(request.prompt_ids, runtime.tokenize(request));
  request.input_text.clear();
  request.apply_chat_template = false;
  const TraceRequest baseline = request_of(request, "baseline", {}),
                     steered = request_of(request, "steered", plan.interventions);
  VB_TRY(Trace before, runtime.trace(baseline));
  VB_TRY(Trace after, runtime.trace(steered));
  return Answers{std::move(before), std::move(after)};
}

const Json& member(const Json& json, std::string_view key) {
  static const Json kNull;
  const Json* found = json.find(key);
  return found ? *found : kNull;
}

/// Mean projection on the unit direction. For an offset the record holds that on the offset itself.
Json mean_projection(const Json& metadata, const Json& layer, std::string_view which) {
  const Json& mean = member(member(layer, which), "mean");
  if (!mean.is_number()) return {};
  const auto& norms = member(metadata, "norm_before").items();
  const bool offset =
      member(metadata, "mode").as_string() == "offset" ||
      (member(metadata, "mode").as_string() == "conditional" && member(metadata, "inner_mode").as_string() == "offset");
  return mean.as_double() / (offset && !norms.empty() ? norms.front().as_double() : 1.0);
}

/// The change of the mean projection that the formula asks for; null where it depends on each row.
Json requested_change(const Json& metadata, const Json& before) {
  const std::string& mode = member(metadata, "mode").as_string();
  const double alpha = member(metadata, "alpha").as_double();
  if (mode == "project" || mode == "subspace_project") return 0.0;
  if (mode == "offset" && !member(metadata, "norm_before").items().empty())
    return alpha * member(metadata, "norm_before").items().front().as_double();
  if (!before.is_number()) return {};
  if (mode == "subtract" || mode == "subspace_remove") return -alpha * before.as_double();
  if (mode == "add" || mode == "subspace_add") return alpha * before.as_double();
  return {};
}

Json effect_json(const Json& metadata, const Json& layer) {
  const Json before = mean_projection(metadata, layer, "projection_summary_before");
  const Json after = mean_projection(metadata, layer, "projection_summary_after");
  const bool both = before.is_number() && after.is_number();
  return Json::object({{"layer", member(layer, "layer_index")},
                       {"requested", requested_change(metadata, before)},
                       {"measured", both ? Json(after.as_double() - before.as_double()) : Json()},
                       {"projection_before", before},
                       {"projection_after", after},
                       {"delta_norm", member(member(layer, "delta_summary"), "mean")},
                       {"rows", member(layer, "rows_touched")},
                       {"prompt_rows", member(layer, "prompt_rows")},
                       {"decoded_rows", member(layer, "decoded_rows")},
                       {"gate_open_count", member(layer, "gate_open_count")},
                       {"effect", member(layer, "effect")},
                       {"no_op", member(layer, "no_op")}});
}

Json effects_of(const Trace& trace) {
  Json out = Json::array();
  for (const TraceArtifact* artifact : trace.artifacts_by_kind(ArtifactKind::intervention_result))
    for (const Json& layer : member(artifact->metadata, "layers").items())
      out.push_back(effect_json(artifact->metadata, layer));
  return out;
}

bool any_no_op(const Json& effects) {
  for (const Json& effect : effects.items())
    if (member(effect, "no_op").as_bool()) return true;
  return false;
}

std::string logits_digest(const Trace& trace) {
  for (const TraceArtifact& artifact : trace.artifacts())
    if (artifact.kind == ArtifactKind::logits) return artifact.digest;
  return {};
}

std::vector<std::string> notes_of(const SteerConfig& config, const SteerPlan& plan, const Answers& answers,
                                  const Runtime& runtime) {
  const bool offset = config.mode == "offset" || (config.mode == "conditional" && config.inner_mode == "offset");
  std::vector<std::string> notes =
      direction_notes(plan.file, plan.layers, plan.interventions.front().site, offset, runtime);
  if (config.alpha != 0)
    for (const Missing& missing : answers.steered.missing())
      if (missing.kind == ArtifactKind::intervention_result) notes.push_back(missing.reason);
  return notes;
}

Json answer_of(const SteerConfig& config, const SteerPlan& plan, const Answers& answers, const Json& effects,
               const std::vector<std::string>& notes) {
  const TraceRow baseline = read_trace_row(answers.baseline), steered = read_trace_row(answers.steered);
  const std::string before = logits_digest(answers.baseline), after = logits_digest(answers.steered);
  return Json::object({{"text", steered.has_text ? Json(steered.text) : Json()},
                       {"baseline_text", baseline.has_text ? Json(baseline.text) : Json()},
                       {"ids", Json(steered.output_ids)},
                       {"baseline_ids", Json(baseline.output_ids)},
                       {"finish_reason", steered.finish_reason},
                       {"mode", config.mode},
                       {"alpha", config.alpha},
                       {"layers", Json(plan.layers)},
                       {"site", plan.interventions.empty() ? Json() : Json(to_string(plan.interventions.front().site))},
                       {"positions", config.positions},
                       {"direction_digest", plan.file.digest},
                       {"effect", effects},
                       {"no_op", any_no_op(effects)},
                       {"logits_sha256", after},
                       {"baseline_logits_sha256", before},
                       {"same_bits", !before.empty() && before == after},
                       {"notes", Json(notes)}});
}

std::string number_or_dash(const Json& value) { return value.is_number() ? format("{:.5g}", value.as_double()) : "-"; }

std::string plain(const Json& answer) {
  std::string text = format("baseline  {}\nsteered   {}\n\nlayer   requested    measured  rows\n",
                            member(answer, "baseline_text").as_string(), member(answer, "text").as_string());
  for (const Json& effect : member(answer, "effect").items())
    text += format("{:>5}{:>12}{:>12}{:>6}{}\n",
                   member(effect, "layer").is_null() ? "-" : format("{}", member(effect, "layer").as_int()),
                   number_or_dash(member(effect, "requested")), number_or_dash(member(effect, "measured")),
                   member(effect, "rows").as_int(), member(effect, "no_op").as_bool() ? "  no effect" : "");
  for (const Json& note : member(answer, "notes").items()) text += format("note: {}\n", note.as_string());
  return text;
}

constexpr std::string_view kDescription =
    "Runs the prompt twice, without and with the edit, in prefill and in decoding, and reports what the edit "
    "really did: per layer the requested and the measured change of the mean projection on the direction. An edit "
    "that changed nothing at a layer that was asked for ends with exit code 1; alpha 0 asks for no change and "
    "leaves every bit as it is (`same_bits`). Nothing means (`no_op`): no row moved by more than 1e-6 of its own "
    "length, which is rounding.\n\n"
    "add and subtract scale the component that is there (h +/- alpha (h . d) d; subtract with alpha 1 removes "
    "it). offset adds a constant, alpha * norm * direction: alpha 1 is the measured difference between the two "
    "groups of prompts, alpha -1 its opposite. --random-seed does the same along a random direction of that "
    "length: an effect that it shows too is not the direction's. Where a mode projects, the direction is used with length 1.\n\n"
    "The same edit of an audited candidate is a TOML file with [[interventions]] and direction_file (`vauban man "
    "interventions`), given to `vauban audit --intervene`.";

Result<int> run_steer_command(const SteerCommandConfig& config, Session& session) {
  return run_steer(config.steer, session);
}

}  // namespace

Result<int> run_steer(const SteerConfig& config, Session& session) {
  VB_TRY(const SteerPlan plan, plan_of(config));
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session, {.max_batch = 1}));
  const Result<Answers> ran = run_both(config, plan, session.options().seed, *runtime);
  if (!ran) return explain_width(ran.error(), config.direction, plan.file);
  const Answers& answers = *ran;
  const Json effects = effects_of(answers.steered);
  const Json answer = answer_of(config, plan, answers, effects, notes_of(config, plan, answers, *runtime));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
  } else {
    session.out().text(plain(answer));
  }
  return config.alpha != 0 && any_no_op(effects) ? 1 : 0;
}

Command steer_command() {
  return make_command<SteerCommandConfig>(
      {"steer", "answer a prompt with an edit along a measured direction", kDescription}, run_steer_command);
}

}  // namespace vauban
