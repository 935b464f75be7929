/// vauban train: what it prints, what it plans, what it refuses, and that a killed run ends as one that was not.
#include <algorithm>
#include <csignal>
#include <random>
#include <thread>

#include "base/result.h"
#include "base/strings.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Train : public testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (const char* text : {"the cat sat", "a dog ran to the house", "once upon a time", "she said hello and went away", "rain", "the end"})
      lines += format("{{\"text\": \"{}\"}}\n", text);
    work_.write("text.jsonl", lines);
  }
  /// `more` stands before the tables.
  static std::string recipe(const std::string& out, const std::string& more = "", const std::string& tables = "") {
    return format("base = \"base\"\nout = \"{}\"\nnumerics = \"f32\"\ntrackers = []\nbatch_size = 2\n{}[data]\ntrain = [\"text.jsonl\"]\n{}",
                  out, more, tables);
  }
  Outcome train(const std::string& text, const std::vector<std::string>& more = {}) const {
    work_.write("train.toml", text);
    std::vector<std::string> args{"train", "train.toml", "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return work_.run(args);
  }
  void expect_refused(const std::string& text, const std::string& code, const std::string& said) const {
    const Outcome outcome = train(text);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_EQ(at(outcome.json(), {"error", "code"}).as_string(), code);
    EXPECT_NE(outcome.err.find(said), std::string::npos) << outcome.err;
  }

  const Workspace work_;
};

TEST_F(Train, PrintsALinePerStepAndALastOne) {
  const Outcome outcome = train(recipe("run", "max_steps = 4\neval_every = 2\n", "eval_fraction = 0.2\n"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  int steps = 0, evals = 0;
  const std::vector<Json> lines = outcome.json_lines();
  for (const Json& line : lines) {
    if (line.find("eval_loss")) ++evals;
    if (!line.find("loss")) continue;
    EXPECT_EQ(at(line, {"step"}).as_int(), ++steps);
    for (const char* key : {"loss", "lr", "grad_norm", "tokens_per_s", "eta_s"}) EXPECT_TRUE(at(line, {key}).is_number()) << key;
  }
  EXPECT_EQ(steps, 4);
  EXPECT_EQ(evals, 2);
  EXPECT_TRUE(at(lines.back(), {"done"}).as_bool());
  EXPECT_TRUE(at(lines.back(), {"eval"}).is_number());
  EXPECT_TRUE(fs::exists(work_ / at(lines.back(), {"checkpoint"}).as_string()));
  EXPECT_EQ(at(work_.run({"inspect", "run/model", "--json"}).json(), {"architecture"}).as_string(), "llama");
  EXPECT_TRUE(fs::exists(work_ / "run/metrics.jsonl"));
}

TEST_F(Train, AnAdapterRunsBesideItsBase) {
  ASSERT_EQ(train(recipe("run", "method = \"lora\"\nmax_steps = 2\n", "[lora]\nrank = 2\n")).exit_code, 0);
  EXPECT_EQ(work_.run({"generate", "base+run/adapter", "--prompt", "the", "--max-tokens", "4", "--json"}).exit_code, 0);
}

TEST_F(Train, RefusesWhatItCannotDo) {
  expect_refused(recipe("run", "batch_sise = 4\n"), "invalid_input", "batch_size");
  expect_refused(recipe("run", "", "[optimizer]\nid = \"adamq\"\n"), "invalid_input", "adamw");
  expect_refused(recipe("run", "", "[optimizer]\nid = \"sgd\"\nbeta1 = 0.5\n"), "invalid_input", "beta1");
  expect_refused(recipe("run", "", "[early_stopping]\npatience = 2\n"), "invalid_input", "held-out");
  expect_refused(recipe("run", "", "[init]\nconfig = \"base/config.json\"\ntokenizer = \"base\"\n"), "invalid_input", "both");
  expect_refused(recipe("run", "numeric = \"f32\"\n"), "invalid_input", "numerics");
  expect_refused("base = \"nowhere\"\nout = \"run\"\n[data]\ntrain = [\"text.jsonl\"]\n", "not_found", "nowhere");
  expect_refused("base = \"base\"\nout = \"run\"\n[data]\ntrain = [\"none.jsonl\"]\n", "not_found", "none.jsonl");
  EXPECT_EQ(work_.run({"train", "absent.toml", "--json"}).exit_code, 2);
}

TEST_F(Train, ChangedExamplesNeedAFlag) {
  const std::string text = recipe("run", "max_steps = 4\nsave_every = 1\n");
  ASSERT_EQ(train(text).exit_code, 0);
  work_.write("text.jsonl", read_text(work_ / "text.jsonl") + "{\"text\": \"more\"}\n");
  EXPECT_EQ(train(text).exit_code, 2);
  EXPECT_EQ(train(text, {"--allow-changed-data"}).exit_code, 0);
}

TEST_F(Train, PlanTellsTheMemoryWithinATenth) {
  write_json(work_ / "wide.json", [&] {
    Json config = read_json(work_ / "base/config.json");
    config["hidden_size"] = 384;
    config["num_attention_heads"] = 12;
    config["num_key_value_heads"] = 12;
    config["head_dim"] = 32;
    config["intermediate_size"] = 1024;
    config["num_hidden_layers"] = 5;
    return config;
  }());
  std::string lines;
  for (int i = 0; i < 12; ++i) lines += format("{{\"text\": \"{} the cat sat on a big old house and went away to play\"}}\n", i);
  work_.write("text.jsonl", lines);
  const std::string text =
      "out = \"run\"\nnumerics = \"f32\"\ntrackers = []\nbatch_size = 2\nmax_steps = 3\n"
      "[init]\nconfig = \"wide.json\"\ntokenizer = \"base\"\n[data]\ntrain = [\"text.jsonl\"]\n";
  const Outcome planned = train(text, {"--plan"});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_FALSE(fs::exists(work_ / "run/checkpoints"));
  const Outcome done = train(text);
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const double plan = at(planned.json(), {"memory", "peak_bytes"}).as_double();
  const double peak = at(done.json_lines().back(), {"peak_memory_bytes"}).as_double();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_NEAR(plan / peak, 1.0, 0.1) << "plan " << plan << ", measured " << peak;
#endif
  EXPECT_EQ(at(planned.json(), {"steps"}).as_int(), 3);
  EXPECT_GT(at(planned.json(), {"trainable_parameters"}).as_int(), 8'000'000);
  EXPECT_GT(peak, 0.0);
}

TEST_F(Train, KilledAtRandomMomentsTheRunEndsWithTheSameBits) {
  const auto plain = [](const std::string& out) { return recipe(out, "max_steps = 24\nsave_every = 1\naccumulation = 2\n"); };
  ASSERT_EQ(train(plain("whole")).exit_code, 0);
  constexpr std::uint64_t kSeed = 20261121;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  std::mt19937_64 random(kSeed);
  int killed = 0;
  work_.write("killed.toml", plain("killed"));
  for (int i = 0; i < 6; ++i) {
    Program program({"train", "killed.toml", "--json"}, work_.path());
    const std::size_t rows = random() % 5 + static_cast<std::size_t>(4 * i);
    const auto grown = [&] {
      const std::string log = fs::exists(work_ / "killed/metrics.jsonl") ? read_text(work_ / "killed/metrics.jsonl") : "";
      return static_cast<std::size_t>(std::count(log.begin(), log.end(), '\n')) >= rows;
    };
    while (program.is_running() && !grown()) std::this_thread::sleep_for(100us);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    program.send(SIGKILL);
    killed += program.wait().signal == SIGKILL;
  }
  EXPECT_GT(killed, 0);
  ASSERT_EQ(train(plain("killed")).exit_code, 0);
  EXPECT_EQ(files_below(work_ / "killed/model") == files_below(work_ / "whole/model"), true);
  EXPECT_EQ(read_text(work_ / "killed/checkpoints/step-000000024.safetensors") ==
                read_text(work_ / "whole/checkpoints/step-000000024.safetensors"),
            true);
}

TEST(TrainLists, NameWhatAConfigurationMayChoose) {
  for (const auto& [what, id] : {std::pair{"optimizers", "adamw"}, {"schedules", "cosine"}, {"trackers", "tensorboard"}}) {
    bool found = false;
    for (const Json& row : vauban({"list", what, "--json"}).json().items()) found = found || at(row, {"id"}).as_string() == id;
    EXPECT_TRUE(found) << what;
  }
  const Json schema = vauban({"schema", "training"}).json();
  EXPECT_FALSE(at(schema, {"additionalProperties"}).as_bool());
  EXPECT_EQ(at(schema, {"properties", "batch_size", "type"}).as_string(), "integer");
}

}  // namespace
}  // namespace vauban::test
