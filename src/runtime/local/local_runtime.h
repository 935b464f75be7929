/// LocalRuntime: a model on a backend of this machine. Owns both; streams must not outlive it.
///
/// Spans of its traces: load (on the first trace of the runtime), tokenize, batch, prefill (the pass over prompt rows),
/// decode (the passes over new tokens, sampling and text), observe, intervene, score, emit. Their durations do not
/// overlap: what the tap did inside a pass is taken out of prefill and decode. A step that several requests share is
/// divided by rows. `forward` and `render` are not used here: model arithmetic is in prefill and decode, and rendering
/// belongs to reports.
///
/// Positions `last` means the last prompt row, the only last row that is known while the run goes on.
/// leave_out: "observe" drops wanted sites and attention maps, "decode" the new tokens, "score" every logprob, "emit"
/// the payload writes (summaries stay). What was dropped is in Trace::missing() and metadata.left_out_stages.
///
/// Weight snapshots have an observe span of their own, before the others. Active weight edits are in metadata.weight_edits,
/// and edited tensors are shown before and after.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "model/model.h"
#include "runtime/local/engine.h"
#include "runtime/local/loaded_weights.h"
#include "vauban/runtime.h"

namespace vauban {

struct StepRun;

struct LocalOptions {
  int page_tokens = 16;
  EngineOptions engine;
  std::int64_t kv_memory_bytes = std::int64_t{1} << 30;  ///< limit of the key/value cache
  Numerics numerics = Numerics::exact;  ///< those that the Ops was made for
  std::string requested_device;         ///< as asked for, "cuda,cpu"; traces record it beside the actual one
};

class LocalRuntime final : public Runtime {
 public:
  /// Errors: invalid_input for options out of range; unsupported for numerics that `ops` was not made for; resource when the
  /// key/value limit does not hold one page.
  static Result<std::unique_ptr<LocalRuntime>> make(std::unique_ptr<Model> model, std::unique_ptr<Ops> ops,
                                                    const Context& context, const LocalOptions& options = {});

  const Capability& capabilities() const override { return capability_; }
  const ModelIdentity& model() const override { return model_->identity; }
  Numerics numerics() const override { return options_.numerics; }

  Result<std::vector<std::int32_t>> tokenize(const TraceRequest& request) override;
  Result<Trace> trace(const TraceRequest& request, PayloadSink* sink = nullptr) override;
  std::vector<Result<Trace>> trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink = nullptr) override;
  Result<std::unique_ptr<StepStream>> generate(std::span<const TraceRequest> requests) override;
  Result<std::unique_ptr<ScoreStream>> score(std::span<const std::int32_t> ids,
                                             const ScoreOptions& options = {}) override;

  Result<std::vector<WeightEditRecord>> edit_weights(std::span<const WeightEdit> edits) override;
  Result<std::vector<WeightEditRecord>> undo_weight_edits(std::int64_t count) override;
  Result<std::vector<WeightEditRecord>> undo_weight_edits() override;
  std::span<const WeightEditRecord> weight_edits() const override { return weights_.editor().records(); }

  const KvMemory& kv() const { return *kv_; }
  const Model& loaded() const { return *model_; }

 private:
  LocalRuntime(std::unique_ptr<Model> model, std::unique_ptr<Ops> ops, const Context& context,
               const LocalOptions& options, std::shared_ptr<KvMemory> kv);
  Result<void> submit(StepRun& run, const TraceRequest& request);
  Result<void> check_editable() const;
  void name_edited_model();
  Engine make_engine(const EngineOptions& options) { return Engine(*model_, *ops_, kv_, context_, options); }

  const Context& context_;
  LocalOptions options_;
  std::unique_ptr<Ops> ops_;  // outlives the weights and pages that it made
  std::unique_ptr<Model> model_;
  std::shared_ptr<KvMemory> kv_;
  ModelIdentity loaded_identity_;  ///< without edits
  LoadedWeights weights_;
  OpCounters load_work_;  ///< taken when it was made, so that the first pass does not pay for loading
  Capability capability_;
  bool load_reported_ = false;
};

}  // namespace vauban
