/// The answer at the top of a report.
#pragma once

#include <string>

#include "evidence/evidence.h"

namespace vauban {

struct ReportVerdict {
  std::string answer;  ///< ship, hold, inconclusive
  int exit_code = 4;   ///< 0, 1, 4
  std::string reason;
};

/// hold: a gate shows a regression. ship: every gate passes. Otherwise inconclusive, and the reason says what is lacking.
/// A comparison with nothing in common, with too many unpaired rows, or without gates never passes.
ReportVerdict decide(const Evidence& evidence);

}  // namespace vauban
