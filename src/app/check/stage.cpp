#include "app/check/stage.h"

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kShown = 6;  // of a kind; a damaged file has thousands

std::string joined(const std::vector<std::string>& parts) {
  if (parts.size() <= kShown) return join(parts, "; ");
  return format("{}; and {} more", join({parts.begin(), parts.begin() + kShown}, "; "), parts.size() - kShown);
}

}  // namespace

StageResult Findings::result(std::string name) const {
  StageResult out{.name = std::move(name)};
  if (!faults_.empty()) {
    out.status = StageStatus::fail;
    out.detail = joined(faults_);
    return out;
  }
  if (fine_.empty()) {
    out.status = StageStatus::skipped;
    out.detail = not_run_.empty() ? "there is nothing to test" : joined(not_run_);
    return out;
  }
  out.detail = joined(fine_);
  if (!not_run_.empty()) out.detail += format("; not run: {}", joined(not_run_));
  return out;
}

}  // namespace vauban
