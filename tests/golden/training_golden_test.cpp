/// Gradients, AdamW steps and invariants of the tape against PyTorch's autograd in f64
/// (shared/data/golden/torch_train_stories260K.json).
#include <gtest/gtest.h>

#include <cmath>

#include "base/json_file.h"
#include "golden/golden_case.h"
#include "golden/training_bench.h"
#include "support/test_data.h"
#include "train/clip.h"
#include "train/optim/optimizers.h"

namespace vauban::test {
namespace {

using Document = TrainingBench::Document;

struct Case {
  TrainingBackend backend;
  double tolerance;
};
class TrainingGolden : public testing::TestWithParam<Case> {};
/// The reference computes in f64, the others in f32.
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string_view id : trainers_here())
    cases.push_back({{id, TrainingNumerics::f32}, id == "reference" ? 1e-9 : 1e-5});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(, TrainingGolden,
                         testing::ValuesIn(all_cases()),
                         [](const auto& c) { return std::string(c.param.backend.id); });

std::vector<Document> documents_of(const Json& golden) {
  std::vector<Document> documents;
  for (std::size_t i = 0; i < golden.find("tokens_x")->size(); ++i)
    documents.push_back({ids(golden.find("tokens_x")->items()[i]), ids(golden.find("tokens_y")->items()[i])});
  return documents;
}

double number(const Json& object, std::initializer_list<const char*> path) {
  const Json* at = &object;
  for (const char* key : path) at = at->find(key);
  return at->as_double();
}

/// The golden's q and k rows are in interleaved rotary order: row (head, pair p, half h) is 2 p + h there, h * d/2 + p here.
std::size_t golden_row(std::size_t row, std::size_t head_dim) {
  const std::size_t head = row / head_dim, in = row % head_dim, half = head_dim / 2;
  return head * head_dim + (in % half) * 2 + in / half;
}

struct GradientSummary {
  double l2 = 0.0, sum = 0.0;
  std::vector<double> values;  ///< in the golden's row order
};

GradientSummary summary_of(const Parameter& parameter, std::size_t head_dim) {
  const std::vector<double> mine = to_f64(parameter.gradient);
  const std::string& name = parameter.weight.name;
  const bool rotary = name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight");
  GradientSummary out;
  out.values.resize(mine.size());
  const auto width = static_cast<std::size_t>(parameter.weight.shape.width());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const std::size_t row = rotary ? golden_row(i / width, head_dim) : i / width;
    out.values[row * width + i % width] = mine[i];
    out.sum += mine[i];
    out.l2 += mine[i] * mine[i];
  }
  out.l2 = std::sqrt(out.l2);
  return out;
}

constexpr const char* kGolden = "golden/torch_train_stories260K.json";
constexpr const char* kModel = "models/stories260K/hf";

TEST_P(TrainingGolden, LossAndEveryGradientEqualAutograd) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  const auto opened = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend});
  VB_ASSERT_OK(opened);
  TrainingBench& bench = **opened;
  const Result<double> loss = bench.backward(documents_of(golden));
  VB_ASSERT_OK(loss);
  const double tolerance = GetParam().tolerance;
  EXPECT_NEAR(*loss, number(golden, {"backward", "loss"}), tolerance);
  double squares = 0.0;
  for (const auto& [name, expected] : golden.find("backward")->find("grads")->entries()) {
    const Parameter* parameter = bench.find(name == "norm.weight" ? "model.norm.weight" : name);
    ASSERT_NE(parameter, nullptr) << name;
    const GradientSummary mine = summary_of(*parameter, static_cast<std::size_t>(bench.model().config.head_dim));
    const double scale = number(expected, {"l2"});
    squares += mine.l2 * mine.l2;
    EXPECT_NEAR(mine.l2, scale, tolerance * scale) << name;
    EXPECT_NEAR(mine.sum, number(expected, {"sum"}), tolerance * scale * 4) << name;
    const std::vector<double> first = numbers(*expected.find("first5"));
    for (std::size_t i = 0; i < first.size(); ++i)
      EXPECT_NEAR(mine.values[i], first[i], tolerance * scale) << name << " " << i;
    if (const Json* full = expected.find("full")) {
      const std::vector<double> all = full->items()[0].is_array() ? joined_rows(*full) : numbers(*full);
      EXPECT_LE(max_difference(mine.values, all), tolerance * scale) << name;
    }
  }
  EXPECT_EQ(golden.find("backward")->find("grads")->size(), bench.tape().parameters().size());
  const double norm = number(golden, {"backward", "total_grad_norm"});
  EXPECT_NEAR(std::sqrt(squares), norm, tolerance * norm);
}

std::vector<ParameterSlot> slots_of(TrainingBench& bench) {
  std::vector<ParameterSlot> slots;
  for (Parameter& p : bench.tape().parameters())
    slots.push_back({.name = p.weight.name,
                     .shape = p.weight.shape,
                     .dtype = p.gradient.dtype(),
                     .value = p.weight.tensor.data(),
                     .grad = p.gradient.data(),
                     .decay = p.weight.shape.rank() > 1});
  return slots;
}

/// `steps` of AdamW as the golden describes them; the loss before each.
std::vector<double> train(TrainingBench& bench, std::span<const Document> documents, int steps, double lr,
                          double weight_decay) {
  auto optimizer = make_optimizer(
      {.id = "adamw", .lr = lr, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = weight_decay},
      bench.context());
  std::vector<double> losses;
  const std::vector<ParameterSlot> slots = slots_of(bench);
  for (int step = 0; optimizer && step < steps; ++step) {
    bench.tape().zero_gradients();
    const Result<double> loss = bench.backward(documents);
    if (!loss) break;
    losses.push_back(*loss);
    const double norm = global_norm(slots, bench.context().pool);
    if (!(*optimizer)->step(slots, lr, clip_factor(norm, 1.0))) break;
    bench.tape().parameters_changed();
  }
  return losses;
}

TEST_P(TrainingGolden, TenAdamWStepsEqualTorch) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  const auto opened = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend});
  VB_ASSERT_OK(opened);
  TrainingBench& bench = **opened;
  const std::vector<double> losses = train(bench, documents_of(golden), 10, 1e-3, 0.1);
  const Json& expected = *golden.find("full_finetune");
  ASSERT_EQ(losses.size(), 10u);
  EXPECT_LE(max_difference(losses, numbers(*expected.find("losses"))), GetParam().tolerance);
  // Ten steps amplify a rounding: the weights get ten tolerances.
  const double bound = 10 * GetParam().tolerance;
  EXPECT_LE(max_difference(to_f64(bench.find("model.norm.weight")->weight.tensor),
                           numbers(*expected.find("final_norm_weight"))),
            bound);
  EXPECT_LE(max_difference(to_f64(bench.find("model.embed_tokens.weight")->weight.tensor.rows(1, 2)),
                           numbers(*expected.find("embed_row_1"))),
            bound);
}

std::vector<std::vector<double>> gradients_of(TrainingBench& bench) {
  std::vector<std::vector<double>> out;
  for (const Parameter& p : bench.tape().parameters()) out.push_back(to_f64(p.gradient));
  return out;
}

TEST_P(TrainingGolden, CheckpointingChangesNoBit) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  std::vector<std::vector<double>> gradients[2];
  for (const bool checkpointing : {false, true}) {
    const auto bench = TrainingBench::open(shared_data() / kModel,
                                           {.backend = GetParam().backend, .checkpointing = checkpointing});
    VB_ASSERT_OK(bench);
    VB_ASSERT_OK((*bench)->backward(documents_of(golden)));
    gradients[checkpointing] = gradients_of(**bench);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST_P(TrainingGolden, ThreadsChangeNoBit) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  std::vector<std::vector<double>> gradients[2];
  for (const int threads : {1, 2}) {
    const auto bench =
        TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend, .threads = threads});
    VB_ASSERT_OK(bench);
    VB_ASSERT_OK((*bench)->backward(documents_of(golden)));
    gradients[threads - 1] = gradients_of(**bench);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST_P(TrainingGolden, DocumentsOfUnequalLengthTogetherEqualThemOneByOne) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  std::vector<Document> documents = documents_of(golden);
  documents[0].inputs.resize(7);
  documents[0].targets.resize(7);
  const std::vector<Document> first{documents[0]}, second{documents[1]};
  const double n = static_cast<double>(documents[0].targets.size() + documents[1].targets.size());
  const auto together = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend});
  const auto apart = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend});
  VB_ASSERT_OK(together);
  VB_ASSERT_OK(apart);
  VB_ASSERT_OK((*together)->backward(documents));
  VB_ASSERT_OK((*apart)->backward(first, static_cast<double>(first[0].targets.size()) / n));
  VB_ASSERT_OK((*apart)->backward(second, static_cast<double>(second[0].targets.size()) / n));
  const auto whole = gradients_of(**together), sum = gradients_of(**apart);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_LE(max_difference(whole[i], sum[i]), 1e-6) << i;
}

TEST_P(TrainingGolden, EvaluationHasTheLossOfTraining) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  const auto bench = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend});
  VB_ASSERT_OK(bench);
  const Result<double> evaluated = (*bench)->loss(documents_of(golden)), trained = (*bench)->backward(documents_of(golden));
  VB_ASSERT_OK(evaluated);
  VB_ASSERT_OK(trained);
  EXPECT_EQ(*evaluated, *trained);
}

TEST_P(TrainingGolden, FrozenWeightsGetNoGradientAndTheOthersTheSame) {
  VB_NEED_SHARED(kGolden);
  const Result<Json> read = read_golden(kGolden);
  VB_ASSERT_OK(read);
  const Json& golden = *read;
  const auto some = [](std::string_view name) { return name.find("layers.3.") != std::string_view::npos; };
  const auto whole = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend});
  const auto partial = TrainingBench::open(shared_data() / kModel, {.backend = GetParam().backend, .trainable = some});
  VB_ASSERT_OK(whole);
  VB_ASSERT_OK(partial);
  VB_ASSERT_OK((*whole)->backward(documents_of(golden)));
  VB_ASSERT_OK((*partial)->backward(documents_of(golden)));
  EXPECT_EQ((*partial)->tape().parameters().size(), 9u);
  for (const Parameter& p : (*partial)->tape().parameters())
    EXPECT_EQ(to_f64(p.gradient), to_f64((*whole)->find(p.weight.name)->gradient)) << p.weight.name;
}

}  // namespace
}  // namespace vauban::test
