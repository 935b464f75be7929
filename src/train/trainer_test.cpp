/// What training must do whatever the model: learn, weigh tokens alike, repeat itself, and say when it cannot go on.
#include "train/trainer_test.h"

#include "base/result.h"
#include "format/peft/adapter.h"
#include "format/safetensors.h"
#include "support/model_session.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/state_json.h"
#include "train/trained_model.h"
#include "transform/merge_adapter/merge_adapter.h"

namespace vauban::test {
namespace {

class Trainer : public TrainerFixture {};

TEST_F(Trainer, RandomWeightsStartNearTheLogOfTheVocabularyAndFallBelow) {
  Process process;
  TrainingConfig c = fresh("run");
  c.max_steps = 20;
  c.batch_size = 10;
  c.optimizer.lr = 3e-3;
  VB_ASSERT_OK(process.train(c));
  const std::vector<double> losses = process.seen.losses();
  EXPECT_NEAR(losses.front(), std::log(300.0), 0.15);  // logits of spread about 0.02 * sqrt(64)
  EXPECT_LT(losses.back(), losses.front() - 1.0);
}

TEST_F(Trainer, OverfitsEightSamples) {
  std::string lines;
  for (int i = 0; i < 8; ++i)
    lines += format("{{\"prompt\": \"{} \", \"completion\": \"{}\"}}\n", i, sentences()[static_cast<std::size_t>(i)]);
  write("pairs.jsonl", lines);
  TrainingConfig c = fresh("run");
  c.data.train = {path("pairs.jsonl")};
  c.batch_size = 8;
  c.max_steps = 400;
  c.optimizer.lr = 5e-3;
  c.schedule.id = "cosine";
  Process process(2);
  VB_ASSERT_OK(process.train(c));
  EXPECT_LT(process.seen.steps.back().loss, 1e-3);
}

/// One plain gradient step of size 1, so that a difference of weights is one of gradients.
TrainingConfig one_gradient(TrainingConfig c) {
  c.max_steps = 1;
  c.shuffle = false;
  c.optimizer = {.id = "sgd", .lr = 1.0};
  c.clip = 0.0;
  return c;
}

TEST_F(Trainer, MicroBatchesOfUnequalLengthEqualOneLargeBatch) {
  TrainingConfig large = one_gradient(config("large")), small = one_gradient(config("small"));
  small.batch_size = 1;
  small.accumulation = 4;
  Process first, second;
  const auto a = first.train(large), b = second.train(small);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(first.seen.steps[0].target_tokens, second.seen.steps[0].target_tokens);
  EXPECT_NEAR(first.seen.steps[0].loss, second.seen.steps[0].loss, 1e-6);
  EXPECT_LE(largest_difference(weights(a->model), weights(b->model)), 1e-6);
  EXPECT_GT(largest_difference(weights(a->model), weights(path("base"))), 1e-3) << "the step must have moved something";
}

TEST_F(Trainer, AveragingMeansOfMicroBatchesWouldBeSeen) {
  // The famous fault, planted: each text's own mean loss, averaged. It must differ by much more than the bound above.
  TrainingConfig large = one_gradient(config("large"));
  Process whole;
  VB_ASSERT_OK(whole.train(large));
  double mean_of_means = 0.0;
  for (int i = 0; i < 4; ++i) {
    write_texts("one.jsonl", {sentences()[static_cast<std::size_t>(i)]});
    TrainingConfig one = one_gradient(config(format("one-{}", i)));
    one.data.train = {path("one.jsonl")};
    Process process;
    VB_ASSERT_OK(process.train(one));
    mean_of_means += process.seen.steps[0].loss / 4;
  }
  EXPECT_GT(std::fabs(mean_of_means - whole.seen.steps[0].loss), 1e-3);
}

TEST_F(Trainer, PromptsAreNoTargetsHoweverTheMicroBatchesFall) {
  write("some.jsonl", R"({"prompt": "the cat ", "completion": "sat"})" "\n" R"({"prompt": "a dog ", "completion": "ran away"})" "\n");
  TrainingConfig both = one_gradient(config("both"));
  both.data.train = {path("some.jsonl")};
  both.batch_size = 1;
  both.accumulation = 2;
  TrainingConfig together = both;
  together.out = path("together");
  together.batch_size = 2;
  together.accumulation = 1;
  Process first, second;
  const auto a = first.train(both), b = second.train(together);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_LT(first.seen.steps[0].target_tokens, first.seen.steps[0].tokens);
  const double largest = largest_difference(weights(a->model), weights(path("base")));
  EXPECT_LE(largest_difference(weights(a->model), weights(b->model)), 1e-6 * std::max(1.0, largest));
}

TEST_F(Trainer, PackedRowsHaveTheLossOfSingleOnes) {
  TrainingConfig packed = one_gradient(config("packed")), single = one_gradient(config("single"));
  packed.batch_tokens = 4096;
  single.batch_size = 1;
  single.accumulation = 10;
  Process first, second;
  const auto a = first.train(packed), b = second.train(single);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_NEAR(first.seen.steps[0].loss, second.seen.steps[0].loss, 1e-6);
  EXPECT_LE(largest_difference(weights(a->model), weights(b->model)), 1e-6);
}

TEST_F(Trainer, SameSeedSameBitsWithAnyThreadsAndAnotherSeedAnotherModel) {
  std::vector<std::string> models;
  for (const auto& [name, threads, seed] : {std::tuple{"a", 1, 7}, {"b", 2, 7}, {"c", 2, 8}}) {
    TrainingConfig c = fresh(name);
    c.seed = static_cast<std::uint64_t>(seed);
    Process process(threads);
    const auto done = process.train(c);
    VB_ASSERT_OK(done);
    models.push_back(read_text(done->model / "model.safetensors"));
  }
  // Metadata names the configuration: only the numbers can be compared across seeds.
  EXPECT_EQ(models[0], models[1]);
  EXPECT_GT(largest_difference(weights(path("a/model")), weights(path("c/model"))), 1e-3);
}

TEST_F(Trainer, CheckpointingOfActivationsChangesNoBit) {
  TrainingConfig plain = lora("plain"), saving = lora("saving");
  plain.lora->dropout = saving.lora->dropout = 0.2;
  saving.checkpointing = true;
  Process first, second;
  VB_ASSERT_OK(first.train(plain));
  VB_ASSERT_OK(second.train(saving));
  EXPECT_EQ(first.seen.losses(), second.seen.losses());
  EXPECT_EQ(read_text(path("plain/adapter/adapter_model.safetensors")), read_text(path("saving/adapter/adapter_model.safetensors")));
}

TEST_F(Trainer, LowerPrecisionFollowsTheCurveOfF32) {
  std::map<std::string, std::vector<double>> curves;
  for (const char* numerics : {"f32", "bf16", "f16"}) {
    TrainingConfig c = fresh(numerics);
    c.numerics = numerics;
    c.max_steps = 20;
    c.optimizer.lr = 2e-3;
    Process process;
    VB_ASSERT_OK(process.train(c));
    for (const StepReport& step : process.seen.steps)
      if (!step.skipped) curves[numerics].push_back(step.loss);
  }
  for (const char* numerics : {"bf16", "f16"}) {
    ASSERT_GE(curves[numerics].size(), 16u) << numerics;
    EXPECT_NE(curves[numerics][0], curves["f32"][0]) << numerics << " must round something";
    EXPECT_NEAR(curves[numerics][0], curves["f32"][0], 0.01) << numerics;
  }
  EXPECT_NEAR(curves["bf16"].back(), curves["f32"].back(), 0.1);
}

/// The state that a checkpoint holds beside its tensors.
TrainingState stored_state(const std::filesystem::path& checkpoint) {
  const auto file = open_safetensors(checkpoint);
  VB_EXPECT_OK(file);
  const TensorEntry* tensor = file ? (*file)->find("__training__.state") : nullptr;
  EXPECT_NE(tensor, nullptr);
  if (!tensor) return {};
  const std::string text(reinterpret_cast<const char*>(tensor->view.bytes.data()), tensor->view.bytes.size());
  return state_from_json(Json::parse(text).value()).value();
}

/// A head of a hundred times its size: gradients times 65536 leave the range of f16.
TrainingConfig overflowing(TrainingConfig c, const std::filesystem::path& base) {
  TinyModel model = make_tiny_model();
  for (float& value : model.tensors.at("lm_head.weight").values) value *= 100.0F;
  VB_EXPECT_OK(write_tiny_model(base, model));
  c.base = base.string();
  c.numerics = "f16";
  return c;
}

TEST_F(Trainer, AnOverflowOfF16HalvesTheScaleAndSkipsTheStep) {
  TrainingConfig c = overflowing(config("run"), folder_ / "steep");
  c.max_steps = 1;
  Process process;
  const auto done = process.train(c);
  VB_ASSERT_OK(done);
  ASSERT_TRUE(process.seen.steps[0].skipped);
  EXPECT_EQ(largest_difference(weights(done->model), weights(c.base)), 0.0);
  const TrainingState state = stored_state(done->checkpoint);
  EXPECT_EQ(state.step, 1);
  EXPECT_EQ(state.optimizer.step, 0) << "a skipped step is none for the optimiser";
  EXPECT_EQ(state.extra.get_double("loss_scale").value(), 32768.0);
}

TEST_F(Trainer, AnOverflowingRunGoesOnWithASmallerScale) {
  TrainingConfig c = overflowing(config("run"), folder_ / "steep");
  c.batch_size = 10;
  c.max_steps = 30;
  Process process;
  const auto done = process.train(c);
  VB_ASSERT_OK(done);
  EXPECT_FALSE(process.seen.steps.back().skipped);
  EXPECT_LT(process.seen.steps.back().loss, process.seen.steps.front().loss);
  const TrainingState state = stored_state(done->checkpoint);
  const auto skipped = std::count_if(process.seen.steps.begin(), process.seen.steps.end(), [](const StepReport& s) { return s.skipped; });
  EXPECT_EQ(state.optimizer.step, 30 - skipped);
  EXPECT_EQ(state.extra.get_double("loss_scale").value(), std::ldexp(65536.0, -static_cast<int>(skipped)));
}

TEST_F(Trainer, ADivergingRunIsAnErrorThatSaysWhatToDo) {
  TrainingConfig c = config("run");
  c.optimizer = {.id = "sgd", .lr = 1e30};
  c.clip = 0.0;
  Process process;
  const auto done = process.train(c);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ErrorCode::corrupt);
  EXPECT_NE(describe(done.error()).find("diverged at step"), std::string::npos) << describe(done.error());
  EXPECT_NE(done.error().hint.find("learning rate"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("run/model")));
}

TEST_F(Trainer, WeightsThatAreNoNumbersAreRefused) {
  TinyModel model = make_tiny_model();
  model.tensors.at("model.layers.1.mlp.up_proj.weight").values[3] = NAN;
  VB_ASSERT_OK(write_tiny_model(folder_ / "damaged", model));
  TrainingConfig c = config("run");
  c.base = path("damaged");
  Process process;
  const auto done = process.train(c);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ErrorCode::corrupt);
}

TEST_F(Trainer, StopsEarlyAndKeepsTheBestWeights) {
  TrainingConfig c = config("run");
  write_texts("held.jsonl", {"the sun is warm and the birds sing", "they went home again"});
  c.data.eval = {path("held.jsonl")};
  c.optimizer.lr = 5e-3;
  c.batch_size = 10;
  c.max_steps = 200;
  c.eval_every = 2;
  c.early_stopping = EarlyStoppingConfig{.patience = 3};
  c.keep = 1;
  Process process;
  const auto done = process.train(c);
  VB_ASSERT_OK(done);
  EXPECT_TRUE(done->stopped_early);
  EXPECT_LT(done->steps, 200);
  const auto& evals = process.seen.evals;
  const auto best = std::min_element(evals.begin(), evals.end(), [](const auto& a, const auto& b) { return a.loss < b.loss; });
  EXPECT_EQ(evals.end() - best - 1, 3) << "three evaluations without gain end the run";
  EXPECT_EQ(*done->eval_loss, best->loss);
  const auto kept = load_weights(folder_ / "run" / "checkpoints" / format("step-{:09}.safetensors", best->step));
  VB_ASSERT_OK(kept);
  for (const auto& [name, values] : weights(done->model)) EXPECT_EQ(values, to_f32(kept->tensors.at(name))) << name;
}

TEST_F(Trainer, AGainBelowMinDeltaIsNone) {
  TrainingConfig c = config("run");
  c.data.eval_fraction = 0.3;
  c.max_steps = 50;
  c.eval_every = 1;
  c.early_stopping = EarlyStoppingConfig{.patience = 2, .min_delta = 100.0};
  Process process;
  const auto done = process.train(c);
  VB_ASSERT_OK(done);
  EXPECT_EQ(done->steps, 3) << "the first evaluation is the best, two more do not gain 100 nats";
}

TEST_F(Trainer, AnAdapterStartsAsTheBaseBitForBit) {
  TrainingConfig full = config("full"), pairs = lora("lora");
  full.max_steps = pairs.max_steps = 1;
  Process first, second;
  VB_ASSERT_OK(first.train(full));
  VB_ASSERT_OK(second.train(pairs));
  EXPECT_EQ(first.seen.steps[0].loss, second.seen.steps[0].loss);
  EXPECT_LT(second.seen.facts.get_int("trainable_parameters").value(), first.seen.facts.get_int("trainable_parameters").value());
}

TEST_F(Trainer, ATrainedAdapterOpensAndEqualsItsMerge) {
  TrainingConfig c = lora("run");
  c.lora->targets = {"q_proj", "v_proj", "down_proj"};
  c.lora->rank_pattern = {"down_proj=2"};
  c.lora->use_rslora = true;
  Process process;
  const auto done = process.train(c);
  VB_ASSERT_OK(done);
  const auto adapter = Adapter::open(done->model);
  VB_ASSERT_OK(adapter);
  EXPECT_EQ((*adapter)->tensors().size(), 2u * 3 * 2);
  const auto base = ModelSource::open(path("base"));
  VB_ASSERT_OK(base);
  VB_ASSERT_OK(merge_adapter(*base, *adapter, folder_ / "merged", {.tool = "test"}, process.context()));
  const std::vector<std::int32_t> ids{1, 20, 40, 60, 259, 270, 280, 290};
  std::map<std::string, std::vector<double>> logits;
  for (const std::string& model : {path("base"), path("merged"), path("base") + "+" + done->model.string()}) {
    const auto session = ModelSession::open(model, "cpu");
    VB_ASSERT_OK(session);
    logits[model] = (*session)->logits(ids).value();
  }
  const auto distance = [&](const std::string& a, const std::string& b) {
    double largest = 0.0;
    for (std::size_t i = 0; i < logits[a].size(); ++i) largest = std::max(largest, std::fabs(logits[a][i] - logits[b][i]));
    return largest;
  };
  const std::string hot = path("base") + "+" + done->model.string();
  EXPECT_GT(distance(path("base"), hot), 1e-2) << "training must have changed something";
  EXPECT_LE(distance(path("merged"), hot), 1e-5);
}

TEST_F(Trainer, ReleasesHoldNoTrainingState) {
  Process process;
  TrainingConfig c = lora("run");
  const auto done = process.train(c);
  VB_ASSERT_OK(done);
  const auto file = open_safetensors(done->model / "adapter_model.safetensors");
  VB_ASSERT_OK(file);
  for (const TensorEntry& tensor : (*file)->tensors()) EXPECT_FALSE(tensor.name.starts_with("__training__")) << tensor.name;
}

TEST(TrainingConfigCheck, RefusesSettingsThatContradictEachOther) {
  TrainingConfig good;
  good.base = "model";
  good.out = "run";
  good.data.train = {"text.jsonl"};
  VB_EXPECT_OK(check(good));
  const auto refused = [&](auto&& change) {
    TrainingConfig c = good;
    change(c);
    const Result<void> checked = check(c);
    return !checked && checked.error().code == ErrorCode::invalid_input;
  };
  EXPECT_TRUE(refused([](auto& c) { c.base = ""; }));
  EXPECT_TRUE(refused([](auto& c) { c.init.emplace(); }));
  EXPECT_TRUE(refused([](auto& c) { c.base = "", c.init.emplace(), c.method = "lora"; }));
  EXPECT_TRUE(refused([](auto& c) { c.data.train.clear(); }));
  EXPECT_TRUE(refused([](auto& c) { c.epochs = 0; }));
  EXPECT_TRUE(refused([](auto& c) { c.early_stopping.emplace(); }));
  EXPECT_TRUE(refused([](auto& c) { c.early_stopping.emplace(), c.data.eval_fraction = 0.1; }));
  EXPECT_TRUE(refused([](auto& c) { c.eval_every = 5; }));
  EXPECT_TRUE(refused([](auto& c) { c.schedule.id = "reduce_on_plateau"; }));
  EXPECT_TRUE(refused([](auto& c) { c.data.eval = {"held.jsonl"}, c.data.eval_fraction = 0.1; }));
}

TEST_F(Trainer, AFolderThatNoRunMadeIsLeftAlone) {
  std::filesystem::create_directories(path("run/model"));
  std::ofstream(path("run/model/mine.txt")) << "mine";
  Process process;
  const auto refused = process.train(config("run"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  EXPECT_TRUE(std::filesystem::exists(path("run/model/mine.txt")));
}

TEST_F(Trainer, ABaseInsideTheRunFolderIsRefused) {
  TrainingConfig c = config("run");
  c.out = std::filesystem::path(c.base).parent_path().string();
  Process process;
  const auto refused = process.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("inside the run folder"), std::string::npos) << describe(refused.error());
  EXPECT_TRUE(std::filesystem::exists(c.base + "/config.json"));
}

TEST_F(Trainer, ALoraTableThatWouldBeIgnoredIsRefused) {
  TrainingConfig c = lora("run");
  c.method = "full";
  Process process;
  const auto refused = process.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("[lora]"), std::string::npos);
}

TEST_F(Trainer, PairsOnTheHeadAreRefusedByName) {
  TrainingConfig c = lora("run");
  c.lora->targets = {"lm_head"};
  Process process;
  const auto refused = process.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported) << describe(refused.error());
  EXPECT_NE(describe(refused.error()).find("lm_head"), std::string::npos);
}

TEST_F(Trainer, RanksInPatternsAreWholeNumbersInRange) {
  for (const char* pattern : {"q_proj=2.7", "q_proj=-4", "q_proj=1e300", "q_proj=0"}) {
    TrainingConfig c = lora("run");
    c.lora->rank_pattern = {pattern};
    Process process;
    const auto refused = process.train(c);
    ASSERT_FALSE(refused.has_value()) << pattern;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_input) << pattern;
  }
}

TEST_F(Trainer, ExamplesLongerThanTheModelAreRefusedBeforeTheFirstStep) {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "the sun is warm ";
  write_texts("long.jsonl", {"the sun", text});
  TrainingConfig c = config("run");
  c.data.train = {path("long.jsonl")};
  Process process;
  const auto refused = process.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input) << describe(refused.error());
  EXPECT_NE(describe(refused.error()).find("example 1 has"), std::string::npos) << describe(refused.error());
}

TEST_F(Trainer, LayersWithoutNamedModulesAreRefused) {
  TrainingConfig c = lora("run");
  c.lora->layers = {0};
  Process process;
  const auto refused = process.train(c);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("[lora] layers"), std::string::npos) << describe(refused.error());
}

}  // namespace
}  // namespace vauban::test
