/// Folding a sequence of layers: like ones next to each other are one run, and a run of runs that comes again is a round.
#pragma once

#include <cstdint>
#include <vector>

namespace vauban {

struct FoldedRun {
  int kind = 0;
  std::int64_t count = 1;
  friend bool operator==(const FoldedRun&, const FoldedRun&) = default;
};
struct FoldedSegment {
  std::int64_t first = 0, times = 1;
  std::vector<FoldedRun> runs;
};

/// AAAAABAAAAABAA -> 2 times (A x 5, B), then A x 2. Rounds of at most 32 runs are looked for, the longest stretch first.
std::vector<FoldedSegment> folded(const std::vector<int>& kinds);

}  // namespace vauban
