/// Example: the tokens of one training text and which of them the loss covers.
#pragma once

#include <cstdint>
#include <vector>

namespace vauban {

/// `is_target` is beside `ids`.
struct Example {
  std::vector<std::int32_t> ids;
  /// is_target[i] is 1 when the loss covers predicting ids[i] from ids[0..i-1]. is_target[0] is always 0.
  std::vector<std::uint8_t> is_target;
  friend bool operator==(const Example&, const Example&) = default;
};

}  // namespace vauban
