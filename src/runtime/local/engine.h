/// Engine: the step loop. Requests come in, every step runs one batch of token rows over all active sequences (chunks
/// of prompts and one row per decoding sequence together), finished sequences leave and give their pages back.
///
/// A sequence is admitted when pages for its whole run are free, so nothing is ever preempted; admission is first come,
/// first served. Used from one thread. Several engines may share one KvMemory.
/// Source of the design: Yu et al. 2022 (Orca, iteration-level scheduling); Kwon et al. 2023, arXiv 2309.06180 (pages).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "runtime/local/sequence.h"

namespace vauban {

/// The key/value cache of one model on one backend.
struct KvMemory {
  explicit KvMemory(std::unique_ptr<KvStore> made) : store(std::move(made)), pool(*store) {}
  std::unique_ptr<KvStore> store;
  PagePool pool;
};

struct EngineOptions {
  int max_batch = 8;        ///< sequences that run at once
  int prefill_chunk = 256;  ///< prompt rows of one step, over all sequences
};

/// A tap that is told which rows of the coming pass belong to whom.
class StepTap : public Tap {
 public:
  /// `owners[i]` is the number of the sequence that batch.sequences[i] runs.
  virtual void begin_batch(const Batch& batch, std::span<const std::size_t> owners) = 0;
  /// Why the pass that has just ended must not count; ok where nothing is wrong.
  virtual Result<void> verdict() const { return ok(); }
};

struct StepShare {
  std::size_t sequence = 0;
  std::int32_t past = 0, rows = 0;
  bool prompt = false;  ///< prompt rows; otherwise a new token's
};

struct LogitRow {
  std::size_t sequence = 0;
  std::int64_t position = 0;
  std::span<const float> values;  ///< (vocab), valid until the next step
};

struct StepCost {
  double batch_s = 0;    ///< admission and batch building
  double forward_s = 0;  ///< the forward pass, what the tap did in it included
  double decode_s = 0;   ///< sampling and text
  double score_s = 0;    ///< logprobs of the chosen tokens
  std::int64_t rows = 0, sequences = 0, waiting = 0;
  OpCounters counters;
  bool profiled = false;  ///< a sequence of the step asked for it: the device was synchronised around the pass
  std::optional<std::int64_t> host_peak_bytes;  ///< of a profiled step, where the system tells
};

struct StepReport {
  std::vector<StepShare> shares;
  std::vector<LogitRow> logits;  ///< ascending by row of the batch
  std::vector<TokenOut> tokens;
  std::vector<std::size_t> failed;  ///< sequences that ended with an error of their own
  StepCost cost;
};

class Engine {
 public:
  Engine(const Model& model, Ops& ops, std::shared_ptr<KvMemory> kv, const Context& context, EngineOptions options)
      : model_(model), ops_(ops), kv_(std::move(kv)), context_(context), options_(options) {}

  /// Queues a request; numbers count from 0. Errors: those of Sequence::make; resource when it needs more pages than
  /// exist.
  Result<std::size_t> submit(SequenceRequest request);
  bool idle() const { return waiting_.empty() && active_.empty(); }
  const Sequence& sequence(std::size_t number) const { return *sequences_[number]; }

  /// One step. When the context is cancelled, every sequence ends with Finish::cancelled instead. Errors: a fault of
  /// the pass, or no free page and nobody here who could free one; then no sequence runs any more.
  Result<StepReport> step(StepTap* tap = nullptr);
  /// Ends everything that has not finished.
  std::vector<TokenOut> cancel_all();

 private:
  Result<void> admit();
  std::vector<StepShare> plan() const;
  Batch build(const std::vector<StepShare>& shares) const;
  Result<void> forward(const Batch& batch, const Tap& tap);
  void begin_profile(StepCost& cost);
  void end_profile(StepCost& cost);
  Result<StepReport> run(StepTap* tap);
  bool is_profiled(const std::vector<StepShare>& shares) const;
  void finish_step(StepReport& report);
  void take_tokens(StepReport& report);
  double seconds_since(std::chrono::nanoseconds start) const;

  const Model& model_;
  Ops& ops_;
  std::shared_ptr<KvMemory> kv_;
  const Context& context_;
  EngineOptions options_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
  std::deque<Sequence*> waiting_;
  std::vector<Sequence*> active_;
  std::vector<float> logits_;  ///< (output rows, vocab) of the last step
};

}  // namespace vauban
