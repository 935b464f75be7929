/// Learning-rate schedules: the rate of each optimiser step.
///
/// A schedule is a pure function of the step (from 0), times a factor that only reduce_on_plateau moves. Sequences are
/// those of transformers' get_*_schedule, of torch's OneCycleLR and ReduceLROnPlateau; beyond the last step the rate
/// stays at its end value. To add one: a function and a line in schedule.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/config/fields.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// What is left out takes the schedule's default; what the schedule does not have is refused.
struct ScheduleConfig {
  std::string id = "cosine";
  std::optional<std::int64_t> warmup_steps{};  ///< this or warmup_ratio
  std::optional<double> warmup_ratio{};        ///< of all steps, rounded up
  std::optional<double> min_lr{};              ///< absolute
  std::optional<double> power{}, cycles{};
  std::optional<std::int64_t> decay_steps{}, timescale{};
  std::optional<double> rise_share{}, start_divisor{}, end_divisor{};  ///< one_cycle
  std::optional<double> factor{}, threshold{};                         ///< reduce_on_plateau
  std::optional<std::int64_t> patience{}, cooldown{};
};
void fields(ScheduleConfig& c, FieldVisitor& f);

/// What a schedule computes from; every setting that it has is filled in.
struct ScheduleShape {
  ScheduleConfig config;
  double base_lr = 0;       ///< the peak
  double min_ratio = 0;     ///< min_lr / base_lr
  std::int64_t warmup = 0;  ///< steps
  std::int64_t total = 0;   ///< steps
};

struct ScheduleEntry {
  std::string_view id;
  std::string_view summary;
  ScheduleConfig defaults;  ///< holds a value for each setting that this schedule has
  double (*multiplier)(const ScheduleShape& shape, std::int64_t step);  ///< of base_lr
};
std::span<const ScheduleEntry> all_schedules();

class Schedule {
 public:
  /// Errors: not_found for an unknown id; invalid_input for a setting that the schedule lacks, a value out of range, or
  /// a warm-up (with the decay of warmup_stable_decay) longer than `total_steps`.
  static Result<Schedule> make(const ScheduleConfig& config, double base_lr, std::int64_t total_steps);

  /// The rate of step `step`, counted from 0.
  double at(std::int64_t step) const;

  /// Tells the schedule a validation loss (smaller is better). Only reduce_on_plateau listens. A loss that is not
  /// finite counts as no improvement.
  void observe(double loss);

  /// What `observe` has moved, for checkpoints. Errors of restore: corrupt.
  Json state() const;
  Result<void> restore(const Json& state);

  const ScheduleShape& shape() const { return shape_; }

 private:
  Schedule(ScheduleShape shape, const ScheduleEntry* entry) : shape_(std::move(shape)), entry_(entry) {}
  ScheduleShape shape_;
  const ScheduleEntry* entry_;
  double scale_ = 1;
  std::optional<double> best_;
  std::int64_t bad_ = 0, resting_ = 0;  ///< observations without improvement; of the cooldown that are left
};

}  // namespace vauban
