/// LoRA on the tape against PyTorch's autograd in f64, and over quantised bases
/// (shared/data/golden/torch_train_stories260K.json, shared/data/models/gguf).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "backends/backends.h"
#include "base/json_file.h"
#include "base/rng.h"
#include "format/safetensors_writer.h"
#include "golden/golden_case.h"
#include "golden/training_bench.h"
#include "model/init_adapter.h"
#include "support/test_data.h"
#include "train/optim/optimizers.h"

namespace vauban::test {
namespace {

using Document = TrainingBench::Document;
constexpr const char* kGolden = "golden/torch_train_stories260K.json";
constexpr const char* kModel = "models/stories260K/hf";

std::string key_of(std::int64_t layer, const char* module, const char* part) {
  return format("base_model.model.model.layers.{}.self_attn.{}.lora_{}.weight", layer, module, part);
}

/// A[i][j] = 0.02 sin(1 + i * in + j) and B = 0 (or another wave, times `b`) beside v_proj and o_proj of every layer.
Result<std::shared_ptr<const Adapter>> golden_adapter(const ModelSource& base, double b = 0.0, double dropout = 0.0) {
  AdapterConfig config{.rank = 4, .alpha = 8.0, .dropout = dropout};
  config.target_modules.names = {"v_proj", "o_proj"};
  VB_TRY(const auto fresh, init_adapter(config, base, 0));
  std::map<std::string, std::vector<float>> values;
  for (const AdapterTensor& tensor : fresh->tensors()) {
    const bool is_a = tensor.parsed.part == AdapterPart::lora_a;
    auto& made = values[fresh->weight_name(tensor)];
    for (std::int64_t i = 0; i < tensor.view.shape.elements(); ++i)
      made.push_back(static_cast<float>((is_a ? 0.02 : b) * std::sin(1.0 + static_cast<double>(i))));
  }
  return fresh->with_values(values);
}

/// A model whose only parameters are the pairs of an adapter.
struct LoraBench {
  std::unique_ptr<ThreadPool> threads;
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  std::unique_ptr<Context> context;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<Tape> tape;
  std::unique_ptr<Model> model;

  Parameter* find(std::string_view name) const {
    for (Parameter& p : tape->parameters())
      if (p.weight.name == name) return &p;
    return nullptr;
  }
  std::vector<ParameterSlot> slots() const {
    std::vector<ParameterSlot> out;
    for (Parameter& p : tape->parameters())
      out.push_back({.name = p.weight.name, .shape = p.weight.shape, .dtype = p.gradient.dtype(),
                     .value = p.weight.tensor.data(), .grad = p.gradient.data(), .decay = true});
    return out;
  }
  std::vector<std::vector<double>> gradients() const {
    std::vector<std::vector<double>> out;
    for (const Parameter& p : tape->parameters()) out.push_back(to_f64(p.gradient));
    return out;
  }
  Result<double> backward(const std::vector<Document>& documents, std::uint64_t masks = 0) const {
    Batch batch;
    std::vector<std::int32_t> targets;
    for (const Document& document : documents) {
      const auto first = static_cast<std::int32_t>(batch.ids.size()), rows = static_cast<std::int32_t>(document.inputs.size());
      batch.sequences.push_back({.first_row = first, .rows = rows, .past = 0, .pages = {}});
      for (std::int32_t i = 0; i < rows; ++i) {
        batch.ids.push_back(document.inputs[static_cast<std::size_t>(i)]);
        batch.positions.push_back(i);
        batch.output_rows.push_back(first + i);
      }
      targets.insert(targets.end(), document.targets.begin(), document.targets.end());
    }
    tape->set_dropout({.seed = masks, .stream = 0});
    tape->begin_step();
    model->network->forward(*tape, tape->no_store(), batch, tape->boundaries(model->config.layers));
    const double n = static_cast<double>(targets.size());
    VB_TRY(const std::vector<double> logprobs, tape->backward(targets, std::vector<double>(targets.size(), -1.0 / n)));
    VB_CHECK(tape->end_step());
    double sum = 0.0;
    for (const double value : logprobs) sum -= value;
    return sum / n;
  }
};

Result<std::unique_ptr<LoraBench>> open_bench(const ModelSource& base, const TrainingBackend& backend,
                                              std::shared_ptr<const Adapter> adapter, bool checkpointing = false) {
  auto bench = std::make_unique<LoraBench>();
  bench->threads = std::make_unique<ThreadPool>(1);
  bench->context = std::make_unique<Context>(*bench->threads, bench->clock, bench->progress, bench->cancel, 0);
  VB_TRY(bench->ops, make_training_backend(backend.id, *bench->context, "",
                                           backend.id == "cpu" ? to_string(backend.numerics) : "f32"));
  std::set<std::string> names;
  for (const AdapterTensor& tensor : adapter->tensors()) names.insert(adapter->weight_name(tensor));
  const auto trainable = [names](std::string_view name) { return names.contains(std::string(name)); };
  VB_TRY(bench->tape, Tape::create(*bench->ops, {.trainable = trainable, .checkpointing = checkpointing}));
  const std::vector<std::shared_ptr<const Adapter>> adapters{std::move(adapter)};
  VB_TRY(bench->model, Model::load(base, *bench->tape, *bench->context, adapters));
  return bench;
}

std::vector<Document> documents_of(const Json& golden) {
  std::vector<Document> documents;
  for (std::size_t i = 0; i < golden.find("tokens_x")->size(); ++i)
    documents.push_back({ids(golden.find("tokens_x")->items()[i]), ids(golden.find("tokens_y")->items()[i])});
  return documents;
}

/// A and B of the golden as f64 where the backend computes so: the f32 file rounds them.
void set_exact(const LoraBench& bench) {
  for (Parameter& p : bench.tape->parameters()) {
    if (p.weight.tensor.dtype() != DType::f64 || p.weight.name.find("lora_A") == std::string::npos) continue;
    for (std::int64_t i = 0; i < p.weight.shape.elements(); ++i)
      p.weight.tensor.as<double>()[i] = 0.02 * std::sin(1.0 + static_cast<double>(i));
  }
  bench.tape->parameters_changed();
}

/// log softmax of the last position, by asking for the log-probability of every token there.
Result<std::vector<double>> last_logprobs(const LoraBench& bench, const std::vector<std::int32_t>& input) {
  Batch batch{.ids = input};
  batch.sequences.push_back({.first_row = 0, .rows = static_cast<std::int32_t>(input.size()), .past = 0, .pages = {}});
  for (std::size_t i = 0; i < input.size(); ++i) batch.positions.push_back(static_cast<std::int32_t>(i));
  std::vector<std::int32_t> targets;
  for (std::int32_t id = 0; id < bench.model->config.vocab_size; ++id) {
    batch.output_rows.push_back(static_cast<std::int32_t>(input.size()) - 1);
    targets.push_back(id);
  }
  bench.tape->set_recording(false);
  bench.tape->begin_step();
  bench.model->network->forward(*bench.tape, bench.tape->no_store(), batch, bench.tape->boundaries(0));
  VB_TRY(std::vector<double> logprobs, bench.tape->logprobs(targets));
  bench.tape->set_recording(true);
  VB_CHECK(bench.tape->end_step());
  return logprobs;
}

std::vector<double> log_softmax(std::vector<double> logits) {
  double sum = 0.0;
  for (const double value : logits) sum += std::exp(value);
  for (double& value : logits) value -= std::log(sum);
  return logits;
}

struct Case {
  TrainingBackend backend;
  double tolerance;
};
class LoraGolden : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    VB_NEED_SHARED(kGolden);
    golden_ = read_golden(kGolden).value();
    base_ = ModelSource::open(shared_data() / kModel).value();
  }
  Json golden_;
  ModelSource base_;
};
/// The reference computes in f64, the others in f32.
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string_view id : trainers_here())
    cases.push_back({{id, TrainingNumerics::f32}, id == "reference" ? 1e-9 : 1e-5});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(, LoraGolden,
                         testing::ValuesIn(all_cases()),
                         [](const auto& c) { return std::string(c.param.backend.id); });

TEST_P(LoraGolden, TenStepsEqualTorch) {
  const auto adapter = golden_adapter(base_);
  VB_ASSERT_OK(adapter);
  const auto opened = open_bench(base_, GetParam().backend, *adapter);
  VB_ASSERT_OK(opened);
  const LoraBench& bench = **opened;
  EXPECT_EQ(bench.tape->parameters().size(), 2u * 2 * 5);
  set_exact(bench);
  const auto optimizer = make_optimizer(
      {.id = "adamw", .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.0}, *bench.context);
  VB_ASSERT_OK(optimizer);
  const std::vector<Document> documents = documents_of(golden_);
  std::vector<double> losses;
  for (int step = 0; step < 10; ++step) {
    bench.tape->zero_gradients();
    const Result<double> loss = bench.backward(documents);
    VB_ASSERT_OK(loss);
    losses.push_back(*loss);
    VB_ASSERT_OK((*optimizer)->step(bench.slots(), 1e-2));  // not clipped, other than the golden's full run
    bench.tape->parameters_changed();
  }
  const Json& expected = *golden_.find("lora_finetune");
  EXPECT_LE(max_difference(losses, numbers(*expected.find("losses"))), GetParam().tolerance);
  const double bound = 10 * GetParam().tolerance;  // ten steps amplify a rounding
  EXPECT_LE(max_difference(to_f64(bench.find(key_of(0, "v_proj", "A"))->weight.tensor), joined_rows(*expected.find("A_layer0_v"))), bound);
  EXPECT_LE(max_difference(to_f64(bench.find(key_of(0, "v_proj", "B"))->weight.tensor), joined_rows(*expected.find("B_layer0_v"))), bound);
  std::vector<double> norms;
  for (std::int64_t layer = 0; layer < 5; ++layer) {
    double squares = 0.0;
    for (const double value : to_f64(bench.find(key_of(layer, "v_proj", "B"))->weight.tensor)) squares += value * value;
    norms.push_back(std::sqrt(squares));
  }
  EXPECT_LE(max_difference(norms, numbers(*expected.find("B_norms"))), bound);
  const auto logprobs = last_logprobs(bench, ids(*expected.find("check_ids")));
  VB_ASSERT_OK(logprobs);
  EXPECT_LE(max_difference(*logprobs, log_softmax(numbers(*expected.find("logits_last_after_training")))), 10 * bound);
}

TEST_P(LoraGolden, CheckpointingWithDropoutChangesNoBitAndOtherMasksDo) {
  const auto adapter = golden_adapter(base_, 0.02, 0.25);
  VB_ASSERT_OK(adapter);
  const auto plain = open_bench(base_, GetParam().backend, *adapter), saving = open_bench(base_, GetParam().backend, *adapter, true);
  VB_ASSERT_OK(plain);
  VB_ASSERT_OK(saving);
  const std::vector<Document> documents = documents_of(golden_);
  const auto a = (*plain)->backward(documents, 5), b = (*saving)->backward(documents, 5);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(*a, *b);
  EXPECT_EQ((*plain)->gradients(), (*saving)->gradients());
  const auto c = (*plain)->backward(documents, 6);
  VB_ASSERT_OK(c);
  EXPECT_NE(*a, *c);
}

/// The same model with every tensor decoded to f32.
Result<ModelSource> decoded(const ModelSource& source, std::map<std::string, std::vector<float>>& memory) {
  std::vector<TensorEntry> tensors;
  for (const TensorEntry& tensor : source.file->tensors()) {
    VB_TRY(memory[tensor.name], decode_f32(tensor.view));
    tensors.push_back({tensor.name, {DType::f32, tensor.view.shape, std::as_bytes(std::span(memory[tensor.name]))}});
  }
  ModelSource out = source;
  VB_TRY(out.file, ModelFile::make(Container::gguf, source.file->files(), std::move(tensors), source.file->metadata()));
  return out;
}

double largest(const std::vector<double>& values) {
  double out = 0.0;
  for (const double value : values) out = std::max(out, std::fabs(value));
  return out;
}

TEST_P(LoraGolden, GradientsOverAQuantisedBaseEqualThoseOverTheDecodedOne) {
  for (const char* type : {"Q8_0", "Q4_0", "Q4_1", "Q5_0"}) {
    SCOPED_TRACE(type);
    const std::string path = format("models/gguf/TinyStories-656K-{}.gguf", type);
    VB_NEED_SHARED(path);
    const auto quantised = ModelSource::open(shared_data() / path);
    VB_ASSERT_OK(quantised);
    const std::string before = quantised->file->digest();
    std::map<std::string, std::vector<float>> memory;
    const auto dense = decoded(*quantised, memory);
    VB_ASSERT_OK(dense);
    const auto adapter = golden_adapter(*quantised, 0.02);
    VB_ASSERT_OK(adapter);
    const auto frozen = open_bench(*quantised, GetParam().backend, *adapter), plain = open_bench(*dense, GetParam().backend, *adapter);
    VB_ASSERT_OK(frozen);
    VB_ASSERT_OK(plain);
    const std::vector<Document> documents{{{1, 40, 77, 12, 99, 150, 31}, {40, 77, 12, 99, 150, 31, 8}}, {{1, 5, 9}, {5, 9, 300}}};
    const auto a = (*frozen)->backward(documents), b = (*plain)->backward(documents);
    VB_ASSERT_OK(a);
    VB_ASSERT_OK(b);
    // In f32 a product over blocks and one over f32 rows add in another order.
    EXPECT_NEAR(*a, *b, GetParam().tolerance);
    const auto mine = (*frozen)->gradients(), theirs = (*plain)->gradients();
    ASSERT_EQ(mine.size(), theirs.size());
    for (std::size_t i = 0; i < mine.size(); ++i) {
      ASSERT_GT(largest(theirs[i]), 0.0) << i;
      EXPECT_LE(max_difference(mine[i], theirs[i]), 10 * GetParam().tolerance * largest(theirs[i])) << i;
    }
    EXPECT_EQ(ModelSource::open(shared_data() / path)->file->digest(), before);
  }
}

}  // namespace
}  // namespace vauban::test
