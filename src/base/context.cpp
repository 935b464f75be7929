#include "base/context.h"

namespace vauban {

Result<void> CancelToken::check() const {
  if (cancelled()) return vauban::cancelled("stopped on request");
  return ok();
}

std::chrono::nanoseconds SystemClock::monotonic() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

std::chrono::system_clock::time_point SystemClock::utc() const { return std::chrono::system_clock::now(); }

const Clock& system_clock() {
  static const SystemClock clock;  // holds nothing
  return clock;
}

std::string iso8601(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                clock.minutes().count(), clock.seconds().count());
}

}  // namespace vauban
