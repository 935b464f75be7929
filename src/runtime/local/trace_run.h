/// TraceRun: one request on its way to a Trace: what it watches, what its stages cost, and the finished parts.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "runtime/local/observer.h"
#include "runtime/local/stage_cost.h"
#include "vauban/trace.h"

namespace vauban {

/// What all runs of a runtime share.
struct TraceSetting {
  const Model& model;
  Ops& ops;
  const KvMemory& kv;
  const Capability& capability;
  const Context& context;
  PayloadSink* sink = nullptr;
  Numerics numerics = Numerics::exact;
  std::string requested_device;  ///< empty: none was named
  EngineOptions engine;
  OpCounters load{};  ///< what loading cost the backend: weights and the key/value cache
};

struct TraceRun {
  TraceRequest request;
  std::vector<std::int32_t> prompt;
  Observed observed;
  std::vector<Missing> left_out;  ///< wants that the configuration leaves out, with the reason
  StageCost tokenize, batch, prefill, observe, intervene, decode, score;
  bool reports_load = false;

  bool leaves_out(std::string_view stage) const;
  bool profiles(std::string_view stage) const;
  /// Ends a step for every stage that keeps samples of its steps.
  void end_step();
  bool tokenized() const { return request.prompt_ids.empty(); }

  /// Checks the request against the model and makes recorder and effects. `prompt` has been set.
  Result<void> prepare(const TraceSetting& setting);
  void keep_details();
  /// What the engine runs for it.
  SequenceRequest sequence_request() const;
};

/// Closes the recorder and builds the trace of a finished sequence.
Result<Trace> build_trace(TraceRun& run, const Sequence& sequence, const TraceSetting& setting);

}  // namespace vauban
