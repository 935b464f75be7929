/// Budget: what one rendering may cost. Every step and every byte that a template makes is taken from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace vauban::jinja {

/// Chosen so that a conversation of ten thousand messages passes and a hostile template ends within seconds.
struct Limits {
  std::int64_t steps = 20'000'000;               ///< nodes evaluated, elements walked, 64 bytes of text written
  std::int64_t bytes = std::int64_t{256} << 20;  ///< of all values made, in bytes
  int depth = 800;                               ///< nested evaluations (macros calling macros)
};

constexpr int kMaxValueDepth = 512;       ///< lists in lists
constexpr std::int64_t kMaxRange = 100'000;  ///< Jinja's sandbox: MAX_RANGE

class Budget {
 public:
  explicit Budget(const Limits& limits = {}) : limits_(limits) {}
  Result<void> steps(std::size_t count = 1) {
    steps_ += static_cast<std::int64_t>(count);
    if (steps_ <= limits_.steps) return ok();
    return resource("the template was stopped after {} steps", limits_.steps);
  }
  /// For a value of `count` bytes that is about to be made.
  Result<void> bytes(std::size_t count) {
    if (count > static_cast<std::size_t>(limits_.bytes)) return too_many_bytes();
    bytes_ += static_cast<std::int64_t>(count);
    if (bytes_ > limits_.bytes) return too_many_bytes();
    return steps(count / 64);
  }
  /// For looking for `wanted` in `text`, however often they nearly agree.
  Result<void> search(std::string_view text, std::string_view wanted) {
    return steps((text.size() / 64 + 1) * (wanted.size() / 64 + 1));
  }
  int max_depth() const { return limits_.depth; }

 private:
  Error too_many_bytes() const { return resource("the template made more than {} bytes of values", limits_.bytes); }

  Limits limits_;
  std::int64_t steps_ = 0, bytes_ = 0;
};

}  // namespace vauban::jinja
