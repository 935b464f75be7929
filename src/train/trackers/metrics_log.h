/// metrics.jsonl: `{"loss":0.5,"lr":0.001,"step":7,"wall_time_s":1.5}`, one object per row, steps never falling.
#pragma once

#include <filesystem>
#include <vector>

#include "train/trackers/tracker.h"

namespace vauban {

inline constexpr std::string_view kMetricsFile = "metrics.jsonl";

/// Opens the log for appending. A resumed run drops the rows after `resumed_step`; a new run refuses a log with rows.
/// A number that is not finite is written as the text "nan", "inf" or "-inf".
/// Errors of log(): invalid_input for a metric named step or wall_time_s, or a step below the last one's; io.
Result<std::unique_ptr<Tracker>> make_metrics_log(const TrackerTarget& target);

/// Every row of a log. Errors: corrupt, with the line; not_found; io. A torn last line is left out.
Result<std::vector<MetricRow>> read_metrics_log(const std::filesystem::path& path);

}  // namespace vauban
