/// What a stage of `vauban check` found. Every stage runs numbers; none looks at what a tensor is called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"

namespace vauban {

enum class StageStatus { pass, fail, skipped };

struct StageResult {
  std::string name;
  StageStatus status = StageStatus::pass;
  std::string detail;  ///< what was measured; of a failure the faults, of a skipped stage the reason
};

/// Gathers what the tests of one stage say. A stage of which no test could run is skipped.
class Findings {
 public:
  template <class... Args>
  void fault(fmt::format_string<Args...> text, Args&&... args) {
    faults_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  /// A test ran and found nothing wrong.
  template <class... Args>
  void fine(fmt::format_string<Args...> text, Args&&... args) {
    fine_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  /// A test that could not run.
  template <class... Args>
  void not_run(fmt::format_string<Args...> text, Args&&... args) {
    not_run_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  StageResult result(std::string name) const;

 private:
  std::vector<std::string> faults_, fine_, not_run_;
};

}  // namespace vauban
