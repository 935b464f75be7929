#include "app/flow/fold.h"

#include <algorithm>
#include <cstddef>

namespace vauban {
namespace {

constexpr std::size_t kLongestRound = 32;

/// How often the `length` runs at `at` come in a row.
std::size_t rounds(const std::vector<FoldedRun>& runs, std::size_t at, std::size_t length) {
  std::size_t times = 1;
  while (at + (times + 1) * length <= runs.size() &&
         std::equal(runs.begin() + static_cast<std::ptrdiff_t>(at), runs.begin() + static_cast<std::ptrdiff_t>(at + length),
                    runs.begin() + static_cast<std::ptrdiff_t>(at + times * length)))
    ++times;
  return times;
}

}  // namespace

std::vector<FoldedSegment> folded(const std::vector<int>& kinds) {
  std::vector<FoldedRun> runs;
  for (const int kind : kinds) {
    if (!runs.empty() && runs.back().kind == kind) ++runs.back().count;
    else runs.push_back({kind, 1});
  }
  std::vector<FoldedSegment> out;
  std::int64_t first = 0;
  for (std::size_t at = 0; at < runs.size();) {
    std::size_t length = 1, times = 1;
    for (std::size_t tried = 2; tried <= std::min(kLongestRound, (runs.size() - at) / 2); ++tried)
      if (const std::size_t found = rounds(runs, at, tried); found > 1 && found * tried > length * times) {
        length = tried;
        times = found;
      }
    FoldedSegment segment{.first = first, .times = static_cast<std::int64_t>(times), .runs = {}};
    for (std::size_t i = at; i < at + length; ++i) segment.runs.push_back(runs[i]);
    for (const FoldedRun& run : segment.runs) first += run.count * segment.times;
    out.push_back(std::move(segment));
    at += length * times;
  }
  return out;
}

}  // namespace vauban
