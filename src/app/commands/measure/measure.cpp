/// vauban measure MODEL --positive F --negative F --out F: directions that separate two groups of prompts.

#include <set>

#include "app/command.h"
#include "app/commands/measure/gather.h"
#include "app/commands/measure/measure_config.h"
#include "app/open.h"
#include "app/out_folder.h"
#include "app/own_input.h"
#include "app/version.h"
#include "format/direction.h"

namespace vauban {
namespace {

struct MeasureCommandConfig {
  MeasureConfig measure;
  CommonOptions common;
};

void fields(MeasureCommandConfig& c, FieldVisitor& f) {
  fields(c.measure, f);
  fields(c.common, f);
}

struct Measured {
  DirectionReport report;
  DirectionFile file;
};

Result<GatherOptions> gather_options(const MeasureConfig& config) {
  GatherOptions options{.max_tokens = config.max_tokens, .chat = config.chat};
  VB_TRY(options.site, site_from(config.site));
  VB_TRY(options.positions, positions_from(config.positions));
  if (options.positions.kind == Positions::Kind::decode && config.max_tokens == 0)
    return invalid_input("--positions decode needs --max-tokens: without new tokens there is no such row");
  if (is_control_vector(config.out) && options.site != Site::resid_post)
    return with_hint(
        invalid_input("a control vector is added to the output of a layer: --site must be resid_post, found {}",
                      config.site),
        "write a .safetensors file");
  return options;
}

Result<void> check_enough(const std::vector<PromptLine>& lines, const std::string& path) {
  if (static_cast<std::int64_t>(lines.size()) >= kFewestPrompts) return ok();
  return with_hint(invalid_input("{}: expected at least {} prompts, found {}", path, kFewestPrompts, lines.size()),
                   "half of them fit the direction and half score it; some dozens of each give a useful score");
}

Result<Groups> read_groups(const MeasureConfig& config, const Session& session) {
  const RenderChat render = chat_renderer(config.model, session.context().clock);
  Groups groups;
  VB_TRY(PromptFile positive, read_prompt_lines(config.positive, render));
  VB_TRY(PromptFile negative, read_prompt_lines(config.negative, render));
  groups = {.positive = std::move(positive.lines), .negative = std::move(negative.lines),
            .positive_sha256 = std::move(positive.sha256), .negative_sha256 = std::move(negative.sha256)};
  VB_CHECK(check_enough(groups.positive, config.positive));
  VB_CHECK(check_enough(groups.negative, config.negative));
  return groups;
}

/// Prompts that occur twice may stand in both halves.
void note_repeats(const Groups& groups, std::vector<std::string>& notes) {
  std::set<std::string_view> positive, negative;
  for (const PromptLine& line : groups.positive) positive.insert(line.text);
  for (const PromptLine& line : groups.negative) negative.insert(line.text);
  const std::size_t repeated = groups.positive.size() + groups.negative.size() - positive.size() - negative.size();
  if (repeated > 0)
    notes.push_back(format("{} prompts repeat an earlier one: held-out scores may be too good", repeated));
  std::size_t shared = 0;
  for (const std::string_view text : positive) shared += negative.contains(text);
  if (shared > 0) notes.push_back(format("{} prompts stand in both groups", shared));
}

Result<std::vector<LayerActivations>> run_prompts(const MeasureConfig& config, const Groups& groups, Runtime& runtime,
                                                  Session& session) {
  VB_TRY(const GatherOptions options, gather_options(config));
  const Context& context = session.context();
  const std::size_t total = groups.positive.size() + groups.negative.size();
  VB_TRY(auto layers, gather_activations(runtime, groups, options, [&](std::size_t done) {
           context.progress.update("measure", done, total, "prompts");
           return context.cancel.check();
         }));
  context.progress.finish("measure");
  return layers;
}

Json band_json(const ControlBand& band) {
  return Json::object({{"mean", band.mean}, {"low", band.low}, {"high", band.high}});
}

Json layer_json(const MeasuredDirection& measured) {
  const DirectionScore& score = measured.score;
  return Json::object({{"layer", measured.layer},
                       {"auroc", score.auroc},
                       {"cohens_d", score.cohens_d ? Json(*score.cohens_d) : Json()},
                       {"auroc_random", band_json(score.random.auroc)},
                       {"auroc_shuffled", band_json(score.shuffled.auroc)},
                       {"cohens_d_random", band_json(score.random.cohens_d)},
                       {"cohens_d_shuffled", band_json(score.shuffled.cohens_d)},
                       {"beats_random", score.beats_random()},
                       {"beats_shuffled", score.beats_shuffled()},
                       {"stability", score.stability},
                       {"stability_low", score.stability_low},
                       {"norm", measured.fit.norm},
                       {"n_train", score.n_train},
                       {"n_heldout", score.n_heldout}});
}

Json layers_json(const DirectionReport& report) {
  Json out = Json::array();
  for (const MeasuredDirection& measured : report.layers) out.push_back(layer_json(measured));
  return out;
}

std::vector<float> as_f32(const std::vector<double>& values) { return {values.begin(), values.end()}; }

LayerDirection saved(const MeasuredDirection& measured, bool with_basis) {
  return {.layer = measured.layer,
          .direction = as_f32(measured.fit.unit),
          .norm = static_cast<float>(measured.fit.norm),
          .mean_positive = as_f32(measured.fit.mean_positive),
          .mean_negative = as_f32(measured.fit.mean_negative),
          .basis = with_basis ? as_f32(measured.fit.basis) : std::vector<float>()};
}

/// What somebody needs to trust or repeat the measurement. No clock and no path: equal inputs give equal files.
Result<std::map<std::string, std::string>> provenance(const MeasureConfig& config, const Groups& groups,
                                                      const Runtime& runtime, const DirectionReport& report,
                                                      std::uint64_t seed) {
  VB_TRY(const std::string scores, layers_json(report).dump());
  const ModelIdentity& model = runtime.model();
  return std::map<std::string, std::string>{{"format", "vauban.direction.1"},
                                            {"model_digest", model.digest},
                                            {"model_name", model.name},
                                            {"architecture", model.architecture},
                                            {"numerics", std::string(to_string(runtime.numerics()))},
                                            {"backend", runtime.capabilities().name},
                                            {"site", config.site},
                                            {"layers_count_from", "0"},
                                            {"positions", config.positions},
                                            {"method", config.method},
                                            {"chat", config.chat ? "true" : "false"},
                                            {"max_tokens", format("{}", config.max_tokens)},
                                            {"positive_sha256", groups.positive_sha256},
                                            {"negative_sha256", groups.negative_sha256},
                                            {"n_positive", format("{}", groups.positive.size())},
                                            {"n_negative", format("{}", groups.negative.size())},
                                            {"seed", format("{}", seed)},
                                            {"scores", scores},
                                            {"tool", format("vauban {}", version())}};
}

void fit_control_vector(Measured& measured) {
  DirectionFile& file = measured.file;
  if (!file.find(0)) return;
  file.layers.erase(file.layers.begin());
  measured.report.notes.emplace_back("layer 0 has no place in a control vector and is left out of the file");
  if (file.chosen == 0) file.chosen.reset();
}

Result<Measured> measure(const MeasureConfig& config, Session& session, Runtime& runtime) {
  VB_TRY(const Groups groups, read_groups(config, session));
  VB_TRY(const std::vector<LayerActivations> layers, run_prompts(config, groups, runtime, session));
  DirectionOptions options{.components = config.components,
                           .controls = config.controls,
                           .bootstraps = config.bootstraps,
                           .seed = session.options().seed};
  VB_TRY(options.method, direction_method_from(config.method));
  Measured out;
  VB_TRY(out.report, measure_directions(layers, options));
  note_repeats(groups, out.report.notes);
  for (const MeasuredDirection& measured : out.report.layers)
    out.file.layers.push_back(saved(measured, options.method == DirectionMethod::pca));
  out.file.chosen = out.report.layers[out.report.chosen].layer;
  VB_TRY(out.file.provenance, provenance(config, groups, runtime, out.report, session.options().seed));
  if (is_control_vector(config.out)) fit_control_vector(out);
  VB_TRY(out.file.digest, write_directions(config.out, out.file));
  return out;
}

Json answer_of(const MeasureConfig& config, const Measured& measured, const Runtime& runtime) {
  const DirectionReport& report = measured.report;
  return Json::object({{"layers", layers_json(report)},
                       {"chosen", report.layers[report.chosen].layer},
                       {"site", config.site},
                       {"positions", config.positions},
                       {"method", config.method},
                       {"controls", config.controls},
                       {"model_digest", runtime.model().digest},
                       {"out", config.out},
                       {"digest", measured.file.digest},
                       {"notes", Json(report.notes)}});
}

std::string plain(const MeasureConfig& config, const Measured& measured) {
  const DirectionReport& report = measured.report;
  std::string text = "layer   AUROC  random up to  shuffled up to  Cohen's d  stability        norm\n";
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const DirectionScore& score = report.layers[i].score;
    text += format("{:>5}{:>8.3f}{:>14.3f}{:>16.3f}{:>11}{:>11.3f}{:>12.4g}{}\n", report.layers[i].layer, score.auroc,
                   score.random.auroc.high, score.shuffled.auroc.high,
                   score.cohens_d ? format("{:.2f}", *score.cohens_d) : "-", score.stability, report.layers[i].fit.norm,
                   i == report.chosen ? "  chosen" : "");
  }
  for (const std::string& note : report.notes) text += format("note: {}\n", note);
  return text + format("{}  sha256 {}\n", config.out, measured.file.digest);
}

constexpr std::string_view kDescription =
    "Each prompt gives one vector per layer: the mean of its activations at the chosen positions. Half of the "
    "prompts fit a direction (mean of the positive ones - mean of the negative ones, or the principal direction "
    "of their differences), the other half scores it: AUROC, and Cohen's d. Beside them stand what random "
    "directions and the same fit on shuffled labels reach (95 % of the draws lie between low and high), and the "
    "mean cosine between the directions of resampled prompts.\n\n"
    "The layer with the highest AUROC is chosen, then by |d|. Its score is the best of as many as there are "
    "layers, so it flatters a little: judge a direction by what `vauban steer` or an audit shows, on other "
    "prompts.\n\n"
    "The file holds direction.<layer> (unit length), norm.<layer> (length of the difference), the two means, and "
    "where all of it came from. `vauban steer` and [[interventions]] with direction_file read it. A .gguf file is "
    "a control vector for llama.cpp: direction.N = norm * direction, added to the output of layer N counted from "
    "0; layer 0 has no place there.";

Result<int> run_measure_command(const MeasureCommandConfig& config, Session& session) {
  return run_measure(config.measure, session);
}

}  // namespace

Result<int> run_measure(const MeasureConfig& config, Session& session) {
  VB_CHECK(gather_options(config));
  VB_CHECK(check_direction_path(config.out), "in --out");
  VB_CHECK(refuse_own_input(config.out, {config.model, config.positive, config.negative}), "in --out");
  VB_CHECK(check_out_file(config.out), "in --out");
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session));
  VB_TRY(const Measured measured, measure(config, session, *runtime));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer_of(config, measured, *runtime)));
  } else {
    session.out().text(plain(config, measured));
  }
  return 0;
}

Command measure_command() {
  return make_command<MeasureCommandConfig>(
      {"measure", "measure the direction that separates two groups of prompts", kDescription}, run_measure_command);
}

}  // namespace vauban
