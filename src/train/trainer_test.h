/// Runs of the trainer on the tiny model, for the tests of this folder.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/files.h"
#include "base/json_file.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "train/trainer.h"

namespace vauban::test {

/// Keeps what a run reports, and can stop or break it behind a step.
class Recorder final : public TrainingObserver {
 public:
  explicit Recorder(CancelToken& cancel) : cancel_(cancel) {}
  Result<void> on_begin(const Json& begun) override {
    facts = begun;
    return ok();
  }
  Result<void> on_step(const StepReport& report) override {
    steps.push_back(report);
    if (report.step == cancel_after) cancel_.cancel();
    if (report.step == break_after) return io("the power went off");
    return ok();
  }
  Result<void> on_eval(const EvalReport& report) override {
    evals.push_back(report);
    return ok();
  }
  std::vector<double> losses() const {
    std::vector<double> out;
    for (const StepReport& step : steps) out.push_back(step.loss);
    return out;
  }

  Json facts;
  std::vector<StepReport> steps;
  std::vector<EvalReport> evals;
  std::int64_t cancel_after = -1, break_after = -1;

 private:
  CancelToken& cancel_;
};

/// One start of the program.
class Process {
 public:
  explicit Process(int threads = 1) : pool_(threads) {}
  Result<TrainingOutcome> train(const TrainingConfig& config) {
    VB_TRY(const auto ops, make_training_backend("cpu", context_, "", config.numerics));
    VB_TRY(ModelSource base, config.init ? open_random_base(config) : ModelSource::open(config.base));
    return vauban::train(config, std::move(base), *ops, context_, seen);
  }
  const Context& context() const { return context_; }
  void cancel() { cancel_.cancel(); }

 private:
  ThreadPool pool_;
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{pool_, clock_, progress_, cancel_, 0};

 public:
  Recorder seen{cancel_};
};

/// Ten sentences of unequal length.
inline std::vector<std::string> sentences() {
  return {"the cat sat",
          "a dog ran to the old house and slept",
          "once upon a time there was a girl",
          "rain",
          "she said hello to him and he went away",
          "the end of the day is near",
          "tom and lily like to play in the park with a ball",
          "no",
          "they saw a big red bird",
          "he was happy because it was warm"};
}

class TrainerFixture : public testing::Test {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(write_tiny_model(folder_ / "base"));
    write_texts("text.jsonl", sentences());
  }
  void write(const std::string& name, const std::string& text) const {
    VB_EXPECT_OK(write_file_atomic(folder_ / name, text));
  }
  void write_texts(const std::string& name, const std::vector<std::string>& texts) const {
    std::string lines;
    for (const std::string& text : texts) lines += format("{{\"text\": \"{}\"}}\n", text);
    write(name, lines);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// Full fine-tuning of the tiny model in f32: four of ten texts a step, six steps.
  TrainingConfig config(const std::string& out) const {
    TrainingConfig c;
    c.base = path("base");
    c.out = path(out);
    c.data.train = {path("text.jsonl")};
    c.numerics = c.dtype = "f32";
    c.batch_size = 4;
    c.max_steps = 6;
    c.schedule.id = "constant";
    c.optimizer.lr = 1e-3;
    c.trackers = {};
    return c;
  }
  /// The same from random weights.
  TrainingConfig fresh(const std::string& out) const {
    TrainingConfig c = config(out);
    c.base = "";
    c.init = InitConfig{.config = path("base") + "/config.json", .tokenizer = path("base")};
    return c;
  }
  TrainingConfig lora(const std::string& out) const {
    TrainingConfig c = config(out);
    c.method = "lora";
    c.lora = LoraConfig{};
    c.lora->rank = 4;
    c.optimizer.lr = 1e-2;
    return c;
  }

  std::map<std::string, std::vector<float>> weights(const std::filesystem::path& model) const {
    std::map<std::string, std::vector<float>> out;
    const auto source = ModelSource::open(model);
    VB_EXPECT_OK(source);
    if (!source) return out;
    for (const TensorEntry& tensor : source->file->tensors()) out[tensor.name] = decode_f32(tensor.view).value();
    return out;
  }
  static double largest_difference(const std::map<std::string, std::vector<float>>& a,
                                   const std::map<std::string, std::vector<float>>& b) {
    double largest = a.size() == b.size() && !a.empty() ? 0.0 : INFINITY;
    for (const auto& [name, values] : a)
      for (std::size_t i = 0; i < values.size(); ++i)
        largest = std::max(largest, std::fabs(static_cast<double>(values[i]) - b.at(name)[i]));
    return largest;
  }

  TempDir folder_;
};

}  // namespace vauban::test
