#include "support/model_session.h"

#include <algorithm>
#include <cmath>

#include "backends/backends.h"

namespace vauban::test {

Result<std::unique_ptr<ModelSession>> ModelSession::open(const std::filesystem::path& path, std::string_view backend,
                                                         int threads, std::int32_t pages, std::string_view device) {
  VB_TRY(const ModelSource source, ModelSource::open_with_adapters(path.string()));
  return open(source, backend, {}, threads, pages, device);
}

Result<std::unique_ptr<ModelSession>> ModelSession::open(const ModelSource& source, std::string_view backend,
                                                         std::span<const std::shared_ptr<const Adapter>> adapters,
                                                         int threads, std::int32_t pages, std::string_view device) {
  std::unique_ptr<ModelSession> session(new ModelSession(threads));
  const Context context{
      .pool = session->threads_, .clock = session->clock_, .progress = session->progress_, .cancel = session->cancel_};
  VB_TRY(session->ops_, make_backend(backend, context, {.device = std::string(device)}));
  VB_TRY(session->model_, Model::load(source, *session->ops_, context, adapters));
  KvGeometry geometry = session->model_->network->kv_geometry();
  geometry.pages = pages;
  VB_TRY(session->store_, session->ops_->make_kv_store(geometry));
  session->pool_ = std::make_unique<PagePool>(*session->store_);
  return session;
}

Result<std::vector<double>> ModelSession::step_together(std::span<const Part> parts, const Tap& tap) {
  Batch batch;
  for (const Part& part : parts) {
    const auto rows = static_cast<std::int32_t>(part.ids.size());
    VB_CHECK(part.sequence->reserve(rows));
    const auto first_row = static_cast<std::int32_t>(batch.ids.size());
    const std::int32_t past = part.sequence->length();
    batch.sequences.push_back({.first_row = first_row, .rows = rows, .past = past, .pages = part.sequence->pages()});
    for (std::int32_t row = 0; row < rows; ++row) {
      batch.ids.push_back(part.ids[static_cast<std::size_t>(row)]);
      batch.positions.push_back(past + row);
      batch.output_rows.push_back(first_row + row);
    }
  }
  ops_->begin_step();
  const Tensor logits = model_->network->forward(*ops_, *store_, batch, tap);
  VB_CHECK(ops_->end_step());
  for (const Part& part : parts) part.sequence->advance(static_cast<std::int32_t>(part.ids.size()));
  return to_f64(logits);
}

Result<std::vector<double>> ModelSession::step(SequenceState& sequence, std::span<const std::int32_t> ids,
                                               const Tap& tap) {
  const Part part{&sequence, ids};
  return step_together({&part, 1}, tap);
}

Result<std::vector<double>> ModelSession::logits(std::span<const std::int32_t> ids, const Tap& tap) {
  SequenceState sequence(*pool_);
  return step(sequence, ids, tap);
}

Result<std::vector<std::int32_t>> ModelSession::greedy(std::span<const std::int32_t> prompt, int count) {
  SequenceState sequence(*pool_);
  std::vector<std::int32_t> made, feed(prompt.begin(), prompt.end());
  while (static_cast<int>(made.size()) < count) {
    VB_TRY(const std::vector<double> rows, step(sequence, feed));
    const std::int32_t next = argmax(std::span(rows).last(static_cast<std::size_t>(vocab())));
    made.push_back(next);
    feed = {next};
  }
  return made;
}

double negative_log_likelihood(std::span<const double> logits, std::span<const std::int32_t> ids) {
  const std::size_t vocab = logits.size() / ids.size();
  double sum = 0;
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    const std::span<const double> row = logits.subspan(t * vocab, vocab);
    const double top = *std::max_element(row.begin(), row.end());
    double total = 0;
    for (const double value : row) total += std::exp(value - top);
    sum += top + std::log(total) - row[static_cast<std::size_t>(ids[t + 1])];
  }
  return sum;
}

std::int32_t argmax(std::span<const double> row) {
  return static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace vauban::test
