#include "runtime/local/stage_cost.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace vauban {

void StageCost::keep_max(std::optional<std::int64_t>& highest, std::int64_t value) {
  highest = std::max(highest.value_or(value), value);
}

void StageCost::add_bytes(std::int64_t in, std::int64_t out) {
  input_bytes_ = input_bytes_.value_or(0) + in;
  output_bytes_ = output_bytes_.value_or(0) + out;
}

void StageCost::note_batch(const StepCost& step) {
  keep_max(batch_, step.sequences);
  keep_max(queue_, step.waiting);
}

void StageCost::add_pass(const StepCost& step, std::int64_t rows, double pass_s) {
  const double share = static_cast<double>(rows) / static_cast<double>(step.rows);
  const auto shared = [&](std::int64_t bytes) {
    return static_cast<std::int64_t>(std::llround(static_cast<double>(bytes) * share));
  };
  ++steps_;
  shared_steps_ += step.sequences > 1;
  add_seconds(pass_s * share);
  add_tokens(rows);
  add_bytes(shared(step.counters.bytes_read), shared(step.counters.bytes_written));
  copies_ += step.counters.host_device_copies;
  syncs_ += step.counters.sync_points;
  if (step.counters.memory_high_water_bytes > 0) note_memory(step.counters.memory_high_water_bytes);
  if (!step.counters.kernel_path.empty()) kernels_.insert(step.counters.kernel_path);
  note_batch(step);
}

StageProfile StageCost::profile(std::string_view name, const DeviceRef& device) const {
  StageProfile out;
  out.name = name;
  out.duration_s = std::max(0.0, seconds_);
  out.device = device;
  out.memory_bytes = memory_;
  out.batch_size = batch_;
  out.token_count = tokens_;
  out.input_bytes = input_bytes_;
  out.output_bytes = output_bytes_;
  out.queue_depth = queue_;
  out.host_device_copies = copies_;
  out.sync_points = syncs_;
  out.kernel_path = join({kernels_.begin(), kernels_.end()}, "; ");
  out.notes = notes_;
  if (steps_ > 0) out.notes.push_back(format("{} steps", steps_));
  if (shared_steps_ > 0)
    out.notes.push_back(format("{} of them shared with other requests: time and bytes divided by rows", shared_steps_));
  return out;
}

}  // namespace vauban
