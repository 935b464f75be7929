/// vauban scan MODEL --direction F (--prompt T | --ids | --file F) --out DIR: where in a text, token by token, a
/// measured direction shows.

#include "app/command.h"
#include "app/commands/scan/flagging.h"
#include "app/commands/scan/scan_config.h"
#include "app/open.h"
#include "app/projection/projecting.h"
#include "base/json_file.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr double kDefaultZ = 3;

struct ScanCommandConfig {
  ScanConfig scan;
  CommonOptions common;
};

void fields(ScanCommandConfig& c, FieldVisitor& f) {
  fields(c.scan, f);
  fields(c.common, f);
}

/// A text as the model gets it: the ids that are run are the ids of these pieces.
struct ScannedText {
  ProjectionInput input;
  std::vector<std::string> pieces;  ///< beside input.ids; empty without a tokenizer
  std::vector<TokenSpan> offsets;   ///< beside input.ids; empty where ids were given
};

/// Nothing where nobody said what counts as high.
Result<std::optional<FlagRule>> rule_of(const ScanConfig& config) {
  if (config.threshold && config.z)
    return invalid_input("--threshold and --z are both given: which one flags a token?");
  if (config.z && !config.calibrate)
    return with_hint(invalid_input("--z needs --calibrate: without ordinary texts there is no z-score"),
                     "--threshold X flags by the projection itself");
  if (config.threshold) return std::optional(FlagRule{.threshold = *config.threshold});
  if (!config.calibrate) return std::optional<FlagRule>();
  return std::optional(FlagRule{.of = FlagRule::Of::z, .threshold = config.z.value_or(kDefaultZ)});
}

class Encoder {
 public:
  Encoder(const ScanConfig& config, const Session& session)
      : config_(config), render_(chat_renderer(config.model, session.context().clock)) {}

  const RenderChat& render() const { return render_; }

  /// The ids of a text, with pieces and offsets; a chat message is rendered first, and offsets count in what that
  /// gives.
  Result<ScannedText> encode(ProjectionInput input) {
    VB_CHECK(open());
    if (input.chat && !input.rendered) {
      const Json message = Json::object({{"role", "user"}, {"content", input.text}});
      VB_TRY(input.text, render_(Json::array({message})), "in '{}'", input.id);
      input.rendered = true;
    }
    VB_TRY(Encoding encoding, tokenizer_->encode(input.text, {.add_special = !input.rendered}), "in '{}'", input.id);
    if (encoding.ids.empty()) return invalid_input("'{}': its text gives no token at all", input.id);
    input.ids = std::move(encoding.ids);
    return ScannedText{std::move(input), std::move(encoding.pieces), std::move(encoding.offsets)};
  }

  /// Ids as they are; pieces where the model has a tokenizer.
  Result<ScannedText> take_ids(ProjectionInput input) {
    ScannedText out{std::move(input), {}, {}};
    if (const auto opened = open(); !opened) {
      if (opened.error().code != ErrorCode::unsupported) return opened.error();
      return out;
    }
    for (const std::int32_t id : out.input.ids) {
      VB_TRY(std::string piece, tokenizer_->piece(id), "in --ids");
      out.pieces.push_back(std::move(piece));
    }
    return out;
  }

 private:
  Result<void> open() {
    if (tokenizer_) return ok();
    VB_TRY(tokenizer_, open_tokenizer(config_.model));
    return ok();
  }

  const ScanConfig& config_;
  RenderChat render_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

struct ScannedFile {
  std::vector<ScannedText> texts;
  std::string sha256;
};

Result<ScannedFile> read_file_texts(const std::string& path, std::string_view set, bool chat, Encoder& encoder) {
  VB_TRY(const PromptFile file, read_prompt_lines(path, encoder.render()));
  ScannedFile out{.texts = {}, .sha256 = file.sha256};
  for (ProjectionInput& input : inputs_of(file.lines, set, chat)) {
    VB_TRY(ScannedText text, encoder.encode(std::move(input)), "in {}", path);
    out.texts.push_back(std::move(text));
  }
  return out;
}

Result<std::vector<ScannedText>> read_texts(const ScanConfig& config, Encoder& encoder) {
  const PromptOptions& prompt = config.prompt;
  if (prompt.prompt.has_value() + prompt.ids.has_value() + config.file.has_value() != 1)
    return invalid_input("expected exactly one of --prompt, --ids, --file");
  if (config.file) {
    VB_TRY(ScannedFile file, read_file_texts(*config.file, "prompt", prompt.chat, encoder));
    return std::move(file.texts);
  }
  VB_TRY(const TraceRequest request, to_request(prompt, {}));
  ProjectionInput input{.id = "prompt-0001",
                        .set = "prompt",
                        .text = request.input_text,
                        .ids = request.prompt_ids,
                        .chat = request.apply_chat_template};
  VB_TRY(ScannedText text, prompt.ids ? encoder.take_ids(std::move(input)) : encoder.encode(std::move(input)));
  return std::vector<ScannedText>{std::move(text)};
}

std::vector<ProjectionInput> inputs_in(const std::vector<ScannedText>& texts) {
  std::vector<ProjectionInput> out;
  for (const ScannedText& text : texts) out.push_back(text.input);
  return out;
}

/// One scan, ready to be written down.
struct Scan {
  ProjectionPlan plan;
  std::optional<FlagRule> rule;
  std::optional<Calibration> calibration;
  std::string calibration_sha256;
  std::vector<ScannedText> texts;
  std::vector<ProjectedPrompt> rows;  ///< beside texts, of one layer each
  std::vector<std::string> notes;
};

Result<void> run_calibration(const ScanConfig& config, Scan& scan, Encoder& encoder, Runtime& runtime,
                             TraceFolder& folder, const Session& session) {
  VB_TRY(ScannedFile file, read_file_texts(*config.calibrate, "calibration", config.prompt.chat, encoder));
  VB_TRY(const auto prompts, project_prompts(scan.plan, inputs_in(file.texts), "calibrate", runtime, folder, session));
  std::vector<double> values;
  for (const ProjectedPrompt& prompt : prompts)
    values.insert(values.end(), prompt.layers[0].projections.begin(), prompt.layers[0].projections.end());
  VB_TRY(scan.calibration, calibrate(values, prompts.size()));
  scan.calibration_sha256 = std::move(file.sha256);
  return ok();
}

/// The values of a text in the unit of the rule.
std::vector<double> values_of(const Scan& scan, const ProjectedRows& rows) {
  std::vector<double> out(rows.projections.begin(), rows.projections.end());
  if (scan.rule && scan.rule->of == FlagRule::Of::z)
    for (double& value : out) value = scan.calibration->z(value);
  return out;
}

Json token_json(const Scan& scan, const ScannedText& text, const ProjectedRows& rows, std::size_t row, double value) {
  const auto at = static_cast<std::size_t>(rows.positions[row]);
  const auto projection = static_cast<double>(rows.projections[row]);
  Json out = Json::object({{"position", rows.positions[row]},
                           {"id", text.input.ids[at]},
                           {"piece", text.pieces.empty() ? Json() : Json(text.pieces[at])},
                           {"offset", Json()},
                           {"projection", rows.projections[row]},
                           {"cosine", cosine_of(rows.projections[row], rows.norms[row])},
                           {"z", scan.calibration ? Json(scan.calibration->z(projection)) : Json()},
                           {"flagged", scan.rule ? Json(value > scan.rule->threshold) : Json()}});
  if (!text.offsets.empty()) out["offset"] = Json::array({text.offsets[at].begin, text.offsets[at].end});
  return out;
}

Json run_json(const ScannedText& text, const ProjectedRows& rows, const FlaggedRun& run) {
  const std::int64_t first = rows.positions[run.first], last = rows.positions[run.last];
  Json out = Json::object(
      {{"first", first}, {"last", last}, {"offset", Json()}, {"text", Json()}, {"peak", run.peak}, {"mean", run.mean}});
  if (text.offsets.empty()) return out;
  const std::size_t begin = text.offsets[static_cast<std::size_t>(first)].begin,
                    end = std::max(begin, text.offsets[static_cast<std::size_t>(last)].end);
  out["offset"] = Json::array({begin, end});
  const std::string_view covered = std::string_view(text.input.text).substr(begin, end - begin);
  if (is_valid_utf8(covered)) out["text"] = covered;  // a token may end inside a character
  return out;
}

Json text_json(const Scan& scan, std::size_t index) {
  const ScannedText& text = scan.texts[index];
  const ProjectedRows& rows = scan.rows[index].layers[0];
  const std::vector<double> values = values_of(scan, rows);
  Json tokens = Json::array(), runs = Json::array();
  std::size_t flagged = 0;
  for (std::size_t row = 0; row < values.size(); ++row) {
    tokens.push_back(token_json(scan, text, rows, row, values[row]));
    flagged += scan.rule && values[row] > scan.rule->threshold;
  }
  if (scan.rule)
    for (const FlaggedRun& run : flagged_runs(values, rows.positions, scan.rule->threshold))
      runs.push_back(run_json(text, rows, run));
  const std::vector<double> projections(rows.projections.begin(), rows.projections.end());
  return Json::object({{"prompt_id", text.input.id},
                       {"trace_id", text.input.id},
                       {"text", text.input.text.empty() ? Json() : Json(text.input.text)},
                       {"tokens", std::move(tokens)},
                       {"projection", spread_json(projections)},
                       {"flagged_tokens", scan.rule ? Json(flagged) : Json()},
                       {"runs", scan.rule ? std::move(runs) : Json()}});
}

Json calibration_json(const ScanConfig& config, const Scan& scan) {
  if (!scan.calibration) return {};
  return Json::object({{"file", *config.calibrate},
                       {"sha256", scan.calibration_sha256},
                       {"prompts", scan.calibration->prompts},
                       {"tokens", scan.calibration->tokens},
                       {"mean", scan.calibration->mean},
                       {"std", scan.calibration->std}});
}

Json answer_of(const ScanConfig& config, const Scan& scan, const Runtime& runtime) {
  Json prompts = Json::array();
  for (std::size_t i = 0; i < scan.texts.size(); ++i) prompts.push_back(text_json(scan, i));
  return Json::object({{"prompts", std::move(prompts)},
                       {"layer", scan.plan.layers.front()},
                       {"site", to_string(scan.plan.site())},
                       {"positions", config.positions},
                       {"threshold", scan.rule ? Json(scan.rule->threshold) : Json()},
                       {"threshold_of", scan.rule ? Json(scan.rule->unit()) : Json()},
                       {"calibration", calibration_json(config, scan)},
                       {"model_digest", runtime.model().digest},
                       {"direction", config.direction},
                       {"direction_digest", scan.plan.file.digest},
                       {"traces", "traces.jsonl"},
                       {"out", config.out},
                       {"notes", Json(scan.notes)}});
}

std::string token_line(const Json& token) {
  const Json &offset = *token.find("offset"), &z = *token.find("z"), &piece = *token.find("piece"),
             &flagged = *token.find("flagged");
  const std::string bytes =
      offset.is_array() ? format("{}-{}", offset.items()[0].as_int(), offset.items()[1].as_int()) : "-";
  return format(
      "{:>6}{:>8}  {:>11}{:>13.4g}{:>9}  {} {}\n", token.find("position")->as_int(), token.find("id")->as_int(), bytes,
      token.find("projection")->as_double(), z.is_number() ? format("{:.2f}", z.as_double()) : "-",
      flagged.is_bool() && flagged.as_bool() ? "*" : " ", piece.is_string() ? printable(piece.as_string(), 40) : "");
}

std::string run_line(const Json& run) {
  const Json& text = *run.find("text");
  return format("flagged {}-{}  peak {:.4g}  {}\n", run.find("first")->as_int(), run.find("last")->as_int(),
                run.find("peak")->as_double(), text.is_string() ? printable(text.as_string(), 80) : "");
}

std::string plain(const Json& answer) {
  std::string text;
  for (const Json& prompt : answer.find("prompts")->items()) {
    text += format("{}  layer {}\n   pos      id        bytes   projection        z    piece\n",
                   prompt.find("prompt_id")->as_string(), answer.find("layer")->as_int());
    for (const Json& token : prompt.find("tokens")->items()) text += token_line(token);
    if (prompt.find("runs")->is_array())
      for (const Json& run : prompt.find("runs")->items()) text += run_line(run);
  }
  for (const Json& note : answer.find("notes")->items()) text += format("note: {}\n", note.as_string());
  return text + format("traces: {}/traces.jsonl\n", answer.find("out")->as_string());
}

Result<ProjectionPlan> plan_of(const ScanConfig& config) {
  VB_TRY(ProjectionPlan plan, plan_projections({.direction = config.direction,
                                                .layers = config.layer,
                                                .positions = config.positions,
                                                .site = config.site,
                                                .direction_sha256 = config.direction_sha256,
                                                .layers_flag = "--layer"}));
  if (plan.layers.size() == 1) return plan;
  return with_hint(invalid_input("--layer {}: a scan looks at one layer, found {}", config.layer, plan.layers.size()),
                   "`vauban probe` compares layers");
}

Result<int> run_scan_command(const ScanCommandConfig& config, Session& session) {
  return run_scan(config.scan, session);
}

constexpr std::string_view kDescription =
    "Runs each text once and reports for every token the projection h . d of its row on the direction of one layer, "
    "with "
    "the token's id, its piece and its bytes [begin, end) in the text (for --chat: in the rendered text, which the "
    "answer "
    "holds). A row depends on all tokens before it: a high value says where the direction shows, not which word put it "
    "there.\n\n"
    "--threshold flags tokens by the projection. --calibrate runs ordinary texts first and turns projections into "
    "z-scores with the mean and deviation over all their tokens; tokens above --z (3) are then flagged. Neighbouring "
    "flagged tokens are given as one run. Without either nothing is flagged, and the answer says so. The first token "
    "(BOS) of many models has rows unlike all others: --positions 1-9999 leaves it out.\n\n"
    "The traces are lines of DIR/traces.jsonl, the values payloads in DIR/artifacts, and the answer itself is "
    "DIR/scan.json.";

}  // namespace

Result<int> run_scan(const ScanConfig& config, Session& session) {
  VB_CHECK(check_out_folder(config.out, kScanFolder));
  Scan scan;
  VB_TRY(scan.rule, rule_of(config));
  VB_TRY(scan.plan, plan_of(config));
  Encoder encoder(config, session);
  VB_TRY(scan.texts, read_texts(config, encoder));
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session));
  scan.notes = plan_notes(scan.plan, *runtime);
  if (!scan.rule) scan.notes.emplace_back("nothing is flagged: neither --threshold nor --calibrate says what is high");
  VB_TRY(const std::unique_ptr<TraceFolder> folder, TraceFolder::open(config.out, kScanFolder));
  if (config.calibrate) {
    VB_CHECK(run_calibration(config, scan, encoder, *runtime, *folder, session));
  }
  VB_TRY(scan.rows, project_prompts(scan.plan, inputs_in(scan.texts), "scan", *runtime, *folder, session));
  VB_CHECK(folder->close());
  const Json answer = answer_of(config, scan, *runtime);
  VB_CHECK(write_json_file(std::filesystem::path(config.out) / "scan.json", answer));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
  } else {
    session.out().text(plain(answer));
  }
  return 0;
}

Command scan_command() {
  return make_command<ScanCommandConfig>(
      {"scan", "find where in a text a measured direction shows, token by token", kDescription}, run_scan_command);
}

}  // namespace vauban
