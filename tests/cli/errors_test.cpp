// Wrong input: the right exit code, a message that says what and where, and with --json one document in one shape.
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

struct Wrong {
  std::string name;
  std::vector<std::string> args;
  int exit_code;
  std::string code;
  std::vector<std::string> says;  ///< words of the message, the context or the hint
};

void expect_error(const Workspace& work, const Wrong& wrong) {
  SCOPED_TRACE(wrong.name);
  std::vector<std::string> args = wrong.args;
  const Outcome plain = work.run(args);
  EXPECT_EQ(plain.exit_code, wrong.exit_code) << plain.out << plain.err;
  EXPECT_EQ(plain.out, "") << "errors go to stderr";
  args.push_back("--json");
  const Outcome told = work.run(args);
  EXPECT_EQ(told.exit_code, wrong.exit_code);
  const Json answer = told.json();
  EXPECT_EQ(keys_of(answer), std::vector<std::string>{"error"});
  EXPECT_EQ(keys_of(at(answer, {"error"})), (std::vector<std::string>{"code", "context", "hint", "message"}));
  EXPECT_EQ(at(answer, {"error", "code"}).as_string(), wrong.code) << told.out;
  EXPECT_TRUE(at(answer, {"error", "context"}).is_array());
  EXPECT_TRUE(at(answer, {"error", "hint"}).is_string());
  for (const std::string& word : wrong.says) {
    EXPECT_NE(told.out.find(word), std::string::npos) << "stdout should say '" << word << "': " << told.out;
    EXPECT_NE(plain.err.find(word), std::string::npos) << "stderr should say '" << word << "': " << plain.err;
  }
}

TEST(Errors, OfTheCommandLine) {
  const Workspace work;
  const Wrong cases[] = {
      {"unknown command", {"frobnicate"}, 2, "not_found", {"frobnicate", "vauban --help"}},
      {"misspelt command", {"audi"}, 2, "not_found", {"did you mean 'audit'?"}},
      {"unknown flag", {"generate", "base", "--promt", "a"}, 2, "invalid_input", {"--promt", "did you mean '--prompt'?"}},
      {"missing argument", {"verify"}, 2, "invalid_input", {"RUN"}},
      {"missing flag", {"audit", "base", "changed", "--suite", "suite.toml"}, 2, "invalid_input", {"--out"}},
      {"extra argument", {"verify", "a", "b"}, 2, "invalid_input", {"'b'"}},
      {"not a number", {"generate", "base", "--prompt", "a", "--max-tokens", "many"}, 2, "invalid_input", {"--max-tokens", "many"}},
      {"out of range", {"generate", "base", "--prompt", "a", "--top-p", "1.5"}, 2, "invalid_input", {"--top-p", "1.5"}},
      {"not a choice", {"generate", "base", "--prompt", "a", "--numerics", "exat"}, 2, "invalid_input", {"exat", "exact"}},
      {"unknown backend", {"generate", "base", "--prompt", "a", "--backend", "abacus"}, 2, "not_found", {"abacus"}},
      {"unknown list", {"list", "metric"}, 2, "invalid_input", {"metrics"}},
      {"unknown schema", {"schema", "confg"}, 2, "not_found", {"config"}},
      {"unknown topic", {"man", "claim"}, 2, "not_found", {"claims"}},
      {"empty folder", {"trace", "base", "--prompt", "a", "--out", ""}, 2, "invalid_input", {"--out", "a path"}},
      {"empty model", {"generate", "", "--prompt", "a"}, 2, "invalid_input", {"MODEL", "a path"}},
      {"device of no kind", {"generate", "base", "--prompt", "a", "--device", "nonsense,cpu"}, 2, "invalid_input", {"nonsense", "mps"}},
      {"flag given twice", {"generate", "base", "--prompt", "a", "--prompt", "b"}, 2, "invalid_input", {"--prompt"}},
  };
  for (const Wrong& wrong : cases) expect_error(work, wrong);
}

TEST(Errors, OfPrompts) {
  const Workspace work;
  const std::string long_text(600, 'a');
  const Wrong cases[] = {
      {"empty prompt", {"generate", "base", "--prompt", ""}, 2, "invalid_input", {"--prompt"}},
      {"blank prompt", {"generate", "base", "--prompt", " \t"}, 2, "invalid_input", {"--prompt", "white space"}},
      {"empty ids", {"generate", "base", "--ids", ""}, 2, "invalid_input", {"--ids"}},
      {"empty prompt of logits", {"logits", "base", "--prompt", ""}, 2, "invalid_input", {"--prompt"}},
      {"empty prompt of a trace", {"trace", "base", "--prompt", "", "--out", "t"}, 2, "invalid_input", {"--prompt"}},
      {"no prompt", {"generate", "base"}, 2, "invalid_input", {"--prompt", "--ids"}},
      {"prompt and ids", {"generate", "base", "--prompt", "a", "--ids", "1"}, 2, "invalid_input", {"--prompt", "--ids"}},
      {"id that is none", {"generate", "base", "--ids", "1,x"}, 2, "invalid_input", {"--ids", "x"}},
      {"negative id", {"generate", "base", "--ids=-4"}, 2, "invalid_input", {"-4"}},
      {"id outside the vocabulary", {"generate", "base", "--ids", "1,300"}, 2, "invalid_input", {"300"}},
      {"context overflow by the prompt", {"generate", "base", "--prompt", long_text}, 2, "invalid_input", {"512"}},
      {"context overflow by the answer", {"generate", "base", "--prompt", "a", "--max-tokens", "5000"}, 2, "invalid_input", {"5000", "512"}},
      {"context overflow of logits", {"logits", "base", "--prompt", long_text}, 2, "invalid_input", {"512"}},
      {"all rows without a file", {"logits", "base", "--prompt", "a", "--all"}, 2, "invalid_input", {"--out"}},
  };
  for (const Wrong& wrong : cases) expect_error(work, wrong);
  EXPECT_FALSE(fs::exists(work / "t/trace.json"));
}

TEST(Errors, OfModelFiles) {
  const Workspace work;
  fs::copy(work / "base", work / "cut");
  fs::resize_file(work / "cut/model.safetensors", fs::file_size(work / "cut/model.safetensors") / 2);
  fs::copy(work / "base", work / "strange");
  edit_json(work / "strange/config.json", [](Json& config) {
    config["model_type"] = "abacus";
    config["architectures"] = Json::array({"AbacusForCausalLM"});
  });
  fs::copy(work / "base", work / "weightless");
  fs::remove(work / "weightless/model.safetensors");
  fs::create_directory(work / "empty");
  work.write("text.gguf", "this is no model");
  const Wrong cases[] = {
      {"missing model", {"generate", "nowhere", "--prompt", "a"}, 2, "not_found", {"nowhere"}},
      {"truncated model", {"generate", "cut", "--prompt", "a"}, 3, "corrupt", {"model.safetensors", "byte"}},
      {"unknown architecture", {"generate", "strange", "--prompt", "a"}, 3, "unsupported", {"bacus"}},
      {"folder without weights", {"generate", "weightless", "--prompt", "a"}, 2, "not_found", {"weightless"}},
      {"empty folder", {"inspect", "empty"}, 2, "not_found", {"empty"}},
      {"not a GGUF", {"inspect", "text.gguf"}, 3, "corrupt", {"text.gguf"}},
      {"truncated candidate", {"audit", "base", "cut", "--suite", "suite.toml", "--out", "run"}, 3, "corrupt", {"candidate"}},
      {"numerics to come", {"generate", "base", "--prompt", "a", "--numerics", "fast"}, 3, "unsupported", {"fast"}},
      {"missing intervention", {"trace", "base", "--prompt", "a", "--out", "t", "--intervene", "no.toml"}, 2, "not_found", {"no.toml"}},
  };
  for (const Wrong& wrong : cases) expect_error(work, wrong);
  EXPECT_FALSE(fs::exists(work / "run"));
}

TEST(Errors, OfConfigurationFiles) {
  const Workspace work;
  const std::string audit = "[audit]\nbase = \"base\"\ncandidate = \"changed\"\nsuite = \"suite.toml\"\nout = \"run\"\n";
  work.write("key.toml", audit + "max_tokns = 3\n");
  work.write("table.toml", audit + "[comon]\nseed = 3\n");
  work.write("type.toml", audit + "max_tokens = \"three\"\n");
  work.write("range.toml", audit + "top_p = 2.5\n");
  work.write("broken.toml", audit + "max_tokens = \n");
  work.write("both.toml", audit + "[diff]\na = \"a\"\nb = \"b\"\n");
  work.write("lacking.toml", "[audit]\nbase = \"base\"\n");
  work.write("suite-key.toml", "[behavior_suite]\nname = \"s\"\n[[behavior_suite.prompts]]\nid = \"a\"\ntext = \"b\"\ncategry = \"c\"\n");
  const Wrong cases[] = {
      {"unknown key", {"key.toml"}, 2, "invalid_input", {"key.toml:6:1", "audit.max_tokns", "did you mean 'max_tokens'?"}},
      {"unknown table", {"table.toml"}, 2, "invalid_input", {"table.toml:6:", "comon", "did you mean 'common'?"}},
      {"wrong type", {"type.toml"}, 2, "invalid_input", {"type.toml:6:14", "audit.max_tokens", "integer", "three"}},
      {"out of range", {"range.toml"}, 2, "invalid_input", {"range.toml:6:9", "audit.top_p"}},
      {"not TOML", {"broken.toml"}, 2, "invalid_input", {"broken.toml:6:"}},
      {"two tables", {"both.toml"}, 2, "invalid_input", {"[audit]", "[diff]"}},
      {"missing keys", {"lacking.toml"}, 2, "invalid_input", {"audit.candidate"}},
      {"missing file", {"nowhere.toml"}, 2, "not_found", {"nowhere.toml"}},
      {"missing file of run", {"run", "nowhere.toml"}, 2, "not_found", {"nowhere.toml"}},
      {"unknown key of a suite", {"audit", "base", "changed", "--suite", "suite-key.toml", "--out", "run"}, 2, "invalid_input",
       {"suite-key.toml:6:1", "categry", "did you mean 'category'?"}},
      {"missing suite", {"audit", "base", "changed", "--suite", "no.toml", "--out", "run"}, 2, "not_found", {"no.toml"}},
  };
  for (const Wrong& wrong : cases) expect_error(work, wrong);
  EXPECT_FALSE(fs::exists(work / "run"));
}

TEST(Errors, OfRows) {
  const Workspace work;
  work.write("good.jsonl", "{\"prompt_id\":\"a\",\"output_text\":\"x\"}\n");
  work.write("cut.jsonl", "{\"prompt_id\":\"a\",\"output_text\":\"x\"}\n{\"prompt_id\":\"b\",\"output");
  work.write("twice.jsonl", "{\"prompt_id\":\"a\",\"output_text\":\"x\"}\n{\"prompt_id\":\"a\",\"output_text\":\"y\"}\n");
  work.write("type.jsonl", "{\"prompt_id\":\"a\",\"metrics\":[1]}\n");
  work.write("textless.jsonl", "{\"prompt_id\":\"a\"}\n");
  const Wrong cases[] = {
      {"torn row", {"diff", "good.jsonl", "cut.jsonl"}, 3, "corrupt", {"cut.jsonl:2"}},
      {"row given twice", {"diff", "good.jsonl", "twice.jsonl"}, 2, "invalid_input", {"twice.jsonl:2", "second row"}},
      {"wrong type", {"diff", "good.jsonl", "type.jsonl"}, 3, "corrupt", {"type.jsonl:1", "metrics"}},
      {"nothing to score", {"score", "textless.jsonl"}, 2, "invalid_input", {"output_text"}},
      {"unknown scorer", {"score", "good.jsonl", "--scorers", "oracle"}, 2, "not_found", {"oracle"}},
      {"unknown role", {"diff", "good.jsonl", "good.jsonl", "--role", "a=good"}, 2, "invalid_input", {"good", "benign"}},
      {"a model and rows", {"diff", "base", "good.jsonl"}, 3, "unsupported", {"vauban audit"}},
  };
  for (const Wrong& wrong : cases) expect_error(work, wrong);
}

TEST(Errors, NothingInCommonIsInconclusiveNeverAPass) {
  const Workspace work;
  work.write("a.jsonl", "{\"prompt_id\":\"a\",\"output_text\":\"x\"}\n");
  work.write("b.jsonl", "{\"prompt_id\":\"b\",\"output_text\":\"x\"}\n");
  const Outcome done = work.run({"diff", "a.jsonl", "b.jsonl", "--json"});
  EXPECT_EQ(done.exit_code, 4);
  EXPECT_EQ(at(done.json(), {"level"}).as_string(), "behavioral_profile");
}

TEST(Errors, AFullDiskUnderStdoutIsSaidNotHidden) {
  if (!fs::is_character_file("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  for (const std::vector<std::string>& args : {std::vector<std::string>{"list", "metrics", "--json"}, {"list", "metrics"}}) {
    const Outcome done = Program(args, {}, "/dev/full").wait();
    EXPECT_EQ(done.exit_code, 3);
    EXPECT_NE(done.err.find("stdout"), std::string::npos) << done.err;
  }
}

/// Nobody writes to the pipe: what maps it refuses it at once, what reads a text waits and ends with Ctrl-C.
TEST(Errors, APipeIsRefusedOrWaitedForUntilCtrlC) {
  const Workspace work;
  ASSERT_EQ(::mkfifo((work / "pipe.safetensors").c_str(), 0600), 0);
  const Outcome mapped = work.run({"steer", "base", "--direction", "pipe.safetensors", "--prompt", "a", "--json"});
  EXPECT_EQ(mapped.exit_code, 2) << mapped.out;
  EXPECT_NE(mapped.out.find("regular file"), std::string::npos) << mapped.out;
  const Outcome device = work.run({"audit", "base", "changed", "--suite", "/dev/zero", "--out", "run", "--json"});
  EXPECT_EQ(device.exit_code, 2) << device.out;
  EXPECT_NE(device.out.find("a device"), std::string::npos) << device.out;
  ASSERT_EQ(::mkfifo((work / "text").c_str(), 0600), 0);
  Program waiting({"tokenize", "base", "--file", "text", "--json"}, work.path());
  // A writer can only open the pipe once it is being read, so from here on the program waits in it.
  int writer = -1;
  while (waiting.is_running() && (writer = ::open((work / "text").c_str(), O_WRONLY | O_NONBLOCK)) < 0) ::usleep(1000);
  ASSERT_GE(writer, 0);
  ::usleep(50'000);
  waiting.send(SIGINT);
  const Outcome ended = waiting.wait();
  ::close(writer);
  EXPECT_EQ(ended.exit_code, 130) << ended.out << ended.err;
  EXPECT_NE(ended.out.find("\"cancelled\""), std::string::npos) << ended.out;
}

TEST(Errors, AnOutputFileNeverReplacesWhatIsNoFile) {
  const Workspace work;
  fs::create_directory(work / "folder");
  ASSERT_EQ(::mkfifo((work / "pipe").c_str(), 0600), 0);
  for (const char* name : {"folder", "pipe"}) {
    const Outcome done = work.run({"logits", "base", "--prompt", "a", "--out", name, "--json"});
    EXPECT_EQ(done.exit_code, 2) << done.out.substr(0, 300);
    EXPECT_NE(done.err.find("no regular file"), std::string::npos) << done.err;
    EXPECT_FALSE(fs::is_regular_file(work / name));
  }
}

}  // namespace
}  // namespace vauban::test
