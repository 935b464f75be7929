/// StageCost: what one stage of one request cost, gathered over the steps it took part in.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/local/engine.h"
#include "vauban/trace.h"

namespace vauban {

/// What of a stage's costs is kept that costs something itself (trace/profile_fields.h).
struct CostDetail {
  bool samples = false;  ///< step_duration_s
  bool passes = false;   ///< device_s and host_peak_bytes, of stages that are passes
};

class StageCost {
 public:
  void keep(CostDetail detail) { detail_ = detail; }
  void add_seconds(double seconds) { seconds_ += seconds; }
  double seconds() const { return seconds_; }
  /// Ends a step: what add_seconds got since the last one is one sample, where samples are kept and time was spent.
  void end_step();
  void add_tokens(std::int64_t tokens) { tokens_ = tokens_.value_or(0) + tokens; }
  void add_bytes(std::int64_t in, std::int64_t out);
  void note_memory(std::int64_t bytes) { keep_max(memory_, bytes); }
  void note(std::string text) { notes_.push_back(std::move(text)); }
  /// Rows [first, first + rows) of the step were this request's: that share of `pass_s` and of what was counted, in whole
  /// numbers that add up to the step's over the requests that shared it. A memory peak is everybody's.
  void add_pass(const StepCost& step, std::int64_t first, std::int64_t rows, double pass_s);
  void note_batch(const StepCost& step);
  /// Copies, syncs and memory of work outside the steps.
  void add_work(const OpCounters& counters);

  bool ran() const { return steps_ > 0; }
  StageProfile profile(std::string_view name, const DeviceRef& device) const;

 private:
  static void keep_max(std::optional<std::int64_t>& highest, std::int64_t value);

  void add_profiled(const StepCost& step, double share);

  CostDetail detail_;
  double seconds_ = 0, sampled_s_ = 0, device_s_ = 0;
  std::vector<double> samples_;
  std::optional<std::int64_t> host_peak_;
  std::int64_t steps_ = 0, shared_steps_ = 0, copies_ = 0, syncs_ = 0;
  std::optional<std::int64_t> tokens_, input_bytes_, output_bytes_, memory_, batch_, queue_;
  std::set<std::string> kernels_;
  std::vector<std::string> notes_;
};

}  // namespace vauban
