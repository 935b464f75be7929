#include <array>

#include "base/strings.h"
#include "train/trackers/csv.h"
#include "train/trackers/metrics_log.h"
#include "train/trackers/tensorboard.h"
#include "train/trackers/tracker.h"

namespace vauban {
namespace {

const std::array kTrackers{
    TrackerEntry{"jsonl", "metrics.jsonl: one object per row, the source of truth", make_metrics_log},
    TrackerEntry{"tensorboard", "tensorboard/events.out.tfevents.*: scalars for TensorBoard", make_tensorboard},
    TrackerEntry{"csv", "metrics.csv: one line per number (step, wall_time_s, metric, value)", make_csv},
};

}  // namespace

std::span<const TrackerEntry> all_trackers() { return kTrackers; }

Result<std::unique_ptr<Tracker>> make_tracker(std::string_view id, const TrackerTarget& target) {
  std::string known;
  for (const TrackerEntry& entry : kTrackers) {
    if (entry.id == id) return entry.make(target);
    known += known.empty() ? "" : ", ";
    known += entry.id;
  }
  return not_found("unknown tracker '{}'; known: {}", printable(id), known);
}

}  // namespace vauban
