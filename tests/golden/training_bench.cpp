#include "golden/training_bench.h"

#include <algorithm>
#include <numeric>

#include "backends/backends.h"
#include "support/backends_here.h"

namespace vauban::test {
namespace {

struct Rows {
  Batch batch;
  std::vector<std::int32_t> targets;
};

Rows rows_of(std::span<const TrainingBench::Document> documents) {
  Rows out;
  for (const TrainingBench::Document& document : documents) {
    const auto first = static_cast<std::int32_t>(out.batch.ids.size());
    const auto rows = static_cast<std::int32_t>(document.inputs.size());
    out.batch.sequences.push_back({.first_row = first, .rows = rows, .past = 0, .pages = {}});
    for (std::int32_t i = 0; i < rows; ++i) {
      out.batch.ids.push_back(document.inputs[static_cast<std::size_t>(i)]);
      out.batch.positions.push_back(i);
      out.batch.output_rows.push_back(first + i);
    }
    out.targets.insert(out.targets.end(), document.targets.begin(), document.targets.end());
  }
  return out;
}

double mean_loss(std::span<const double> logprobs) {
  return -std::accumulate(logprobs.begin(), logprobs.end(), 0.0) / static_cast<double>(logprobs.size());
}

}  // namespace

std::vector<std::string_view> trainers_here() {
  std::vector<std::string_view> ids;
  const std::vector<std::string> here = backends_here();
  for (const BackendEntry& entry : all_backends())
    if (std::ranges::find(here, entry.id) != here.end()) ids.push_back(entry.id);
  return ids;
}

Result<std::unique_ptr<TrainingBench>> TrainingBench::open(const std::filesystem::path& path, const Options& options) {
  std::unique_ptr<TrainingBench> bench(new TrainingBench(options.threads));
  if (options.backend.id == "cpu") {
    VB_TRY(bench->ops_, make_cpu_training_ops(bench->context_, options.backend.numerics));
  } else {
    VB_TRY(bench->ops_, make_training_backend(options.backend.id, bench->context_, {}, "f32"));
  }
  VB_TRY(bench->tape_,
         Tape::create(*bench->ops_, {.trainable = options.trainable, .checkpointing = options.checkpointing}));
  VB_TRY(const ModelSource source, ModelSource::open(path));
  VB_TRY(bench->model_, Model::load(source, *bench->tape_, bench->context_));
  return bench;
}

Parameter* TrainingBench::find(std::string_view name) {
  for (Parameter& parameter : tape_->parameters())
    if (parameter.weight.name == name) return &parameter;
  return nullptr;
}

Result<double> TrainingBench::backward(std::span<const Document> documents, double scale) {
  const Rows rows = rows_of(documents);
  tape_->begin_step();
  model_->network->forward(*tape_, tape_->no_store(), rows.batch, tape_->boundaries(model_->config.layers));
  const std::vector<double> coefficients(rows.targets.size(), -scale / static_cast<double>(rows.targets.size()));
  VB_TRY(const std::vector<double> logprobs, tape_->backward(rows.targets, coefficients));
  VB_CHECK(tape_->end_step());
  return mean_loss(logprobs) * scale;
}

Result<double> TrainingBench::loss(std::span<const Document> documents) {
  const Rows rows = rows_of(documents);
  tape_->set_recording(false);
  tape_->begin_step();
  model_->network->forward(*tape_, tape_->no_store(), rows.batch, tape_->boundaries(model_->config.layers));
  VB_TRY(const std::vector<double> logprobs, tape_->logprobs(rows.targets));
  VB_CHECK(tape_->end_step());
  tape_->set_recording(true);
  return mean_loss(logprobs);
}

}  // namespace vauban::test
