/// TensorBoard event files: TFRecords of Event messages (tensorflow/core/util/event.proto), scalars only.
///
/// record = u64 length, masked crc32c of the length, data, masked crc32c of the data; all little-endian.
/// Event: 1 wall_time double, 2 step int64, 3 file_version string, 5 summary, 7 session_log.
#pragma once

#include <string>
#include <string_view>

#include "train/trackers/tracker.h"

namespace vauban {

/// Writes `<folder>/tensorboard/events.out.tfevents.<unix seconds>.<host>`, a new file each time. A resumed run starts
/// with a session log, which makes TensorBoard drop what other files say about later steps.
Result<std::unique_ptr<Tracker>> make_tensorboard(const TrackerTarget& target);

namespace tensorboard {
std::string record(std::string_view data);
std::string version_event(double wall_time_s);
std::string restart_event(double wall_time_s, std::int64_t step);
std::string scalar_event(const MetricRow& row);  ///< values as f32
}  // namespace tensorboard

}  // namespace vauban
