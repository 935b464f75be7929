#include "train/trackers/metrics_log.h"

#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/strings.h"
#include "train/trackers/resumed_lines.h"

namespace vauban {

namespace {

constexpr std::string_view kStep = "step", kWallTime = "wall_time_s";

Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

Result<double> read_number(const Json& value) {
  if (value.is_number()) return value.as_double();
  if (value.as_string() == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value.as_string() == "inf") return std::numeric_limits<double>::infinity();
  if (value.as_string() == "-inf") return -std::numeric_limits<double>::infinity();
  return corrupt("expected a number or \"nan\", \"inf\", \"-inf\", found {}", value.type_name());
}

Result<std::string> line_of(const MetricRow& row) {
  Json line = Json::object({{std::string(kStep), row.step}, {std::string(kWallTime), row.wall_time_s}});
  for (const auto& [name, value] : row.metrics) {
    if (name == kStep || name == kWallTime) return invalid_input("a metric cannot be named '{}'", name);
    line[name] = number(value);
  }
  return line.dump();
}

Result<MetricRow> row_of(std::string_view line) {
  VB_TRY(const Json json, Json::parse(line));
  MetricRow row;
  VB_TRY(row.step, json.get_int(kStep));
  if (row.step < 0) return corrupt("expected a step of at least 0, found {}", row.step);
  VB_TRY(row.wall_time_s, json.get_double(kWallTime));
  for (const auto& [name, value] : json.entries()) {
    if (name == kStep || name == kWallTime) continue;
    VB_TRY(row.metrics[name], read_number(value), "in metric '{}'", printable(name));
  }
  return row;
}

class MetricsLog final : public Tracker {
 public:
  MetricsLog(AppendLog log, std::int64_t last_step) : log_(std::move(log)), last_step_(last_step) {}

  Result<void> log(const MetricRow& row) override {
    if (row.step < last_step_) return invalid_input("expected a step of at least {}, found {}", last_step_, row.step);
    VB_TRY(const std::string line, line_of(row));
    VB_CHECK(log_.append(line));
    last_step_ = row.step;
    return ok();
  }
  Result<void> sync() override { return log_.sync(); }

 private:
  AppendLog log_;
  std::int64_t last_step_;
};

Result<void> check_new(const std::filesystem::path& path) {
  std::error_code absent;
  const auto size = std::filesystem::file_size(path, absent);
  if (absent || size == 0) return ok();
  return with_hint(invalid_input("'{}' holds the rows of an earlier run", path.string()),
                   "resume that run, or choose another folder");
}

}  // namespace

Result<std::unique_ptr<Tracker>> make_metrics_log(const TrackerTarget& target) {
  const std::filesystem::path path = target.folder / kMetricsFile;
  const auto step_of = [](std::string_view line) -> Result<std::int64_t> {
    VB_TRY(const MetricRow row, row_of(line));
    return row.step;
  };
  if (target.resumed_step)
    VB_CHECK(keep_lines_up_to(path, *target.resumed_step, step_of, target.ops));
  else
    VB_CHECK(check_new(path));
  VB_TRY(AppendLog log, AppendLog::open(path, target.ops, target.clock));
  return std::make_unique<MetricsLog>(std::move(log), target.resumed_step.value_or(0));
}

Result<std::vector<MetricRow>> read_metrics_log(const std::filesystem::path& path) {
  VB_TRY(const std::string text, read_file(path));
  std::vector<MetricRow> rows;
  const std::size_t whole = text.rfind('\n');
  if (whole == std::string::npos) return rows;
  for (const std::string_view line : split(std::string_view(text).substr(0, whole), '\n')) {
    VB_TRY(MetricRow row, row_of(line), "in {}, line {}", path.string(), rows.size() + 1);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace vauban
