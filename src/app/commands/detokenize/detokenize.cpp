/// vauban detokenize MODEL (--ids 1,2,3 | --jsonl F): ids -> text.

#include "app/command.h"
#include "app/open.h"
#include "app/token_id.h"
#include "base/files.h"
#include "base/strings.h"

namespace vauban {
namespace {

struct DetokenizeConfig {
  std::string model;
  std::optional<std::string> ids, jsonl;
  bool skip_special = false;
  CommonOptions common;
};

void fields(DetokenizeConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder, .gguf, or a bare tokenizer file", .required = true, .positional = true, .file = true});
  f("ids", c.ids, {.help = "token ids: 1,2,3"});
  f("jsonl", c.jsonl, {.help = "lines of {\"ids\": [...]}; one JSON line each", .file = true});
  f("skip_special", c.skip_special, {.help = "leave special tokens out of the text"});
  fields(c.common, f);
}

Result<std::vector<std::int32_t>> ids_of(const Json& row) {
  VB_TRY(const Json* items, row.get_array("ids"));
  std::vector<std::int32_t> ids;
  for (const Json& item : items->items()) {
    if (!item.is_integer()) return invalid_input("'ids' must hold integers, found {}", item.type_name());
    VB_TRY(const std::int32_t id, token_id(item.as_int()), "in 'ids'");
    ids.push_back(id);
  }
  return ids;
}

Result<int> detokenize_lines(const Tokenizer& tokenizer, const DetokenizeConfig& config, Session& session) {
  VB_TRY(const std::string content, read_file(*config.jsonl));
  std::int64_t number = 0;
  for (const std::string_view line : split(content, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    VB_TRY(const Json row, Json::parse(line), "{}:{}", *config.jsonl, number);
    VB_TRY(const std::vector<std::int32_t> ids, ids_of(row), "{}:{}", *config.jsonl, number);
    VB_TRY(const std::string text, tokenizer.decode(ids, config.skip_special), "{}:{}", *config.jsonl, number);
    VB_CHECK(session.out().print_json_line(Json::object({{"text", text}})));
  }
  return 0;
}

Result<int> run_detokenize(const DetokenizeConfig& config, Session& session) {
  if (config.ids.has_value() == config.jsonl.has_value()) return invalid_input("expected exactly one of --ids, --jsonl");
  VB_TRY(const auto tokenizer, open_tokenizer(config.model));
  if (config.jsonl) return detokenize_lines(*tokenizer, config, session);
  VB_TRY(const std::vector<std::int32_t> ids, parse_ids(*config.ids));
  VB_TRY(const std::string text, tokenizer->decode(ids, config.skip_special));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(Json::object({{"text", text}}), -1));
  } else {
    session.out().text(text + "\n");
  }
  return 0;
}

}  // namespace

Command detokenize_command() {
  return make_command<DetokenizeConfig>({"detokenize", "token ids to text", ""}, run_detokenize);
}

}  // namespace vauban
