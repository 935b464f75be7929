/// One rule for the token ids that users write: --ids and lines of JSON alike.
#pragma once

#include <cstdint>
#include <limits>

#include "base/result.h"

namespace vauban {

/// Errors: invalid_input for a number that no vocabulary can have.
inline Result<std::int32_t> token_id(std::int64_t number) {
  if (number < 0 || number > std::numeric_limits<std::int32_t>::max()) return invalid_input("{} is no token id", number);
  return static_cast<std::int32_t>(number);
}

}  // namespace vauban
