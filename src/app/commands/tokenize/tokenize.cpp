/// vauban tokenize MODEL (--text T | --file F | --jsonl F): text -> ids, pieces, byte offsets.

#include <sstream>

#include "app/command.h"
#include "app/open.h"
#include "base/files.h"
#include "base/strings.h"

namespace vauban {
namespace {

struct TokenizeConfig {
  std::string model;
  std::optional<std::string> text, file, jsonl;
  bool special = true;
  CommonOptions common;
};

void fields(TokenizeConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder, .gguf, or a bare tokenizer file", .required = true, .positional = true, .file = true});
  f("text", c.text, {.help = "the text"});
  f("file", c.file, {.help = "read the text from a file", .file = true});
  f("jsonl", c.jsonl, {.help = "lines of {\"text\": ...}; one JSON line each", .file = true});
  f("special", c.special, {.help = "add and recognise special tokens"});
  fields(c.common, f);
}

Json to_json(const Encoding& encoding) {
  Json offsets = Json::array();
  for (const TokenSpan& span : encoding.offsets) offsets.push_back(Json::array({span.begin, span.end}));
  return Json::object({{"ids", Json(encoding.ids)}, {"pieces", Json(encoding.pieces)}, {"offsets", std::move(offsets)}});
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

Result<int> tokenize_lines(const Tokenizer& tokenizer, const std::string& path, const EncodeOptions& options, Session& session) {
  VB_TRY(const std::string content, read_file(path));
  std::int64_t number = 0;
  for (const std::string_view line : split(content, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    VB_TRY(const Json row, Json::parse(line), "{}:{}", path, number);
    VB_TRY(const std::string text, row.get_string("text"), "{}:{}", path, number);
    VB_TRY(const Encoding encoding, tokenizer.encode(text, options), "{}:{}", path, number);
    VB_CHECK(session.out().print_json_line(to_json(encoding)));
  }
  return 0;
}

Result<int> run_tokenize(const TokenizeConfig& config, Session& session) {
  if (config.text.has_value() + config.file.has_value() + config.jsonl.has_value() != 1)
    return invalid_input("expected exactly one of --text, --file, --jsonl");
  VB_TRY(const auto tokenizer, open_tokenizer(config.model));
  const EncodeOptions options{.add_special = config.special, .parse_special = config.special};
  if (config.jsonl) return tokenize_lines(*tokenizer, *config.jsonl, options, session);
  std::string text = config.text.value_or("");
  if (config.file) {
    VB_TRY(text, read_file(*config.file));
  }
  VB_TRY(const Encoding encoding, tokenizer->encode(text, options));
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
       "BOS is added as the model's own files say, and never twice."},
      run_tokenize);
}

}  // namespace vauban
