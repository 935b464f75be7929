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
};

struct TraceRun {
  TraceRequest request;
  std::vector<std::int32_t> prompt;
  Observed observed;
  std::vector<Missing> left_out;  ///< wants that the configuration leaves out, with the reason
  StageCost tokenize, batch, prefill, decode, score;
  bool reports_load = false;

  bool leaves_out(std::string_view stage) const;
  bool tokenized() const { return request.prompt_ids.empty(); }

  /// Which prompt an artifact belongs to: `prompt_ids_sha256` and, where the request's metadata names one, `prompt_id`.
  Json input_identity() const;

  /// Checks the request against the model and makes recorder and effects. `prompt` has been set.
  Result<void> prepare(const TraceSetting& setting);
  /// What the engine runs for it.
  SequenceRequest sequence_request() const;
};

/// Closes the recorder and builds the trace of a finished sequence.
Result<Trace> build_trace(TraceRun& run, const Sequence& sequence, const TraceSetting& setting);

}  // namespace vauban
