#include "train/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/strings.h"

namespace vauban {

namespace {

using Config = ScheduleConfig;

double ratio(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(1, whole));
}

double warmup(const ScheduleShape& s, std::int64_t step) { return ratio(step, s.warmup); }

/// Share of the steps after the warm-up that are done, at most 1.
double progress(const ScheduleShape& s, std::int64_t step) {
  return std::min(1.0, ratio(step - s.warmup, s.total - s.warmup));
}

/// From 1 at phase 0 to 0 at phase 1.
double half_cosine(double phase) { return 0.5 * (1 + std::cos(std::numbers::pi * phase)); }

double constant(const ScheduleShape& s, std::int64_t step) { return step < s.warmup ? warmup(s, step) : 1; }

double linear(const ScheduleShape& s, std::int64_t step) {
  if (step < s.warmup) return warmup(s, step);
  return std::max(0.0, ratio(s.total - step, s.total - s.warmup));
}

double cosine(const ScheduleShape& s, std::int64_t step) {
  if (step < s.warmup) return warmup(s, step);
  const double height = half_cosine(2 * *s.config.cycles * progress(s, step));
  return height * (1 - s.min_ratio) + s.min_ratio;
}

double cosine_with_restarts(const ScheduleShape& s, std::int64_t step) {
  if (step < s.warmup) return warmup(s, step);
  const double done = progress(s, step);
  return done >= 1 ? 0 : half_cosine(std::fmod(*s.config.cycles * done, 1.0));
}

double polynomial(const ScheduleShape& s, std::int64_t step) {
  if (step < s.warmup) return warmup(s, step);
  return (1 - s.min_ratio) * std::pow(1 - progress(s, step), *s.config.power) + s.min_ratio;
}

double inverse_sqrt(const ScheduleShape& s, std::int64_t step) {
  if (step < s.warmup) return warmup(s, step);
  const std::int64_t timescale = *s.config.timescale > 0 ? *s.config.timescale : s.warmup > 0 ? s.warmup : 10'000;
  return 1 / std::sqrt(ratio(step + timescale - s.warmup, timescale));
}

double warmup_stable_decay(const ScheduleShape& s, std::int64_t step) {
  const std::int64_t decay = *s.config.decay_steps;
  double height = 1;
  if (step < s.warmup)
    height = warmup(s, step);
  else if (step >= s.total - decay)
    height = half_cosine(std::min(1.0, ratio(step - (s.total - decay), decay)));
  return height * (1 - s.min_ratio) + s.min_ratio;
}

double one_cycle(const ScheduleShape& s, std::int64_t step) {
  const double start = 1 / *s.config.start_divisor, end = start / *s.config.end_divisor;
  const double last = static_cast<double>(s.total - 1);
  const double top = std::max(0.0, *s.config.rise_share * static_cast<double>(s.total) - 1);
  const double now = std::min(static_cast<double>(step), last);
  const auto between = [](double from, double to, double share) { return to + (from - to) * half_cosine(share); };
  if (now < top) return between(start, 1, now / top);
  return last > top ? between(1, end, (now - top) / (last - top)) : 1;
}

/// Settings that most schedules share.
Config with_warmup(std::string id) {
  Config config;
  config.id = std::move(id);
  config.warmup_steps = 0;
  config.warmup_ratio = 0;
  return config;
}

Config entry_defaults(std::string id, Config own) {
  const Config base = with_warmup(id);
  own.id = base.id;
  own.warmup_steps = base.warmup_steps;
  own.warmup_ratio = base.warmup_ratio;
  return own;
}

const std::array kSchedules{
    ScheduleEntry{"constant", "the same rate, after a linear warm-up", with_warmup("constant"), constant},
    ScheduleEntry{"linear", "warm-up, then a straight line to 0", with_warmup("linear"), linear},
    ScheduleEntry{"cosine", "warm-up, then half a cosine down to min_lr",
                  entry_defaults("cosine", {.min_lr = 0, .cycles = 0.5}), cosine},
    ScheduleEntry{"cosine_with_restarts", "warm-up, then several half cosines down to 0",
                  entry_defaults("cosine_with_restarts", {.cycles = 1}), cosine_with_restarts},
    ScheduleEntry{"polynomial", "warm-up, then a power of the steps that are left, down to min_lr",
                  entry_defaults("polynomial", {.min_lr = 1e-7, .power = 1}), polynomial},
    ScheduleEntry{"inverse_sqrt", "warm-up, then one over the root of the steps",
                  entry_defaults("inverse_sqrt", {.timescale = 0}), inverse_sqrt},
    ScheduleEntry{"warmup_stable_decay", "warm-up from min_lr, a plateau, and half a cosine down to min_lr at the end",
                  entry_defaults("warmup_stable_decay", {.min_lr = 0, .decay_steps = 0}), warmup_stable_decay},
    ScheduleEntry{"one_cycle",
                  "half a cosine up and another one far down",
                  {.id = "one_cycle", .rise_share = 0.3, .start_divisor = 25, .end_divisor = 1e4},
                  one_cycle},
    ScheduleEntry{"reduce_on_plateau", "times a factor whenever the validation loss stops falling",
                  entry_defaults("reduce_on_plateau",
                                 {.min_lr = 0, .factor = 0.1, .threshold = 1e-4, .patience = 10, .cooldown = 0}),
                  constant},
};

template <class T>
struct Option {
  std::string_view name;
  std::optional<T> Config::*member;
  double min, max;
  std::string_view help;
};
constexpr double kMaxSteps = 1e15;
const std::array kCounts{
    Option<std::int64_t>{"warmup_steps", &Config::warmup_steps, 0, kMaxSteps, "steps of linear rise"},
    Option<std::int64_t>{"decay_steps", &Config::decay_steps, 0, kMaxSteps, "steps of the fall at the end"},
    Option<std::int64_t>{"timescale", &Config::timescale, 0, kMaxSteps,
                         "steps after which the rate is 1/sqrt(2); 0: the warm-up"},
    Option<std::int64_t>{"patience", &Config::patience, 0, kMaxSteps, "evaluations without improvement that are borne"},
    Option<std::int64_t>{"cooldown", &Config::cooldown, 0, kMaxSteps, "evaluations not counted after a reduction"},
};
const std::array kNumbers{
    Option<double>{"warmup_ratio", &Config::warmup_ratio, 0, 1, "the warm-up as a share of all steps"},
    Option<double>{"min_lr", &Config::min_lr, 0, 1e6, "least learning rate"},
    Option<double>{"power", &Config::power, 0, 100, "power of the polynomial"},
    Option<double>{"cycles", &Config::cycles, 0, 1e6, "waves of the cosine"},
    Option<double>{"rise_share", &Config::rise_share, 0, 1, "share of the steps that rise"},
    Option<double>{"start_divisor", &Config::start_divisor, 1, 1e12, "the first rate is the peak over this"},
    Option<double>{"end_divisor", &Config::end_divisor, 1, 1e12, "the last rate is the first over this"},
    Option<double>{"factor", &Config::factor, 0, 1, "what the rate is multiplied by"},
    Option<double>{"threshold", &Config::threshold, 0, 1, "relative change that counts as improvement"},
};

std::vector<std::string> ids() {
  std::vector<std::string> names;
  for (const ScheduleEntry& entry : kSchedules) names.emplace_back(entry.id);
  return names;
}

Result<const ScheduleEntry*> find_entry(const std::string& id) {
  for (const ScheduleEntry& entry : kSchedules)
    if (entry.id == id) return &entry;
  Error error = not_found("unknown schedule '{}'; known: {}", printable(id), join(ids(), ", "));
  const std::string guess = did_you_mean(id, ids());
  return guess.empty() ? error : with_hint(std::move(error), format("did you mean '{}'?", guess));
}

template <class T>
Result<void> fill(Config& config, const ScheduleEntry& entry, const Option<T>& option) {
  const auto& by_default = entry.defaults.*option.member;
  auto& value = config.*option.member;
  if (value && !by_default) return invalid_input("schedule '{}' has no '{}'", entry.id, option.name);
  if (!value) value = by_default;
  if (value && !(static_cast<double>(*value) >= option.min && static_cast<double>(*value) <= option.max))
    return invalid_input("schedule '{}': {}: expected a number from {} to {}, found {}", entry.id, option.name,
                         option.min, option.max, *value);
  return ok();
}

Result<std::int64_t> warmup_steps(const Config& given, const Config& filled, std::int64_t total) {
  if (given.warmup_steps && given.warmup_ratio)
    return invalid_input("expected warmup_steps or warmup_ratio, found both");
  if (!given.warmup_ratio) return filled.warmup_steps.value_or(0);
  return static_cast<std::int64_t>(std::ceil(*given.warmup_ratio * static_cast<double>(total)));
}

Result<void> check_shape(const ScheduleShape& shape) {
  if (!std::isfinite(shape.base_lr) || shape.base_lr <= 0)
    return invalid_input("expected a finite learning rate above 0, found {}", shape.base_lr);
  if (shape.total < 1) return invalid_input("expected at least 1 step, found {}", shape.total);
  if (shape.warmup + shape.config.decay_steps.value_or(0) > shape.total)
    return invalid_input("schedule '{}': {} steps of warm-up and {} of decay do not fit in {} steps", shape.config.id,
                         shape.warmup, shape.config.decay_steps.value_or(0), shape.total);
  if (shape.min_ratio > 1)
    return invalid_input("schedule '{}': min_lr {} is above the learning rate {}", shape.config.id,
                         *shape.config.min_lr, shape.base_lr);
  return ok();
}

}  // namespace

void fields(ScheduleConfig& c, FieldVisitor& f) {
  f("id", c.id, {.help = "which schedule", .choices = ids()});
  for (const auto& o : kCounts) f(o.name, c.*o.member, {.help = std::string(o.help), .min = o.min, .max = o.max});
  for (const auto& o : kNumbers) f(o.name, c.*o.member, {.help = std::string(o.help), .min = o.min, .max = o.max});
}

std::span<const ScheduleEntry> all_schedules() { return kSchedules; }

Result<Schedule> Schedule::make(const ScheduleConfig& config, double base_lr, std::int64_t total_steps) {
  VB_TRY(const ScheduleEntry* entry, find_entry(config.id));
  ScheduleShape shape{.config = config, .base_lr = base_lr, .total = total_steps};
  for (const auto& option : kCounts) VB_CHECK(fill(shape.config, *entry, option));
  for (const auto& option : kNumbers) VB_CHECK(fill(shape.config, *entry, option));
  VB_TRY(shape.warmup, warmup_steps(config, shape.config, total_steps), "in schedule '{}'", config.id);
  shape.min_ratio = shape.config.min_lr.value_or(0) / base_lr;
  VB_CHECK(check_shape(shape));
  return Schedule(std::move(shape), entry);
}

double Schedule::at(std::int64_t step) const {
  const double lr = shape_.base_lr * entry_->multiplier(shape_, step) * scale_;
  // The floor of a reduction does not lift a warm-up.
  return scale_ < 1 ? std::max(lr, std::min(*shape_.config.min_lr, lr / scale_)) : lr;
}

void Schedule::observe(double loss) {
  if (!shape_.config.patience) return;
  const bool better = std::isfinite(loss) && (!best_ || loss < *best_ - *shape_.config.threshold * std::abs(*best_));
  if (better) best_ = loss;
  bad_ = better ? 0 : bad_ + 1;
  if (resting_ > 0) {
    --resting_;
    bad_ = 0;
  }
  if (bad_ <= *shape_.config.patience) return;
  scale_ = std::max(scale_ * *shape_.config.factor, shape_.min_ratio);
  resting_ = *shape_.config.cooldown;
  bad_ = 0;
}

Json Schedule::state() const {
  Json state = Json::object({{"bad", bad_}, {"resting", resting_}, {"scale", scale_}});
  if (best_) state["best"] = *best_;
  return state;
}

Result<void> Schedule::restore(const Json& state) {
  VB_TRY(const std::int64_t bad, state.get_int("bad"), "in the state of the schedule");
  VB_TRY(const std::int64_t resting, state.get_int("resting"), "in the state of the schedule");
  VB_TRY(const double scale, state.get_double("scale"), "in the state of the schedule");
  if (bad < 0 || resting < 0 || !(scale >= 0 && scale <= 1))
    return corrupt("the state of the schedule is out of range: bad {}, resting {}, scale {}", bad, resting, scale);
  std::optional<double> best;
  if (state.find("best") != nullptr) VB_CHECK(state.get_double("best"), "in the state of the schedule");
  if (const Json* found = state.find("best")) best = found->as_double();
  bad_ = bad;
  resting_ = resting;
  scale_ = scale;
  best_ = best;
  return ok();
}

}  // namespace vauban
