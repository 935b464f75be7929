// Every command: what its help, schema and manual say is what it takes.
#include <algorithm>
#include <regex>
#include <set>

#include "app/audit/audit_config.h"
#include "app/commands/commands.h"
#include "app/commands/run/run_config.h"
#include "app/intervention_file.h"
#include "base/result.h"
#include "base/strings.h"
#include "cli/workspace.h"
#include "suite/suite_fields.h"

namespace vauban::test {
namespace {

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : all_commands()) names.emplace_back(command.info.name);
  return names;
}

TEST(Commands, EveryDeclarationIsSound) {
  for (const Command& command : all_commands()) VB_EXPECT_OK(command.check());
  VB_EXPECT_OK(check_declaration<CommonOptions>());
  VB_EXPECT_OK(check_declaration<PromptOptions>());
  VB_EXPECT_OK(check_declaration<SamplingOptions>());
  VB_EXPECT_OK(check_declaration<AuditConfig>());
  VB_EXPECT_OK(check_declaration<DiffConfig>());
  VB_EXPECT_OK(check_declaration<RunConfig>());
  VB_EXPECT_OK(check_declaration<InterventionsFile>());
  VB_EXPECT_OK(check_declaration<SuiteFile>());
}

TEST(Commands, ThePromisedOnesAreThere) {
  const std::vector<std::string> names = command_names();
  for (const char* name : {"audit", "detokenize", "diff", "doctor", "generate", "init", "inspect", "list", "logits", "man", "report", "run",
                           "schema", "score", "tokenize", "trace", "verify"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
}

TEST(Commands, TheOverviewNamesEachAndTheExitCodes) {
  const Outcome help = vauban({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const std::string& name : command_names()) EXPECT_NE(help.out.find("\n  " + name + " "), std::string::npos) << name;
  EXPECT_NE(help.out.find("130 cancelled"), std::string::npos);
  EXPECT_TRUE(vauban({"--version"}).out.starts_with("vauban "));
  EXPECT_EQ(vauban({"help", "steer"}).out, vauban({"steer", "--help"}).out);
  EXPECT_EQ(vauban({"help", "frobnicate"}).exit_code, 2);
  const Outcome nothing = vauban({});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_EQ(nothing.out, "");
  EXPECT_NE(nothing.err.find("usage:"), std::string::npos);
}

/// A flag as help shows it: "  --max-tokens N", "  --[no-]json", "  -h, --help".
struct ShownFlag {
  std::string name;
  bool takes_value = false, can_be_negated = false;
};

std::vector<ShownFlag> flags_in(const std::string& help) {
  static const std::regex shape(R"(^  (?:-\w, )?--(\[no-\])?([a-z][a-z-]*)( \S+)?(?:\s{2,}.*|)$)");
  std::vector<ShownFlag> flags;
  for (const std::string_view line : split(help, '\n')) {
    std::match_results<std::string_view::const_iterator> found;
    if (std::regex_match(line.begin(), line.end(), found, shape))
      flags.push_back({"--" + found[2].str(), found[3].matched, found[1].matched});
  }
  return flags;
}

/// A word that parses as text, integer and number alike.
constexpr const char* kAnyValue = "1";

/// Said only of flags that a command does not have.
void expect_known(const std::vector<std::string>& args, const std::filesystem::path& folder) {
  const Outcome done = vauban(args, folder);
  EXPECT_EQ(done.err.find("unknown flag"), std::string::npos) << join(args, " ") << ": " << done.err;
  EXPECT_EQ(done.err.find("unexpected argument"), std::string::npos) << join(args, " ") << ": " << done.err;
  EXPECT_EQ(done.signal, 0) << join(args, " ");
}

TEST(Commands, HelpShowsOnlyFlagsThatAreAccepted) {
  const TempDir folder;
  for (const std::string& name : command_names()) {
    const Outcome help = vauban({name, "--help"});
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_TRUE(help.out.starts_with("usage: vauban " + name)) << help.out;
    const std::vector<ShownFlag> flags = flags_in(help.out);
    EXPECT_GE(flags.size(), 9u) << help.out;
    std::vector<std::string> all{name};
    for (const ShownFlag& flag : flags) {
      if (flag.name == "--help") continue;
      all.push_back(flag.name);
      if (flag.takes_value) all.emplace_back(kAnyValue);
      if (flag.can_be_negated) all.push_back("--no-" + flag.name.substr(2));
    }
    expect_known(all, folder.path());
  }
  EXPECT_EQ(vauban({"man", "--no-such-flag"}).exit_code, 2) << "the check above must be able to fail";
}

TEST(Commands, CommonFlagsAreThereOnEveryOne) {
  for (const std::string& name : command_names()) {
    std::set<std::string> shown;
    for (const ShownFlag& flag : flags_in(vauban({name, "--help"}).out)) shown.insert(flag.name);
    for (const char* flag : {"--threads", "--backend", "--device", "--seed", "--memory", "--numerics", "--json", "--quiet", "--help"})
      EXPECT_TRUE(shown.contains(flag)) << name << " " << flag;
  }
}

TEST(Commands, EverySchemaIsAnObjectSchemaWithItsKeys) {
  std::vector<std::string> names = command_names();
  for (const char* file : {"config", "suite", "interventions"}) names.emplace_back(file);
  for (const std::string& name : names) {
    const Outcome done = vauban({"schema", name});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    const Json schema = done.json();
    EXPECT_EQ(at(schema, {"type"}).as_string(), "object") << name;
    EXPECT_GT(at(schema, {"properties"}).size(), 0u) << name;
    EXPECT_TRUE(at(schema, {"additionalProperties"}).is_bool()) << name;
    EXPECT_NE(schema.find("$schema"), nullptr) << name;
  }
  EXPECT_EQ(vauban({"schema"}).out, vauban({"schema", "config"}).out);
}

TEST(Commands, EveryManualPageHasText) {
  std::vector<std::string> names = command_names();
  for (const char* topic : {"claims", "exit-codes", "interventions", "numerics", "observe", "runs"}) names.emplace_back(topic);
  for (const std::string& name : names) {
    const Outcome page = vauban({"man", name});
    EXPECT_EQ(page.exit_code, 0) << page.err;
    EXPECT_GT(page.out.size(), 200u) << name;
    EXPECT_EQ(at(vauban({"man", name, "--json"}).json(), {"text"}).as_string(), page.out);
  }
  const Outcome contents = vauban({"man"});
  for (const std::string& name : names) EXPECT_NE(contents.out.find("  " + name), std::string::npos) << name;
}

TEST(Commands, EveryListHasIdsAndSummaries) {
  for (const char* what : {"backends", "architectures", "sites", "metrics", "scorers", "formats", "runtimes", "commands"}) {
    const Json list = vauban({"list", what, "--json"}).json();
    ASSERT_TRUE(list.is_array()) << what;
    EXPECT_GT(list.size(), 0u) << what;
    std::set<std::string> ids;
    for (const Json& row : list.items()) {
      EXPECT_TRUE(ids.insert(at(row, {"id"}).as_string()).second) << what << " " << at(row, {"id"}).as_string();
      EXPECT_FALSE(at(row, {"summary"}).as_string().empty()) << what << " " << at(row, {"id"}).as_string();
    }
    EXPECT_EQ(vauban({"list", what}).exit_code, 0);
  }
}

TEST(Commands, ListsNameWhatTheOthersUnderstand) {
  std::set<std::string> metrics;
  const Json listed = vauban({"list", "metrics", "--json"}).json();
  for (const Json& row : listed.items())
    if (at(row, {"paired"}).as_bool()) metrics.insert(at(row, {"id"}).as_string());
  EXPECT_TRUE(metrics.contains("mean_kld"));
  EXPECT_TRUE(metrics.contains("same_top"));
  EXPECT_TRUE(metrics.contains("flip_rate"));
  EXPECT_FALSE(metrics.contains("refusal_rate"));
}

TEST(Commands, DoctorSaysWhatThisBuildCanDo) {
  const Json answer = vauban({"doctor", "--json"}).json();
  for (const char* key : {"version", "compiler", "host", "backends", "cpu_kernels", "threads"}) EXPECT_NE(answer.find(key), nullptr) << key;
  EXPECT_EQ(vauban({"doctor"}).exit_code, 0);
}

TEST(Commands, InitWritesFilesThatRunAndNeverReplacesOnesOwn) {
  const Workspace work;
  ASSERT_EQ(work.run({"init", "start", "--json"}).exit_code, 0);
  std::string config = read_text(work / "start/audit.toml");
  for (const auto& [from, to] : {std::pair("base-model", "../base"), std::pair("changed-model", "../changed")})
    config.replace(config.find(from), std::string(from).size(), to);
  write_text(work / "start/audit.toml", config);
  const Outcome done = work.run({"start/audit.toml", "--json"});
  EXPECT_TRUE(done.exit_code == 0 || done.exit_code == 1 || done.exit_code == 4) << done.err;
  EXPECT_TRUE(std::filesystem::exists(work / "start/run/report.md"));
  EXPECT_EQ(work.run({"verify", "start/run"}).exit_code, 0);
  EXPECT_EQ(work.run({"init", "start"}).exit_code, 2);
  EXPECT_EQ(read_text(work / "start/audit.toml"), config);
  EXPECT_EQ(work.run({"init", "start", "--force"}).exit_code, 0);
}

TEST(Commands, AFlagThatWasGivenWinsOverTheConfigurationFile) {
  const Workspace work;
  work.write("audit.toml", "[common]\nseed = 7\n[audit]\nbase = \"base\"\ncandidate = \"changed\"\nsuite = \"suite.toml\"\nout = \"run\"\n");
  EXPECT_EQ(at(work.run({"audit.toml", "--plan", "--json"}).json(), {"inputs", "sampling", "seed"}).as_int(), 7);
  EXPECT_EQ(at(work.run({"audit.toml", "--plan", "--json", "--seed", "0"}).json(), {"inputs", "sampling", "seed"}).as_int(), 0);
}

TEST(Commands, ScoreGivesALinePerRow) {
  const TempDir folder;
  write_text(folder / "rows.jsonl",
             "{\"prompt_id\":\"a\",\"output_text\":\"I'm sorry, but I cannot help with that.\"}\n{\"prompt_id\":\"b\",\"output_text\":\"It is 42.\"}\n");
  const std::vector<Json> rows = vauban({"score", "rows.jsonl", "--json"}, folder.path()).json_lines();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(at(rows[0], {"prompt_id"}).as_string(), "a");
  EXPECT_EQ(at(rows[0], {"class"}).as_string(), "refuse");
  EXPECT_EQ(at(rows[1], {"class"}).as_string(), "comply");
  EXPECT_EQ(at(rows[1], {"metrics", "output_length_chars"}).as_double(), 9.0);
}

}  // namespace
}  // namespace vauban::test
