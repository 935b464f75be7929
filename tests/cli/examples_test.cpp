// What the project shows to a newcomer runs as it stands: every file of examples/ and suites/, every TOML block of the
// manual pages, what `vauban init` writes, and the recipes of the demo model, on every backend. A new file is covered
// by being there. Where something would take minutes it is planned unchanged, and then run with fewer prompts or steps.
#include <algorithm>
#include <set>

#include "base/result.h"
#include "base/strings.h"
#include "cli/workspace.h"
#include "support/backends_here.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& folder, std::string_view extension) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// `text` with the line `key = ...` replaced; unchanged, and a failure of the test, when there is none.
std::string with_line(const std::string& text, const std::string& key, const std::string& value) {
  const std::size_t begin = text.starts_with(key + " =") ? 0 : text.find("\n" + key + " =") + 1;
  EXPECT_TRUE(begin != 0 || text.starts_with(key + " =")) << "no '" << key << "' in\n" << text;
  std::string out = text;
  return out.replace(begin, text.find('\n', begin) - begin, key + " = " + value);
}

/// A suite with its first `count` prompts, and without gates: they name categories that need not be among these.
std::string first_prompts(std::string suite, int count) {
  const std::string_view head = "[[behavior_suite.prompts]]";
  const std::size_t gates = std::min(suite.find("[[behavior_suite.gates]]"), suite.find(head));
  suite.erase(gates, suite.find(head) - gates);
  std::size_t end = suite.find(head);
  for (int i = 0; i < count && end != std::string::npos; ++i) end = suite.find(head, end + 1);
  return suite.substr(0, end);
}

class Shown : public testing::TestWithParam<std::string> {
 protected:
  Shown() {
    // The tiny models answer messages too.
    for (const char* model : {"base", "changed"})
      fs::copy(source_dir() / "models/garrison/chat_template.jinja", work_ / model / "chat_template.jinja");
  }
  std::vector<std::string> on_backend(std::vector<std::string> args) const {
    args.insert(args.end(), {"--backend", GetParam(), "--threads", "1"});
    return args;
  }
  /// Exit codes of a report: whatever the verdict is, it ran.
  void expect_report(const std::vector<std::string>& args, const std::string& what) const {
    const Outcome done = work_.run(on_backend(args));
    EXPECT_TRUE(done.exit_code == 0 || done.exit_code == 1 || done.exit_code == 4)
        << what << ": " << done.exit_code << " " << done.err;
    EXPECT_EQ(done.err.find("could not be run"), std::string::npos) << what << ": " << done.err;
  }
  void expect_ok(const std::vector<std::string>& args, const std::string& what) const {
    const Outcome done = work_.run(on_backend(args));
    EXPECT_EQ(done.exit_code, 0) << what << ": " << done.err;
  }
  /// Every row of a run came from an answer.
  void expect_all_answered(const std::string& run) const {
    const Json report = read_json(work_ / run / "report.json");
    for (const char* side : {"baseline", "candidate"})
      EXPECT_EQ(at(report, {"outcomes", side, "infra_error"}).as_int(), 0)
          << run << ": " << at(report, {"limitations"}).dump().value_or("");
  }
  /// `text` trains; on the reference backend, which computes in f64 only, it is refused with what to say instead.
  void expect_trains(const std::string& text, const std::string& what) const {
    work_.write("train.toml", text);
    const Outcome done = work_.run(on_backend({"train", "train.toml", "--json"}));
    if (GetParam() != "reference") {
      EXPECT_EQ(done.exit_code, 0) << what << ": " << done.err;
      return;
    }
    EXPECT_EQ(done.exit_code, 3) << what << ": " << done.err;
    EXPECT_TRUE(has(done.err, "say numerics = \"f32\"")) << what << ": " << done.err;
  }

  const Workspace work_;
};

/// The embedded model has 200 prompts a suite: the specification, in plain loops, is given eight of them.
TEST_P(Shown, EveryExample) {
  fs::create_directories(work_ / "examples");
  work_.write("examples/head.toml", first_prompts(read_text(source_dir() / "suites/garrison.toml"), 8));
  int ran = 0;
  for (const fs::path& file : files_of(source_dir() / "examples", ".toml")) {
    const std::string name = "examples/" + file.filename().string(), text = read_text(file);
    work_.write(name, text);
    ++ran;
    if (has(text, "[[interventions]]")) {
      expect_ok({"trace", "base", "--prompt", "Once upon a time", "--intervene", name, "--out", "traced"}, name);
    } else if (has(text, "[[weight_edits]]")) {
      expect_ok({"trace", "base", "--prompt", "Once upon a time", "--edit-weights", name, "--out", "edited"}, name);
    } else if (has(text, "[audit]")) {
      expect_ok({name, "--plan"}, name);
      if (GetParam() != "cpu") work_.write(name, with_line(text, "suite", "\"head.toml\""));
      expect_report({name}, name);
    } else if (has(text, "[diff]")) {
      expect_report({name}, name);
    } else if (has(text, "[trace]")) {
      expect_ok({name}, name);
    } else {
      ADD_FAILURE() << name << ": this test knows no way to run it";
    }
  }
  EXPECT_GE(ran, 5);
  for (const char* run : {"runs/example-01", "runs/example-02"}) {
    expect_all_answered(run);
    EXPECT_EQ(work_.run({"verify", run}).exit_code, 0) << run;
  }
}

TEST_P(Shown, EverySuite) {
  int ran = 0;
  for (const fs::path& file : files_of(source_dir() / "suites", ".toml")) {
    const std::string name = file.filename().string(), out = "runs/" + file.stem().string();
    work_.write(name, first_prompts(read_text(file), 12));
    expect_report(
        {"audit", "base", "changed", "--suite", name, "--out", out, "--max-tokens", "2", "--baseline-floor", "0"},
        name);
    expect_all_answered(out);
    ++ran;
  }
  EXPECT_GE(ran, 3);
}

TEST_P(Shown, WhatInitWrites) {
  ASSERT_EQ(work_.run({"init", "mine"}).exit_code, 0);
  fs::rename(work_ / "base", work_ / "mine/base-model");
  fs::rename(work_ / "changed", work_ / "mine/changed-model");
  expect_report({"mine/audit.toml"}, "init");
  expect_all_answered("mine/run");
}

/// The blocks ```toml of a page.
std::vector<std::string> toml_blocks(const std::string& page) {
  std::vector<std::string> blocks;
  const std::string_view fence = "```toml\n";
  for (std::size_t begin = page.find(fence); begin != std::string::npos; begin = page.find(fence, begin + 1)) {
    const std::size_t from = begin + fence.size();
    blocks.push_back(page.substr(from, page.find("```", from) - from));
  }
  return blocks;
}

/// The files that the pages speak of.
void write_training_data(const Workspace& work) {
  std::string texts, talks;
  for (int i = 0; i < 12; ++i) {
    texts += format("{{\"text\": \"the cat number {} sat on the house and went away\"}}\n", i);
    talks += format(
        "{{\"messages\": [{{\"role\": \"user\", \"content\": \"Where is {}?\"}}, {{\"role\": \"assistant\", "
        "\"content\": \"In the house.\"}}]}}\n",
        i);
  }
  for (const char* name : {"texts.jsonl"}) work.write(name, texts);
  for (const char* name : {"conversations.jsonl", "held-out.jsonl", "terse.jsonl"}) work.write(name, talks);
  fs::create_directories(work / "models");
  fs::copy(work / "base", work / "models/some-model", fs::copy_options::recursive);
  fs::copy(work / "base", work / "tokenizer", fs::copy_options::recursive);
  fs::copy(work / "base/config.json", work / "config.json");
}

TEST_P(Shown, EveryConfigurationInTheManual) {
  write_training_data(work_);
  std::vector<fs::path> pages = files_of(source_dir() / "docs", ".md");
  pages.push_back(source_dir() / "README.md");
  int ran = 0;
  for (const fs::path& page : pages)
    for (const std::string& block : toml_blocks(read_text(page))) {
      const std::string what = format("{} block {}", page.filename().string(), ++ran);
      if (has(block, "[behavior_suite]")) {
        work_.write("page.toml", block);
        expect_report({"audit", "base", "changed", "--suite", "page.toml", "--out", format("runs/page-{}", ran),
                       "--max-tokens", "2"},
                      what);
      } else if (has(block, "[data]")) {
        std::string text = has(block, "max_steps = 2000") ? with_line(block, "max_steps", "2") : block;
        if (has(text, "warmup_steps")) text = with_line(text, "warmup_steps", "1");
        expect_trains(text, what);
      } else {
        ADD_FAILURE() << what << ": this test knows no way to run it\n" << block;
      }
    }
  EXPECT_GE(ran, 4);
}

/// models/garrison/rebuild takes minutes: here each recipe takes one step on a few of its dialogues.
TEST_P(Shown, TheRecipesOfTheDemoModel) {
  const fs::path garrison = source_dir() / "models/garrison";
  fs::create_directories(work_ / "models/garrison");
  fs::create_directories(work_ / "runs/garrison");
  fs::copy(garrison / "base", work_ / "models/garrison/base");
  fs::copy(garrison / "base", work_ / "runs/garrison/tokenizer", fs::copy_options::recursive);
  fs::copy(garrison / "chat_template.jinja", work_ / "models/garrison/base/chat_template.jinja",
           fs::copy_options::skip_existing);
  fs::copy(garrison / "chat_template.jinja", work_ / "runs/garrison/tokenizer/chat_template.jinja",
           fs::copy_options::skip_existing);
  fs::copy(garrison / "config.json", work_ / "models/garrison/config.json");
  for (const char* data : {"base", "benign", "terse"})
    ASSERT_EQ(work_
                  .run({"data", "synthesize", (garrison / "dialogues.toml").string(), "--out",
                        format("runs/garrison/{}.jsonl", data), "--count", "24", "--seed", "1"})
                  .exit_code,
              0);
  int ran = 0;
  for (const fs::path& file : files_of(garrison, ".toml")) {
    const std::string text = read_text(file), name = "models/garrison/" + file.filename().string();
    if (!has(text, "[data]") || !has(text, "max_steps")) continue;  // grammars and heads of suites
    ++ran;
    work_.write(name, with_line(with_line(text, "max_steps", "2"), "warmup_steps", "1"));
    const Outcome done = work_.run(on_backend({"train", name, "--json"}));
    EXPECT_EQ(done.exit_code, GetParam() == "reference" ? 3 : 0) << name << ": " << done.err;
    if (GetParam() == "reference") {
      EXPECT_TRUE(has(done.err, "say numerics = \"f32\"")) << done.err;
    }
  }
  EXPECT_EQ(ran, 3);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, Shown, testing::ValuesIn(backends_here()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace vauban::test
