/// vauban tokenize MODEL (--text T | --file F | --jsonl F): text -> ids, pieces, byte offsets; pairs of texts, windows, padding.

#include <algorithm>
#include <span>

#include "app/command.h"
#include "app/open.h"
#include "base/files.h"
#include "base/strings.h"
#include "text/inputs/encode_inputs.h"

namespace vauban {
namespace {

struct TokenizeConfig {
  std::string model;
  std::optional<std::string> text, file, jsonl, pair;
  bool special = true, truncation = false, padding = false;
  CommonOptions common;
};

void fields(TokenizeConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder, .gguf, or a bare tokenizer file", .required = true, .positional = true, .file = true});
  f("text", c.text, {.help = "the text"});
  f("file", c.file, {.help = "read the text from a file", .file = true});
  f("jsonl", c.jsonl, {.help = "lines of {\"text\": ...}, with \"pair\" for a second text; one JSON line each", .file = true});
  f("pair", c.pair, {.help = "a second text, framed with the first as the tokenizer says"});
  f("special", c.special, {.help = "add and recognise special tokens"});
  f("truncation", c.truncation, {.help = "cut as the section truncation of tokenizer.json says"});
  f("padding", c.padding, {.help = "fill up as its section padding says; the lines of --jsonl are one batch"});
  fields(c.common, f);
}

Json to_json(const Encoding& encoding) {
  Json offsets = Json::array();
  for (const TokenSpan& span : encoding.offsets) offsets.push_back(Json::array({span.begin, span.end}));
  return Json::object({{"ids", Json(encoding.ids)}, {"pieces", Json(encoding.pieces)}, {"offsets", std::move(offsets)}});
}

Json to_json(const ModelInput& input) {
  Json out = to_json(input.tokens), sequences = Json::array(), attended = Json::array(), special = Json::array();
  for (std::size_t i = 0; i < input.sequences.size(); ++i) {
    const bool beside = input.sequences[i] < 0;
    sequences.push_back(beside ? Json() : Json(static_cast<std::int64_t>(input.sequences[i])));
    attended.push_back(input.attended[i] ? 1 : 0);
    special.push_back(beside ? 1 : 0);
  }
  out["type_ids"] = Json(input.type_ids);
  out["sequence_ids"] = std::move(sequences);
  out["attention_mask"] = std::move(attended);
  out["special_tokens_mask"] = std::move(special);
  return out;
}

Json to_json(const EncodedInput& encoded) {
  Json out = to_json(encoded.input), windows = Json::array();
  for (const ModelInput& window : encoded.overflowing) windows.push_back(to_json(window));
  out["overflowing"] = std::move(windows);
  return out;
}

/// In portions: a text of megabytes would otherwise stand in memory many times over.
void print_plain(const Encoding& encoding, Session& session) {
  constexpr std::size_t kPortion = 1 << 20;
  std::string out;
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    out += format("{:>8}  {:>6}-{:<6}  {}\n", encoding.ids[i], encoding.offsets[i].begin, encoding.offsets[i].end,
                  encoding.pieces[i]);
    if (out.size() < kPortion) continue;
    session.out().text(out);
    out.clear();
  }
  session.out().text(out);
}

bool is_framed(const TokenizeConfig& config, std::span<const TextInput> inputs) {
  return config.truncation || config.padding ||
         std::any_of(inputs.begin(), inputs.end(), [](const TextInput& input) { return input.pair.has_value(); });
}

/// Errors: invalid_input for a rule that the tokenizer does not have.
Result<InputRules> rules_for(const Tokenizer& tokenizer, const TokenizeConfig& config) {
  InputRules rules = tokenizer.input_rules();
  const auto missing = [&](std::string_view rule) {
    return with_hint(invalid_input("--{}: the tokenizer of {} has no rule for it", rule, config.model),
                     format("a tokenizer.json says it in its section '{}'", rule));
  };
  if (config.truncation && !rules.truncation) return missing("truncation");
  if (config.padding && !rules.padding) return missing("padding");
  if (!config.truncation) rules.truncation.reset();
  if (!config.padding) rules.padding.reset();
  return rules;
}

struct NumberedInputs {
  std::vector<TextInput> inputs;
  std::vector<std::int64_t> lines;
};

Result<NumberedInputs> read_lines(const std::string& path) {
  VB_TRY(const std::string content, read_file(path));
  NumberedInputs out;
  std::int64_t number = 0;
  for (const std::string_view line : split(content, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    VB_TRY(const Json row, Json::parse(line), "{}:{}", path, number);
    TextInput input;
    VB_TRY(input.text, row.get_string("text"), "{}:{}", path, number);
    if (row.find("pair") && !row.find("pair")->is_null()) {
      VB_TRY(input.pair, row.get_string("pair"), "{}:{}", path, number);
    }
    out.inputs.push_back(std::move(input));
    out.lines.push_back(number);
  }
  return out;
}

Result<int> tokenize_lines(const Tokenizer& tokenizer, const TokenizeConfig& config, const EncodeOptions& options, Session& session) {
  VB_TRY(const NumberedInputs rows, read_lines(*config.jsonl));
  if (is_framed(config, rows.inputs)) {
    VB_TRY(const InputRules rules, rules_for(tokenizer, config));
    VB_TRY(const auto encoded, encode_inputs(tokenizer, rows.inputs, rules, options), "{}", *config.jsonl);
    for (const EncodedInput& input : encoded) VB_CHECK(session.out().print_json_line(to_json(input)));
    return 0;
  }
  for (std::size_t i = 0; i < rows.inputs.size(); ++i) {
    VB_TRY(const Encoding encoding, tokenizer.encode(rows.inputs[i].text, options), "{}:{}", *config.jsonl, rows.lines[i]);
    VB_CHECK(session.out().print_json_line(to_json(encoding)));
  }
  return 0;
}

Result<int> tokenize_framed(const Tokenizer& tokenizer, const TextInput& input, const TokenizeConfig& config,
                            const EncodeOptions& options, Session& session) {
  VB_TRY(const InputRules rules, rules_for(tokenizer, config));
  VB_TRY(const auto encoded, encode_inputs(tokenizer, std::span(&input, 1), rules, options));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(to_json(encoded.front()), -1));
    return 0;
  }
  print_plain(encoded.front().input.tokens, session);
  for (const ModelInput& window : encoded.front().overflowing) {
    session.out().text("another window:\n");
    print_plain(window.tokens, session);
  }
  return 0;
}

Result<int> run_tokenize(const TokenizeConfig& config, Session& session) {
  if (config.text.has_value() + config.file.has_value() + config.jsonl.has_value() != 1)
    return invalid_input("expected exactly one of --text, --file, --jsonl");
  if (config.pair && config.jsonl) return invalid_input("--pair: with --jsonl, a line's second text is its \"pair\"");
  VB_TRY(const auto tokenizer, open_tokenizer(config.model));
  const EncodeOptions options{.add_special = config.special, .parse_special = config.special};
  if (config.jsonl) return tokenize_lines(*tokenizer, config, options, session);
  TextInput input{config.text.value_or(""), config.pair};
  if (config.file) {
    VB_TRY(input.text, read_file(*config.file));
  }
  if (is_framed(config, std::span(&input, 1))) return tokenize_framed(*tokenizer, input, config, options, session);
  VB_TRY(const Encoding encoding, tokenizer->encode(input.text, options));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(to_json(encoding), -1));
  } else {
    print_plain(encoding, session);
  }
  return 0;
}

}  // namespace

Command tokenize_command() {
  return make_command<TokenizeConfig>(
      {"tokenize", "text to token ids, pieces and byte offsets",
       "With --no-special nothing is added, and the text of special tokens stays text.\n\n"
       "BOS is added as the model's own files say, and never twice.\n\n"
       "With --pair, --truncation or --padding the answer also has type_ids, sequence_ids (null beside the texts),\n"
       "attention_mask, special_tokens_mask, and in `overflowing` the other windows of what was cut. The offsets of each text\n"
       "count from its own beginning."},
      run_tokenize);
}

}  // namespace vauban
