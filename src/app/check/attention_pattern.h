/// What must hold for the pattern of one layer's attention, whatever the weights are.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "app/check/stage.h"

namespace vauban {

struct PatternRule {
  std::int64_t window = 0;  ///< keys at this distance and beyond take no weight; 0: all are seen
  bool sinks = false;       ///< a part of the weight goes to no key
};

/// `values`: (heads, rows, keys), row-major; row r stands at position keys - rows + r. Faults: rows that do not sum to 1
/// (with sinks: to at most 1), that see what comes after them, that see beyond the window.
/// -> whether the window, if there is one, hid any key: else it was not tested
bool test_pattern(const std::string& name, std::span<const std::int64_t> shape, std::span<const float> values, const PatternRule& rule, Findings& findings);

}  // namespace vauban
