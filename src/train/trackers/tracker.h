/// Tracker: where the numbers of a training run go.
///
/// metrics.jsonl is the source of truth: one object per row, append-only, resumable. The others are for other programs.
/// To add one: a file with a make function here, and a line in trackers.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/files.h"
#include "base/result.h"

namespace vauban {

struct MetricRow {
  std::int64_t step = 0;                    ///< optimiser steps done
  double wall_time_s = 0;                   ///< UTC, seconds since 1970
  std::map<std::string, double> metrics{};  ///< "loss", "lr", "eval/loss"; may be NaN or infinite
};

class Tracker {
 public:
  virtual ~Tracker() = default;
  virtual Result<void> log(const MetricRow& row) = 0;
  /// Makes everything durable; called at each checkpoint and at the end.
  virtual Result<void> sync() = 0;
};

struct TrackerTarget {
  std::filesystem::path folder;                ///< of the run; it exists
  std::optional<std::int64_t> resumed_step{};  ///< rows after it belong to the part of the run that is repeated
  const Clock& clock = system_clock();
  FileOps& ops = real_file_ops();
};

struct TrackerEntry {
  std::string_view id;
  std::string_view summary;
  Result<std::unique_ptr<Tracker>> (*make)(const TrackerTarget& target);
};

std::span<const TrackerEntry> all_trackers();
/// Errors: not_found with the known ids; those of the tracker.
Result<std::unique_ptr<Tracker>> make_tracker(std::string_view id, const TrackerTarget& target);

}  // namespace vauban
