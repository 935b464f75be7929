#include "train/trackers/resumed_lines.h"

namespace vauban {

Result<void> keep_lines_up_to(const std::filesystem::path& path, std::int64_t step,
                              const std::function<Result<std::int64_t>(std::string_view line)>& step_of, FileOps& ops) {
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable) && !unreadable) return ok();
  VB_TRY(const std::string text, read_file(path));
  std::size_t kept = 0, number = 0;
  std::int64_t last = -1;
  while (kept < text.size()) {
    const std::size_t end = text.find('\n', kept);
    if (end == std::string::npos) break;  // torn
    ++number;
    VB_TRY(const std::int64_t found, step_of(std::string_view(text).substr(kept, end - kept)), "in {}, line {}",
           path.string(), number);
    if (found > step) break;
    if (found >= 0 && found < last)
      return corrupt("{}, line {}: step {} follows step {}", path.string(), number, found, last);
    last = std::max(last, found);
    kept = end + 1;
  }
  if (kept == text.size()) return ok();
  return write_file_atomic(path, std::string_view(text).substr(0, kept), ops);
}

}  // namespace vauban
