/// vauban data synthesize GRAMMAR.toml --count N --out F.jsonl | data suite GRAMMAR.toml --head F.toml --out F.toml

#include <map>

#include "app/command.h"
#include "app/own_input.h"
#include "base/files.h"
#include "base/sha256.h"
#include "data/synthesis/suite_prompts.h"
#include "data/synthesis/synthesize.h"

namespace vauban {
namespace {

struct DataConfig {
  std::string action, grammar, out;
  std::int64_t count = 1000, per_category = 20;
  std::string split = "train", style, content = "dialogues", head;
  std::vector<std::string> only;
  bool duplicates = false, plain = false;
  CommonOptions common;
};

void fields(DataConfig& c, FieldVisitor& f) {
  f("action", c.action,
    {.help = "what to make", .required = true, .choices = {"synthesize", "suite"}, .positional = true});
  f("grammar", c.grammar,
    {.help = "grammar of the dialogues",
     .required = true,
     .positional = true,
     .metavar = "GRAMMAR.toml",
     .file = true});
  f("out", c.out, {.help = "file to write; -: stdout", .required = true, .file = true});
  f("count", c.count, {.help = "synthesize: how many lines", .min = 1, .max = 10'000'000});
  f("split", c.split, {.help = "synthesize: which wordings", .choices = {"train", "heldout"}});
  f("only", c.only, {.help = "only these categories"});
  f("style", c.style, {.help = "synthesize: how the answers are worded; default: the ordinary way"});
  f("content", c.content,
    {.help = "synthesize: whole dialogues, or only what the user asks, as lines of {\"text\": ...}",
     .choices = {"dialogues", "prompts"}});
  f("duplicates", c.duplicates, {.help = "synthesize: keep lines that are equal to earlier ones"});
  f("plain", c.plain, {.help = "synthesize: one exchange, nothing around the wording"});
  f("head", c.head, {.help = "suite: file with everything but the prompts", .file = true});
  f("per_category", c.per_category, {.help = "suite: prompts of each category", .min = 1, .max = 10'000});
  fields(c.common, f);
}

struct DataLines {
  std::string text;
  std::map<std::string, std::int64_t> by_category;
  std::int64_t n_lines = 0;
};

Result<void> deliver(const DataConfig& config, const Grammar& grammar, const DataLines& lines, Session& session) {
  if (config.out == "-") {
    session.out().text(lines.text);
    return ok();
  }
  VB_CHECK(refuse_own_input(config.out, {config.grammar, config.head}));
  VB_CHECK(write_file_atomic(config.out, lines.text));
  Json counts = Json::object();
  for (const auto& [category, count] : lines.by_category) counts[category] = count;
  if (session.out().json())
    return session.out().print_json(Json::object({{"categories", std::move(counts)},
                                                  {"digest", sha256_hex(lines.text)},
                                                  {"file", config.out},
                                                  {"grammar_digest", grammar.digest},
                                                  {"lines", lines.n_lines},
                                                  {"seed", config.common.seed}}));
  session.out().text(format("wrote {} to {}\n", lines.n_lines, config.out));
  for (const auto& [category, count] : lines.by_category) session.out().text(format("  {:<14} {}\n", category, count));
  return ok();
}

Json prompt_line(const Dialogue& dialogue, const Grammar& grammar) {
  const Json whole = to_json(dialogue, grammar);
  return Json::object(
      {{"metadata", *whole.find("metadata")}, {"text", dialogue.messages[dialogue.messages.size() - 2].content}});
}

Result<DataLines> synthesize_lines(const DataConfig& config, const Grammar& grammar) {
  const bool prompts = config.content == "prompts";
  VB_TRY(const std::vector<Dialogue> dialogues,
         synthesize(grammar, {.count = config.count,
                              .seed = config.common.seed,
                              .split = config.split == "heldout" ? WordingSplit::heldout : WordingSplit::train,
                              .only = config.only,
                              .style = config.style,
                              .duplicates = config.duplicates,
                              .plain = config.plain || prompts}));
  DataLines lines;
  for (const Dialogue& dialogue : dialogues) {
    VB_TRY(const std::string line, (prompts ? prompt_line(dialogue, grammar) : to_json(dialogue, grammar)).dump());
    lines.text += line + '\n';
    ++lines.n_lines;
    ++lines.by_category[grammar.categories[grammar.intents[dialogue.intent].category].name];
  }
  return lines;
}

Result<DataLines> suite_lines(const DataConfig& config, const Grammar& grammar) {
  if (config.head.empty())
    return with_hint(invalid_input("a suite needs --head"), "a file with [behavior_suite], its metrics and its gates");
  VB_TRY(const std::string head, read_file(config.head));
  VB_TRY(
      const std::vector<SuitePromptSpec> prompts,
      suite_prompts(grammar, {.only = config.only, .per_category = config.per_category, .seed = config.common.seed}));
  DataLines lines;
  VB_TRY(lines.text, suite_toml(head, config.head, prompts));
  for (const SuitePromptSpec& prompt : prompts) ++lines.by_category[prompt.category];
  lines.n_lines = static_cast<std::int64_t>(prompts.size());
  return lines;
}

Result<int> run_data(const DataConfig& config, Session& session) {
  VB_TRY(const Grammar grammar, load_grammar(config.grammar));
  VB_TRY(const DataLines lines,
         config.action == "suite" ? suite_lines(config, grammar) : synthesize_lines(config, grammar));
  VB_CHECK(deliver(config, grammar, lines, session));
  return 0;
}

}  // namespace

Command data_command() {
  return make_command<DataConfig>(
      {"data", "make training dialogues and suites from a grammar",
       "A grammar is a TOML file: facts tables, slots, and intents with the wordings of a question and the answers to "
       "it. The same grammar, "
       "seed and options give the same bytes on every machine, and a longer output begins with the shorter one.\n\n"
       "Wordings and slot values under `heldout` are for evaluation: --split train never draws them. `data suite` puts "
       "held-out "
       "wordings behind a head with metrics and gates.\n\n"
       "Unless --duplicates is given, no line occurs twice. See models/garrison/dialogues.toml for a whole grammar."},
      run_data);
}

}  // namespace vauban
