/// A run that was stopped goes on with the bits of one that was not (F-CKPT-005, F-CKPT-019), or says why it cannot.
#include "base/result.h"
#include "train/trackers/metrics_log.h"
#include "train/trainer_test.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

struct Variation {
  const char* name;
  std::function<void(TrainingConfig&)> change;
};
const std::vector<Variation>& variations() {
  static const std::vector<Variation> list{
      {"full_f32", [](TrainingConfig&) {}},
      {"full_bf16", [](TrainingConfig& c) { c.numerics = "bf16"; }},
      {"full_f16", [](TrainingConfig& c) { c.numerics = "f16"; }},
      {"accumulated", [](TrainingConfig& c) { c.batch_size = 2, c.accumulation = 3; }},
      {"packed", [](TrainingConfig& c) { c.batch_tokens = 60; }},
      {"lora_with_dropout",
       [](TrainingConfig& c) {
         c.method = "lora", c.lora->dropout = 0.3, c.batch_size = 1, c.accumulation = 3, c.numerics = "bf16";
       }},
      {"plateau",
       [](TrainingConfig& c) {
         c.data.eval_fraction = 0.2, c.eval_every = 1, c.schedule.id = "reduce_on_plateau", c.schedule.patience = 0;
         c.optimizer.lr = 2e-2, c.early_stopping = EarlyStoppingConfig{.patience = 100};
       }},
      {"momentum", [](TrainingConfig& c) { c.optimizer = {.id = "sgd", .lr = 1e-2, .momentum = 0.9}; }},
  };
  return list;
}

class TrainerResume : public TrainerFixture {
 protected:
  std::string checkpoint(const std::string& run, int step) const {
    return read_text(folder_ / run / "checkpoints" / format("step-{:09}.safetensors", step));
  }
  std::map<std::string, std::string> release(const std::string& run) const {
    std::map<std::string, std::string> files;
    const fs::path folder = fs::exists(folder_ / run / "adapter") ? folder_ / run / "adapter" : folder_ / run / "model";
    for (const auto& entry : fs::directory_iterator(folder)) files[entry.path().filename()] = read_text(entry.path());
    return files;
  }
  void expect_equal_runs(const std::string& a, const std::string& b, int steps) const {
    EXPECT_FALSE(checkpoint(a, steps).empty());
    EXPECT_EQ(checkpoint(a, steps) == checkpoint(b, steps), true) << "checkpoints differ";
    EXPECT_EQ(release(a) == release(b), true) << "releases differ";
    EXPECT_EQ(losses(a), losses(b));
  }
  /// Of the log; each step once.
  std::vector<std::pair<std::int64_t, double>> losses(const std::string& run) const {
    std::vector<std::pair<std::int64_t, double>> out;
    const auto rows = read_metrics_log(folder_ / run / kMetricsFile);
    VB_EXPECT_OK(rows);
    for (const MetricRow& row : rows.value_or(std::vector<MetricRow>{}))
      for (const auto& [name, value] : row.metrics)
        if (name == "loss" || name == "eval_loss") out.emplace_back(row.step, value);
    return out;
  }
};

class TrainerResumes : public TrainerResume, public testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(, TrainerResumes, testing::Range<std::size_t>(0, variations().size()),
                         [](const auto& p) { return std::string(variations()[p.param].name); });

TEST_P(TrainerResumes, FourAndFourStepsEqualEightStepsBitForBit) {
  TrainingConfig whole = config("whole"), parts = config("parts");
  for (TrainingConfig* c : {&whole, &parts}) {
    c->max_steps = 8;
    variations()[GetParam()].change(*c);
  }
  Process undisturbed(2);
  VB_ASSERT_OK(undisturbed.train(whole));
  Process first;
  first.seen.cancel_after = 4;  // ten texts: in the middle of an epoch
  const auto stopped = first.train(parts);
  ASSERT_FALSE(stopped.has_value());
  ASSERT_EQ(stopped.error().code, ErrorCode::cancelled) << describe(stopped.error());
  EXPECT_FALSE(fs::exists(folder_ / "parts/model"));
  Process second;
  VB_ASSERT_OK(second.train(parts));
  EXPECT_EQ(second.seen.facts.get_int("first_step").value(), 4);
  EXPECT_EQ(second.seen.steps.size(), 4u);
  expect_equal_runs("whole", "parts", 8);
}

TEST_F(TrainerResume, ARunThatWasStoppedBeforeItsFirstStepBegins) {
  Process stopped, later, undisturbed;
  stopped.cancel();
  ASSERT_EQ(stopped.train(config("run")).error().code, ErrorCode::cancelled);
  VB_ASSERT_OK(later.train(config("run")));
  VB_ASSERT_OK(undisturbed.train(config("whole")));
  expect_equal_runs("whole", "run", 6);
}

TEST_F(TrainerResume, AnInterruptedEvaluationIsMadeUpFor) {
  TrainingConfig whole = config("whole"), parts = config("parts");
  for (TrainingConfig* c : {&whole, &parts}) {
    c->data.eval_fraction = 0.2;
    c->eval_every = 3;
  }
  Process undisturbed, first, second;
  VB_ASSERT_OK(undisturbed.train(whole));
  first.seen.cancel_after = 3;
  ASSERT_FALSE(first.train(parts).has_value());
  EXPECT_TRUE(first.seen.evals.empty());
  VB_ASSERT_OK(second.train(parts));
  EXPECT_EQ(second.seen.evals.size(), 2u);
  expect_equal_runs("whole", "parts", 6);
}

TEST_F(TrainerResume, ARunThatBrokeBeforeItsFirstCheckpointBeginsAgain) {
  TrainingConfig whole = config("whole"), parts = config("parts");
  whole.trackers = parts.trackers = {"csv", "tensorboard"};
  Process undisturbed, first, second;
  VB_ASSERT_OK(undisturbed.train(whole));
  first.seen.break_after = 3;
  ASSERT_EQ(first.train(parts).error().code, ErrorCode::io);
  VB_ASSERT_OK(second.train(parts));
  EXPECT_EQ(second.seen.steps.size(), 6u);
  expect_equal_runs("whole", "parts", 6);
}

TEST_F(TrainerResume, TheFolderOfAnotherRunIsRefusedBeforeAndAfterItsFirstCheckpoint) {
  TrainingConfig c = config("run");
  Process broken, other, stopped, later;
  broken.seen.break_after = 2;
  ASSERT_FALSE(broken.train(c).has_value());
  TrainingConfig changed = c;
  changed.optimizer.lr = 5e-4;
  const auto refused = other.train(changed);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input) << describe(refused.error());
  stopped.seen.cancel_after = 2;
  ASSERT_EQ(stopped.train(c).error().code, ErrorCode::cancelled);
  const auto refused_later = later.train(changed);
  ASSERT_FALSE(refused_later.has_value());
  EXPECT_EQ(refused_later.error().code, ErrorCode::invalid_input) << describe(refused_later.error());
  Process finishes;
  VB_EXPECT_OK(finishes.train(c));
}

TEST_F(TrainerResume, SettingsThatLeaveTheBitsAloneMayChange) {
  TrainingConfig c = config("run");
  Process first, second(2), undisturbed;
  first.seen.cancel_after = 3;
  ASSERT_FALSE(first.train(c).has_value());
  c.log_every = 2;
  c.save_every = 1;
  c.keep = 5;
  c.checkpointing = true;
  c.trackers = {"csv"};
  VB_ASSERT_OK(second.train(c));
  VB_ASSERT_OK(undisturbed.train(config("whole")));
  EXPECT_EQ(checkpoint("run", 6) == checkpoint("whole", 6), true);
}

TEST_F(TrainerResume, ChangedExamplesAreRefusedUnlessAllowed) {
  TrainingConfig c = config("run");
  Process first, second, third;
  first.seen.cancel_after = 3;
  ASSERT_FALSE(first.train(c).has_value());
  std::vector<std::string> texts = sentences();
  texts[9] += " and dry";
  texts.emplace_back("one more");
  write_texts("text.jsonl", texts);
  const auto refused = second.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(refused.error()).find("data"), std::string::npos) << describe(refused.error());
  c.allow_changed_data = true;
  const auto done = third.train(c);
  VB_ASSERT_OK(done);
  EXPECT_EQ(done->steps, 6);
  EXPECT_EQ(third.seen.steps.size(), 3u);
}

TEST_F(TrainerResume, AnotherBaseIsRefused) {
  TrainingConfig c = config("run");
  Process first, second;
  first.seen.cancel_after = 3;
  ASSERT_FALSE(first.train(c).has_value());
  VB_ASSERT_OK(write_tiny_model(folder_ / "base", {.perturb = 0.1}));
  const auto refused = second.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input) << describe(refused.error());
}

TEST_F(TrainerResume, ADamagedCheckpointIsRefused) {
  TrainingConfig c = config("run");
  Process first, second;
  first.seen.cancel_after = 3;
  ASSERT_FALSE(first.train(c).has_value());
  const fs::path file = folder_ / "run/checkpoints/step-000000003.safetensors";
  std::string bytes = read_text(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  VB_ASSERT_OK(write_file_atomic(file, bytes));
  const auto refused = second.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt) << describe(refused.error());
}

TEST_F(TrainerResume, AFinishedRunIsLeftAsItIs) {
  TrainingConfig c = config("run");
  Process first, second;
  const auto done = first.train(c);
  VB_ASSERT_OK(done);
  const auto before = release("run");
  const auto time = fs::last_write_time(done->model / "model.safetensors");
  const auto again = second.train(c);
  VB_ASSERT_OK(again);
  EXPECT_EQ(again->steps, 6);
  EXPECT_TRUE(second.seen.steps.empty());
  EXPECT_EQ(release("run") == before, true);
  EXPECT_EQ(fs::last_write_time(done->model / "model.safetensors"), time);
}

TEST_F(TrainerResume, ReleasesLostToAKillAreWrittenAgain) {
  TrainingConfig c = config("run");
  Process first, second;
  VB_ASSERT_OK(first.train(c));
  const auto before = release("run");
  fs::remove(folder_ / "run/training.json");
  fs::remove(folder_ / "run/model/model.safetensors");
  VB_ASSERT_OK(second.train(c));
  EXPECT_EQ(release("run") == before, true);
}

TEST_F(TrainerResume, RandomWeightsOfAnotherSeedOrShapeAreMadeAgain) {
  TrainingConfig c = fresh("run");
  const auto first = open_random_base(c), same = open_random_base(c);
  VB_ASSERT_OK(first);
  VB_ASSERT_OK(same);
  const std::string digest = first->file->digest();
  EXPECT_EQ(same->file->digest(), digest);
  c.seed = 9;
  const auto other = open_random_base(c);
  VB_ASSERT_OK(other);
  EXPECT_NE(other->file->digest(), digest);
  Json shape = read_json_file(c.init->config).value();
  shape["intermediate_size"] = 96;
  VB_ASSERT_OK(write_json_file(c.init->config, shape));
  const auto narrower = open_random_base(c);
  VB_ASSERT_OK(narrower);
  EXPECT_EQ(narrower->config.get_int("intermediate_size").value(), 96);
}

}  // namespace
}  // namespace vauban::test
