/// ModelSession: a model on a backend with its key/value pages, for tests that want the logits of ids.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "support/place.h"

namespace vauban::test {

class ModelSession {
 public:
  /// `pages` of 16 tokens each. A path may be BASE+ADAPTER.
  static Result<std::unique_ptr<ModelSession>> open(const std::filesystem::path& path, std::string_view backend,
                                                    int threads = 1, std::int32_t pages = 80,
                                                    std::string_view device = {});
  static Result<std::unique_ptr<ModelSession>> open(const ModelSource& source, std::string_view backend,
                                                    std::span<const std::shared_ptr<const Adapter>> adapters,
                                                    int threads = 1, std::int32_t pages = 80,
                                                    std::string_view device = {});

  static Result<std::unique_ptr<ModelSession>> open(const std::filesystem::path& path, const Place& place, int threads = 1,
                                                    std::int32_t pages = 80) {
    return open(path, place.backend, threads, pages, place.device);
  }

  const Model& model() const { return *model_; }
  Ops& ops() { return *ops_; }
  PagePool& pages() { return *pool_; }
  KvStore& store() { return *store_; }
  std::int64_t vocab() const { return model_->config.vocab_size; }

  /// Runs `ids` behind what `sequence` holds. -> logits (ids, vocab) in f64, exact for both backends.
  Result<std::vector<double>> step(SequenceState& sequence, std::span<const std::int32_t> ids,
                                   const Tap& tap = NoTap());
  /// The same for a fresh sequence.
  Result<std::vector<double>> logits(std::span<const std::int32_t> ids, const Tap& tap = NoTap());
  /// One step over several sequences, each continued by its own ids. -> logits of all rows, in the order of the list.
  struct Part {
    SequenceState* sequence;
    std::span<const std::int32_t> ids;
  };
  Result<std::vector<double>> step_together(std::span<const Part> parts, const Tap& tap = NoTap());
  /// Greedy continuation with the cache, `count` ids; an end-of-text id does not stop it.
  Result<std::vector<std::int32_t>> greedy(std::span<const std::int32_t> prompt, int count);

 private:
  explicit ModelSession(int threads) : threads_(threads) {}
  ThreadPool threads_;
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> store_;
  std::unique_ptr<PagePool> pool_;
};

/// Sum over t of -log softmax(logits[t])[ids[t + 1]], natural log.
double negative_log_likelihood(std::span<const double> logits, std::span<const std::int32_t> ids);
/// Lowest id on ties.
std::int32_t argmax(std::span<const double> row);

}  // namespace vauban::test
