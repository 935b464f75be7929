/// Runtime: whatever can answer a TraceRequest. `local` runs a model, `replay` reads stored traces, `endpoint` (later)
/// asks a server. Callers depend on this interface and on the Trace, never on an executor.
///
/// A runtime is used from one thread at a time; it parallelises inside. Results do not depend on what else is in a batch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vauban/result.h"
#include "vauban/trace.h"
#include "vauban/weight_edit.h"

namespace vauban {

struct TokenLogprob {
  std::int32_t id = 0;
  float logprob = 0;  ///< natural log, of the raw logits
};

/// One event of a running request. `text` is the newly certain text (may be empty); `finish` is set on the last event.
struct StepEvent {
  std::size_t request = 0;           ///< index into the span given to generate()
  std::optional<std::int32_t> token;  ///< absent on a last event that only flushes text
  std::string text;
  std::optional<TokenLogprob> logprob;
  std::string finish;  ///< "", "stop", "length", "eos", "cancelled"
};

/// A pull iterator: the CLI, the runner and a server read the same one.
class StepStream {
 public:
  virtual ~StepStream() = default;
  /// The next event, or nullopt when every request has finished. An error ends the stream.
  virtual Result<std::optional<StepEvent>> next() = 0;
};

/// What one request produced, gathered from its events.
struct Generation {
  std::string trace_id;
  std::vector<std::int32_t> prompt_ids, ids;  ///< ids: new tokens only, end token included
  std::string text;
  bool has_text = true;  ///< false without a tokenizer
  std::string finish_reason;
  std::vector<float> logprobs;  ///< beside ids
};

/// Rows of logits of consecutive positions, teacher-forced. Row r of `values` predicts the token after position first + r.
struct LogitRows {
  std::int64_t first_position = 0;
  std::int64_t rows = 0, vocab = 0;
  std::span<const float> values;  ///< (rows, vocab), valid until the next pull
};

/// A pull iterator over the logits of one id sequence, in bounded chunks; two of them in lock step compare two models
/// without ever storing vocabulary rows.
class ScoreStream {
 public:
  virtual ~ScoreStream() = default;
  virtual Result<std::optional<LogitRows>> next() = 0;
};

struct ScoreOptions {
  std::int64_t chunk_rows = 64;             ///< rows of logits at a time, at most
  std::vector<Intervention> interventions;  ///< applied in the pass, as they are when the model answers
  std::int64_t prompt_rows = 0;             ///< where the answer begins, for their position policies; 0: at the end
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual const Capability& capabilities() const = 0;
  virtual const ModelIdentity& model() const = 0;
  virtual Numerics numerics() const = 0;

  /// Text to ids under the model's one BOS rule. Errors: unsupported without a tokenizer.
  virtual Result<std::vector<std::int32_t>> tokenize(const TraceRequest& request) = 0;

  /// Runs one request and returns what was observed. Payload-form wants go to `sink`; with a null sink they are kept as
  /// summaries and the trace says so. What was asked and not observed is in Trace::missing().
  virtual Result<Trace> trace(const TraceRequest& request, PayloadSink* sink = nullptr) = 0;
  virtual std::vector<Result<Trace>> trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink = nullptr) = 0;

  /// Streams tokens of several requests; their `want` lists are ignored here (use trace).
  virtual Result<std::unique_ptr<StepStream>> generate(std::span<const TraceRequest> requests) = 0;

  /// Teacher-forced logits of `ids`.
  virtual Result<std::unique_ptr<ScoreStream>> score(std::span<const std::int32_t> ids,
                                                     const ScoreOptions& options = {}) = 0;

  /// Changes loaded weights, in order; all of the edits or, on an error, none. While edits are active model() has another
  /// digest and every trace lists them. -> one record per tensor. Errors: unsupported where no weights are at hand (the
  /// default); invalid_input while requests are running, and for an edit that does not fit; not_found for a name.
  virtual Result<std::vector<WeightEditRecord>> edit_weights(std::span<const WeightEdit> edits);
  /// Takes the last `count` active edits back, or all of them. -> their records, the last edit first. Errors: unsupported;
  /// invalid_input for more edits than are active or while requests are running.
  virtual Result<std::vector<WeightEditRecord>> undo_weight_edits(std::int64_t count);
  virtual Result<std::vector<WeightEditRecord>> undo_weight_edits();
  /// Of the active edits, oldest first.
  virtual std::span<const WeightEditRecord> weight_edits() const { return {}; }
};

}  // namespace vauban
