#include "runtime/local/stage_cost.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {

void StageCost::keep_max(std::optional<std::int64_t>& highest, std::int64_t value) {
  highest = std::max(highest.value_or(value), value);
}

void StageCost::add_bytes(std::int64_t in, std::int64_t out) {
  input_bytes_ = input_bytes_.value_or(0) + in;
  output_bytes_ = output_bytes_.value_or(0) + out;
}

void StageCost::end_step() {
  if (detail_.samples && seconds_ > sampled_s_) samples_.push_back(seconds_ - sampled_s_);
  sampled_s_ = seconds_;
}

void StageCost::note_batch(const StepCost& step) {
  keep_max(batch_, step.sequences);
  keep_max(queue_, step.waiting);
}

void StageCost::add_work(const OpCounters& counters) {
  copies_ += counters.host_device_copies;
  syncs_ += counters.sync_points;
  if (counters.memory_high_water_bytes > 0) note_memory(counters.memory_high_water_bytes);
}

void StageCost::add_profiled(const StepCost& step, double share) {
  if (!detail_.passes || !step.profiled) return;
  device_s_ += step.counters.device_s * share;
  if (step.host_peak_bytes) keep_max(host_peak_, *step.host_peak_bytes);
}

namespace {

/// The part of `count` things that falls on rows [first, first + rows) of `all`.
std::int64_t part_of(std::int64_t count, std::int64_t first, std::int64_t rows, std::int64_t all) {
  const auto before = [&](std::int64_t row) { return count / all * row + count % all * row / all; };
  return before(first + rows) - before(first);
}

}  // namespace

void StageCost::add_pass(const StepCost& step, std::int64_t first, std::int64_t rows, double pass_s) {
  const double share = static_cast<double>(rows) / static_cast<double>(step.rows);
  const auto shared = [&](std::int64_t count) { return part_of(count, first, rows, step.rows); };
  OpCounters own = step.counters;
  own.host_device_copies = shared(own.host_device_copies);
  own.sync_points = shared(own.sync_points);
  ++steps_;
  shared_steps_ += step.sequences > 1;
  add_seconds(pass_s * share);
  add_tokens(rows);
  add_bytes(shared(step.counters.bytes_read), shared(step.counters.bytes_written));
  add_work(own);
  if (!step.counters.kernel_path.empty()) kernels_.insert(step.counters.kernel_path);
  note_batch(step);
  add_profiled(step, share);
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
  out.step_duration_s = samples_;
  out.host_peak_bytes = host_peak_;
  if (device_s_ > 0) out.device_s = device_s_;
  out.kernel_path = join({kernels_.begin(), kernels_.end()}, "; ");
  out.notes = notes_;
  if (detail_.passes && steps_ > 0) {
    if (!out.device_s) out.notes.push_back(format("device_s: {} reports no time of its own", device.label));
    if (!host_peak_) out.notes.push_back("host_peak_bytes: this system does not let its mark be reset");
  }
  if (steps_ > 0) out.notes.push_back(format("{} steps", steps_));
  if (shared_steps_ > 0)
    out.notes.push_back(format("{} of them shared with other requests: time, bytes, copies and waits divided by rows", shared_steps_));
  return out;
}

}  // namespace vauban
