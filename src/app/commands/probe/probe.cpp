/// vauban probe MODEL --direction F (--prompt T | --ids | --file F | --positive F --negative F) --out DIR: how far
/// prompts lie along measured directions, layer by layer.

#include <map>

#include "app/command.h"
#include "app/commands/probe/probe_config.h"
#include "app/open.h"
#include "app/projection/projecting.h"
#include "base/json_file.h"
#include "base/strings.h"
#include "evidence/directions/separation.h"
#include "evidence/directions/separation_interval.h"

namespace vauban {
namespace {

struct ProbeCommandConfig {
  ProbeConfig probe;
  CommonOptions common;
};

void fields(ProbeCommandConfig& c, FieldVisitor& f) {
  fields(c.probe, f);
  fields(c.common, f);
}

constexpr std::size_t kFewestLabelled = 2;  // of a group, for a standard deviation

struct Probed {
  std::vector<ProjectionInput> inputs;
  std::map<std::string, std::string, std::less<>> sha256;  ///< of the file of each set
  std::vector<ProjectedPrompt> prompts;  ///< beside inputs
  std::vector<std::string> notes;
};

Result<void> append_file(const std::optional<std::string>& path, std::string_view set, const ProbeConfig& config,
                         const RenderChat& render, Probed& out) {
  if (!path) return ok();
  VB_TRY(const PromptFile file, read_prompt_lines(*path, render));
  const std::vector<PromptLine>& lines = file.lines;
  if (set != "prompt" && lines.size() < kFewestLabelled)
    return invalid_input("{}: expected at least {} prompts to score a direction, found {}", *path, kFewestLabelled,
                         lines.size());
  out.sha256[std::string(set)] = file.sha256;
  std::ranges::move(inputs_of(lines, set, config.prompt.chat), std::back_inserter(out.inputs));
  return ok();
}

Result<Probed> read_inputs(const ProbeConfig& config, const Session& session) {
  if (config.positive.has_value() != config.negative.has_value())
    return invalid_input("--positive and --negative go together, found one of them");
  const int given = config.prompt.prompt.has_value() + config.prompt.ids.has_value() + config.file.has_value();
  // Beside labelled sets an unlabelled prompt would enter the mean of every layer, but not its score.
  if (given + config.positive.has_value() != 1)
    return with_hint(invalid_input("expected exactly one of --prompt, --ids, --file, or --positive with --negative, found {}",
                                   given + config.positive.has_value()),
                     "probe unlabelled and labelled prompts one after the other, into two folders");
  Probed out;
  if (config.prompt.prompt || config.prompt.ids) {
    VB_TRY(const TraceRequest request, to_request(config.prompt, {}));
    out.inputs.push_back({.id = "prompt-0001",
                          .set = "prompt",
                          .text = request.input_text,
                          .ids = request.prompt_ids,
                          .chat = request.apply_chat_template});
  }
  const RenderChat render = chat_renderer(config.model, session.context().clock);
  VB_CHECK(append_file(config.file, "prompt", config, render, out));
  VB_CHECK(append_file(config.positive, "positive", config, render, out));
  VB_CHECK(append_file(config.negative, "negative", config, render, out));
  return out;
}

/// A direction looks better on the prompts that it was fitted to.
void note_fitted_sets(const ProbeConfig& config, const ProjectionPlan& plan, Probed& probed) {
  const auto& provenance = plan.file.provenance;
  for (const auto& [set, path] : {std::pair("positive", config.positive), {"negative", config.negative}}) {
    const auto fitted = provenance.find(format("{}_sha256", set));
    if (!path || fitted == provenance.end() || fitted->second != probed.sha256.find(set)->second) continue;
    probed.notes.push_back(format("{} is the file that the direction was fitted to: its scores are not held out", *path));
  }
}

std::vector<double> projections_of(const Probed& probed, std::size_t layer, std::string_view set) {
  std::vector<double> out;
  for (std::size_t i = 0; i < probed.inputs.size(); ++i)
    if (set.empty() || probed.inputs[i].set == set) out.push_back(probed.prompts[i].layers[layer].mean_projection());
  return out;
}

std::vector<double> cosines_of(const Probed& probed, std::size_t layer) {
  std::vector<double> out;
  for (const ProjectedPrompt& prompt : probed.prompts) out.push_back(prompt.layers[layer].mean_cosine());
  return out;
}

Json bounds_json(const std::optional<Bounds>& bounds) {
  return bounds ? Json::array({bounds->low, bounds->high}) : Json();
}

Json separation_json(const Probed& probed, std::size_t layer, const BootstrapOptions& options) {
  const std::vector<double> positive = projections_of(probed, layer, "positive"),
                            negative = projections_of(probed, layer, "negative");
  const SeparationIntervals intervals = bootstrap_separation(positive, negative, options);
  const std::optional<double> effect = cohens_d(positive, negative);
  return Json::object({{"auroc", auroc(positive, negative)},
                       {"auroc_ci", bounds_json(intervals.auroc)},
                       {"cohens_d", effect ? Json(*effect) : Json()},
                       {"cohens_d_ci", bounds_json(intervals.cohens_d)},
                       {"n_positive", positive.size()},
                       {"n_negative", negative.size()},
                       {"positive", spread_json(positive)},
                       {"negative", spread_json(negative)}});
}

Json layers_json(const ProbeConfig& config, const ProjectionPlan& plan, const Probed& probed, std::uint64_t seed) {
  Json out = Json::array();
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    Json layer = Json::object({{"layer", plan.layers[i]},
                               {"projection", spread_json(projections_of(probed, i, ""))},
                               {"cosine", spread_json(cosines_of(probed, i))}});
    if (config.positive) {
      const BootstrapOptions options{
          .draws = config.bootstraps, .seed = seed, .stream = static_cast<std::uint64_t>(plan.layers[i])};
      const Json scored = separation_json(probed, i, options);
      for (const auto& [key, value] : scored.entries()) layer[key] = value;
    }
    out.push_back(std::move(layer));
  }
  return out;
}

Json prompt_json(const ProjectionInput& input, const ProjectedPrompt& prompt) {
  Json layers = Json::array();
  for (const ProjectedRows& rows : prompt.layers) {
    double norms = 0;
    for (const float norm : rows.norms) norms += static_cast<double>(norm);
    layers.push_back(Json::object({{"layer", rows.layer},
                                   {"projection", rows.mean_projection()},
                                   {"cosine", rows.mean_cosine()},
                                   {"norm", norms / static_cast<double>(rows.norms.size())},
                                   {"rows", rows.positions.size()}}));
  }
  return Json::object({{"prompt_id", input.id},
                       {"trace_id", input.id},
                       {"set", input.set},
                       {"tokens", prompt.ids.size()},
                       {"layers", std::move(layers)}});
}

/// The layer with the highest AUROC, then the largest |d|; null without labelled sets.
Json best_layer(const Json& layers) {
  const auto magnitude = [](const Json& layer) {
    const Json* effect = layer.find("cohens_d");
    return effect && effect->is_number() ? std::abs(effect->as_double()) : 0.0;
  };
  const Json* best = nullptr;
  for (const Json& layer : layers.items()) {
    if (!layer.find("auroc")) return {};
    const double area = layer.find("auroc")->as_double(), found = best ? best->find("auroc")->as_double() : -1;
    if (area > found || (area == found && magnitude(layer) > magnitude(*best))) best = &layer;
  }
  return best ? *best->find("layer") : Json();
}

Json answer_of(const ProbeConfig& config, const ProjectionPlan& plan, const Probed& probed, const Runtime& runtime,
               std::uint64_t seed) {
  Json prompts = Json::array();
  for (std::size_t i = 0; i < probed.inputs.size(); ++i)
    prompts.push_back(prompt_json(probed.inputs[i], probed.prompts[i]));
  Json layers = layers_json(config, plan, probed, seed);
  Json best = best_layer(layers);
  return Json::object({{"layers", std::move(layers)},
                       {"best", std::move(best)},
                       {"prompts", std::move(prompts)},
                       {"site", to_string(plan.site())},
                       {"positions", config.positions},
                       {"model_digest", runtime.model().digest},
                       {"direction", config.direction},
                       {"direction_digest", plan.file.digest},
                       {"traces", "traces.jsonl"},
                       {"out", config.out},
                       {"notes", Json(probed.notes)}});
}

std::string bounds_text(const Json& bounds) {
  if (!bounds.is_array()) return "no interval";
  return format("{:.3f} to {:.3f}", bounds.items()[0].as_double(), bounds.items()[1].as_double());
}

std::string scores_text(const Json& layer) {
  if (!layer.find("auroc")) return "";
  const Json& effect = *layer.find("cohens_d");
  return format("  AUROC {:.3f} ({})  d {} ({})", layer.find("auroc")->as_double(),
                bounds_text(*layer.find("auroc_ci")), effect.is_number() ? format("{:.2f}", effect.as_double()) : "-",
                bounds_text(*layer.find("cohens_d_ci")));
}

std::string plain(const Json& answer) {
  std::string text = format("{} prompts, projections on {}\nlayer    mean proj     min         max         mean cos\n",
                            answer.find("prompts")->size(), answer.find("direction")->as_string());
  for (const Json& layer : answer.find("layers")->items()) {
    const Json& projection = *layer.find("projection");
    text += format("{:>5}{:>12.4g}{:>12.4g}{:>12.4g}{:>12.4f}{}{}\n", layer.find("layer")->as_int(),
                   projection.find("mean")->as_double(), projection.find("min")->as_double(),
                   projection.find("max")->as_double(), layer.find("cosine")->find("mean")->as_double(),
                   scores_text(layer), *answer.find("best") == *layer.find("layer") ? "  best" : "");
  }
  for (const Json& note : answer.find("notes")->items()) text += format("note: {}\n", note.as_string());
  return text + format("traces: {}/traces.jsonl\n", answer.find("out")->as_string());
}

Result<int> run_probe_command(const ProbeCommandConfig& config, Session& session) {
  return run_probe(config.probe, session);
}

constexpr std::string_view kDescription =
    "Runs each prompt once and reports, per layer, its projection h . d on the unit direction of that layer and the "
    "cosine (h . d) / |h|, averaged over the chosen token rows. Nothing is edited.\n\n"
    "Prompts are either unlabelled (--prompt, --ids or --file) or labelled (--positive and --negative).\n\n"
    "With --positive and --negative the projections are scored as a classifier: AUROC and Cohen's d with 95 % "
    "intervals "
    "(percentile bootstrap over prompts). An interval is left out where every resample gives the same value. Use "
    "prompts "
    "that the direction was not fitted to; a file that it was fitted to is named in a note.\n\n"
    "The traces of all prompts are lines of DIR/traces.jsonl; the values of each row are payloads in DIR/artifacts "
    "(activation_projection and activation_norm, per layer), and the answer itself is DIR/probe.json.";

}  // namespace

Result<int> run_probe(const ProbeConfig& config, Session& session) {
  VB_CHECK(check_out_folder(config.out, kProbeFolder));
  VB_TRY(Probed probed, read_inputs(config, session));
  VB_TRY(const ProjectionPlan plan, plan_projections({.direction = config.direction,
                                                      .layers = config.layers,
                                                      .positions = config.positions,
                                                      .site = config.site,
                                                      .direction_sha256 = config.direction_sha256}));
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session));
  probed.notes = plan_notes(plan, *runtime);
  note_fitted_sets(config, plan, probed);
  VB_TRY(const std::unique_ptr<TraceFolder> folder, TraceFolder::open(config.out, kProbeFolder));
  VB_TRY(probed.prompts, project_prompts(plan, probed.inputs, "probe", *runtime, *folder, session));
  VB_CHECK(folder->close());
  const Json answer = answer_of(config, plan, probed, *runtime, session.options().seed);
  VB_CHECK(write_json_file(std::filesystem::path(config.out) / "probe.json", answer));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
  } else {
    session.out().text(plain(answer));
  }
  return 0;
}

Command probe_command() {
  return make_command<ProbeCommandConfig>(
      {"probe", "project prompts on measured directions, layer by layer", kDescription}, run_probe_command);
}

}  // namespace vauban
