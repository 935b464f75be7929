/// ReplayRuntime: answers from stored traces. The same request (trace id and request digest; for a trace without a
/// digest, the prompt ids) gives the identical Trace; anything else is not_found. Nothing is computed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "vauban/runtime.h"

namespace vauban {

class ReplayRuntime final : public Runtime {
 public:
  /// Errors: invalid_input for no traces at all, an id that occurs twice, or traces of different models or numerics.
  static Result<std::unique_ptr<ReplayRuntime>> make(std::vector<Trace> traces);
  /// A traces.jsonl: one trace a line. Errors: those of the file, and corrupt with the line number.
  static Result<std::unique_ptr<ReplayRuntime>> open(const std::filesystem::path& path);

  const Capability& capabilities() const override { return capability_; }
  const ModelIdentity& model() const override { return traces_.begin()->second.parts().model; }
  Numerics numerics() const override { return traces_.begin()->second.parts().numerics; }

  Result<std::vector<std::int32_t>> tokenize(const TraceRequest& request) override;
  /// The stored trace, whatever `sink` is: its payloads are in the store it was recorded with.
  Result<Trace> trace(const TraceRequest& request, PayloadSink* sink) override;
  std::vector<Result<Trace>> trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink) override;
  /// The stored new tokens with their logprobs; the text comes with the last event.
  Result<std::unique_ptr<StepStream>> generate(std::span<const TraceRequest> requests) override;
  /// Errors: always unsupported; a trace does not hold the rows of a vocabulary.
  Result<std::unique_ptr<ScoreStream>> score(std::span<const std::int32_t> ids,
                                             const ScoreOptions& options = {}) override;

 private:
  using Traces = std::map<std::string, Trace, std::less<>>;
  ReplayRuntime(Traces traces, Capability capability)
      : traces_(std::move(traces)), capability_(std::move(capability)) {}
  Result<const Trace*> find(const TraceRequest& request) const;

  Traces traces_;
  Capability capability_;
};

}  // namespace vauban
