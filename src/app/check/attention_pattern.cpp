#include "app/check/attention_pattern.h"

#include <algorithm>
#include <cmath>

namespace vauban {
namespace {

constexpr double kRowTolerance = 1e-4;  // f32 rounding over some hundred terms is far below

bool any_weight(std::span<const float> keys) {
  return std::ranges::any_of(keys, [](float p) { return p != 0.0F; });
}

}  // namespace

bool test_pattern(const std::string& name, std::span<const std::int64_t> shape, std::span<const float> values, const PatternRule& rule, Findings& findings) {
  if (shape.size() != 3 || shape[1] > shape[2] || static_cast<std::int64_t>(values.size()) != shape[0] * shape[1] * shape[2]) {
    findings.fault("{}: the pattern has no shape (heads, rows, keys)", name);
    return false;
  }
  const auto heads = static_cast<std::size_t>(shape[0]), rows = static_cast<std::size_t>(shape[1]), keys = static_cast<std::size_t>(shape[2]);
  const auto window = static_cast<std::size_t>(std::max<std::int64_t>(rule.window, 0));
  std::size_t wrong = 0, future = 0, beyond = 0;
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t r = 0; r < rows; ++r) {
      const auto row = values.subspan((h * rows + r) * keys, keys);
      const std::size_t seen = keys - rows + r + 1;  // itself and what came before
      double sum = 0.0;
      for (const float p : row) sum += static_cast<double>(p);
      wrong += !(rule.sinks ? sum <= 1.0 + kRowTolerance : std::abs(sum - 1.0) <= kRowTolerance);  // NaN is wrong too
      future += any_weight(row.subspan(seen));
      beyond += window > 0 && seen > window && any_weight(row.first(seen - window));
    }
  if (wrong > 0) findings.fault("{}: {} of {} rows do not sum to 1", name, wrong, heads * rows);
  if (future > 0) findings.fault("{}: {} rows see what comes after them", name, future);
  if (beyond > 0) findings.fault("{}: {} rows see beyond the window of {} tokens", name, beyond, window);
  return window > 0 && rows > 0 && keys > window;
}

}  // namespace vauban
