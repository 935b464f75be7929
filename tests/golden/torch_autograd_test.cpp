/// LibTorch's autograd over one whole forward pass, as the outside answer for the tape of train/: the networks' own
/// forward functions run on TorchOps, which records LibTorch's graph, and one backward gives every gradient.
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "backends/torch/torch_ops.h"
#include "base/result.h"
#include "golden/training_bench.h"
#include "model/unstored.h"
#include "support/backends_here.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

using Document = TrainingBench::Document;
using torch_backend::TorchOps;

/// Every weight that is loaded becomes a leaf of LibTorch's graph.
class LeafOps final : public TorchOps {
 public:
  LeafOps() : TorchOps({.device = at::kCPU, .native = false, .training = true, .threads = 1}) {}
  Result<Weight> load_weight(std::string name, const TensorView& view,
                             std::shared_ptr<const void> keep_alive) override {
    VB_TRY(Weight weight, TorchOps::load_weight(std::move(name), view, std::move(keep_alive)));
    if (weight.name == kOnes) return weight;  // of norms without a weight
    at::Tensor leaf = dynamic_cast<torch_backend::TorchStorage&>(*weight.tensor.storage()).tensor();
    leaf.requires_grad_(true);
    leaves.emplace(weight.name, leaf);
    return weight;
  }
  std::map<std::string, at::Tensor> leaves;
};

/// Mean cross entropy of the documents, and its gradient by every weight.
struct Graph {
  double loss = 0.0;
  std::map<std::string, std::vector<double>> gradients;
};

Result<Graph> differentiate(const std::filesystem::path& path, std::span<const Document> documents) {
  const TestContext services(1, 1);
  LeafOps ops;
  VB_TRY(const ModelSource source, ModelSource::open(path));
  VB_TRY(const auto model, Model::load(source, ops, services.context_));

  Batch batch;
  std::vector<std::int64_t> targets;
  for (const Document& document : documents) {
    const auto first = static_cast<std::int32_t>(batch.ids.size()), rows = static_cast<std::int32_t>(document.inputs.size());
    batch.sequences.push_back(
        {.first_row = first, .rows = rows, .past = 0, .pages = {static_cast<std::int32_t>(batch.sequences.size())}});
    for (std::int32_t i = 0; i < rows; ++i) {
      batch.ids.push_back(document.inputs[static_cast<std::size_t>(i)]);
      batch.positions.push_back(i);
      batch.output_rows.push_back(first + i);
    }
    targets.insert(targets.end(), document.targets.begin(), document.targets.end());
  }
  KvGeometry geometry = model->network->kv_geometry();
  geometry.page_tokens = 64;
  geometry.pages = static_cast<std::int32_t>(documents.size());
  VB_TRY(const auto store, ops.make_kv_store(geometry));

  ops.begin_step();
  const Tensor logits = model->network->forward(ops, *store, batch, NoTap());
  VB_CHECK(ops.end_step());
  const c10::AutoGradMode graph(true);
  const at::Tensor picks = at::from_blob(targets.data(), {std::ssize(targets), 1}, at::TensorOptions(at::kLong));
  const at::Tensor loss = -at::log_softmax(dynamic_cast<torch_backend::TorchStorage&>(*logits.storage()).tensor(), -1)
                               .gather(1, picks)
                               .mean();
  Graph out{.loss = loss.item<double>(), .gradients = {}};
  std::vector<at::Tensor> leaves;
  for (const auto& [name, leaf] : ops.leaves) leaves.push_back(leaf);
  const auto gradients = torch::autograd::grad({loss}, leaves, {}, {}, false, true);
  std::size_t i = 0;
  for (const auto& [name, leaf] : ops.leaves) {
    const at::Tensor gradient = gradients[i++];
    if (!gradient.defined()) continue;
    const at::Tensor wide = gradient.to(at::kDouble).contiguous();
    out.gradients[name].assign(wide.data_ptr<double>(), wide.data_ptr<double>() + wide.numel());
  }
  return out;
}

double norm(const std::vector<double>& a) {
  double squares = 0.0;
  for (const double value : a) squares += value * value;
  return std::sqrt(squares);
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference(b.size());
  std::ranges::transform(a, b, difference.begin(), std::minus());
  return norm(difference);
}

/// Two documents of unequal length in one step: neither may see the other.
std::vector<Document> some_documents(std::int32_t vocabulary) {
  std::vector<Document> documents(2);
  for (std::int32_t i = 0; i < 31; ++i) {
    Document& document = documents[i < 19 ? 0 : 1];
    document.inputs.push_back((i * 37 + 5) % vocabulary);
    document.targets.push_back((i * 53 + 11) % vocabulary);
  }
  return documents;
}

class Autograd : public testing::TestWithParam<std::string> {
 protected:
  void expect_tape_equals_autograd(const std::filesystem::path& path, std::int32_t vocabulary) {
    const std::vector<Document> documents = some_documents(vocabulary);
    const Result<Graph> graph = differentiate(path, documents);
    VB_ASSERT_OK(graph);
    const auto bench = TrainingBench::open(path, {.backend = {.id = GetParam()}});
    VB_ASSERT_OK(bench);
    const Result<double> loss = (*bench)->backward(documents);
    VB_ASSERT_OK(loss);
    EXPECT_NEAR(*loss, graph->loss, 1e-5 * graph->loss);
    double largest = 0.0;
    for (const auto& [name, gradient] : graph->gradients) largest = std::max(largest, norm(gradient));
    std::size_t compared = 0;
    for (const Parameter& parameter : (*bench)->tape().parameters()) {
      const auto outside = graph->gradients.find(parameter.weight.name);
      ASSERT_NE(outside, graph->gradients.end()) << parameter.weight.name;
      // f32 on LibTorch's side: measured 2e-7 to 3e-6. A bias of keys changes nothing: both sides have only noise.
      EXPECT_LE(distance(to_f64(parameter.gradient), outside->second), 2e-5 * norm(outside->second) + 1e-7 * largest)
          << parameter.weight.name;
      ++compared;
    }
    EXPECT_EQ(compared, graph->gradients.size());
    EXPECT_GT(compared, 10U);
  }
};
INSTANTIATE_TEST_SUITE_P(Tapes, Autograd, testing::ValuesIn(backends_here()), [](const auto& c) { return c.param; });

TEST_P(Autograd, EqualsTheTapeOnASeededModel) {
  const TempDir folder;
  VB_ASSERT_OK(write_tiny_model(folder.path()));
  expect_tape_equals_autograd(folder.path(), 300);
}

TEST_P(Autograd, EqualsTheTapeOnStories260K) {
  VB_NEED_SHARED("models/stories260K/hf");
  expect_tape_equals_autograd(shared_data() / "models/stories260K/hf", 512);
}

/// One for each thing that a decoder may have: fused matrices, tables that depend on the length, norms behind, around and
/// beside the blocks, over heads and whole projections, clipping, ALiBi, soft caps, scales.
TEST_P(Autograd, EqualsTheTapeOnOtherFamilies) {
  VB_NEED_SHARED("tiny_models/gpt2");
  for (const char* family : {"gpt2", "phi3", "phi3_longrope", "llama_rope_dynamic", "olmo2", "olmo", "gemma2", "qwen3", "cohere",
                             "bloom", "mpt", "opt", "gptneox", "granite", "nemotron"}) {
    SCOPED_TRACE(family);
    expect_tape_equals_autograd(shared_data() / "tiny_models" / family, 264);
  }
}

}  // namespace
}  // namespace vauban::test
