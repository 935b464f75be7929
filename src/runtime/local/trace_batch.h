/// TraceBatch: several requests through one engine, each to its own Trace. Results come in the order of add().
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/local/trace_run.h"

namespace vauban {

class TraceBatch {
 public:
  using Tokenize = std::function<Result<std::vector<std::int32_t>>()>;

  TraceBatch(const TraceSetting& setting, Engine engine);

  /// An error of one request does not touch the others.
  void add(const TraceRequest& request, const Tokenize& tokenize);
  /// The first request that runs tells of the model's loading. -> false when there is none.
  bool report_load();
  std::vector<Result<Trace>> run();

 private:
  struct Entry {
    TraceRun run;
    std::optional<Result<Trace>> result;
  };
  Result<std::size_t> submit(TraceRun& run, const Tokenize& tokenize);
  double tap_seconds() const;
  void account(const StepReport& report, double tap_s);
  void record_logprobs(const StepReport& report);
  void collect(const StepReport& report);
  void settle(std::size_t sequence, Result<Trace> result);

  TraceSetting setting_;
  Engine engine_;
  Observer observer_;
  std::deque<Entry> entries_;  ///< addresses stay: the observer borrows them
  std::vector<Entry*> by_sequence_;
};

}  // namespace vauban
