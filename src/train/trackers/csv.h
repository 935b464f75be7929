/// metrics.csv in long form, `step,wall_time_s,metric,value`: rows may hold different metrics, and lines only grow.
#pragma once

#include "train/trackers/tracker.h"

namespace vauban {

/// Quoted by RFC 4180; numbers shortest round-trip, or nan, inf, -inf. A resumed run drops the lines after
/// `resumed_step`; a new run refuses a file with lines.
/// Errors of log(): invalid_input for a name with a line break; io.
Result<std::unique_ptr<Tracker>> make_csv(const TrackerTarget& target);

}  // namespace vauban
