#include "train/trackers/csv.h"

#include "base/strings.h"
#include "train/trackers/resumed_lines.h"

namespace vauban {

namespace {

constexpr std::string_view kHeading = "step,wall_time_s,metric,value";

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

Result<std::int64_t> step_of(std::string_view line) {
  if (line == kHeading) return -1;
  return parse_int(line.substr(0, line.find(',')));
}

class Csv final : public Tracker {
 public:
  explicit Csv(AppendLog log) : log_(std::move(log)) {}

  Result<void> log(const MetricRow& row) override {
    for (const auto& [name, value] : row.metrics) {
      if (name.find_first_of("\r\n") != std::string::npos)
        return invalid_input("the name '{}' of a metric holds a line break", printable(name));
      VB_CHECK(log_.append(format("{},{},{},{}", row.step, row.wall_time_s, quoted(name), value)));
    }
    return ok();
  }
  Result<void> sync() override { return log_.sync(); }

 private:
  AppendLog log_;
};

}  // namespace

Result<std::unique_ptr<Tracker>> make_csv(const TrackerTarget& target) {
  const std::filesystem::path path = target.folder / "metrics.csv";
  if (target.resumed_step) VB_CHECK(keep_lines_up_to(path, *target.resumed_step, step_of, target.ops));
  VB_TRY(AppendLog log, AppendLog::open(path, target.ops, target.clock));
  std::error_code unreadable;
  const auto size = std::filesystem::file_size(path, unreadable);
  if (unreadable) return io("cannot read the size of '{}': {}", path.string(), unreadable.message());
  if (size > 0 && !target.resumed_step)
    return with_hint(invalid_input("'{}' holds the lines of an earlier run", path.string()),
                     "resume that run, or choose another folder");
  if (size == 0) VB_CHECK(log.append(kHeading));
  return std::make_unique<Csv>(std::move(log));
}

}  // namespace vauban
