/// Which layers of a direction file `--layers` means.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/direction.h"

namespace vauban {

/// `chosen` (the one the file names, or its only one), `all` (every layer of the file), or numbers: 3, 3-5, 2,4,7.
/// `flag` is what errors call it.
/// Errors: invalid_input for another text or where the file names none; not_found for a layer that it does not hold.
Result<std::vector<int>> layers_from(const std::string& text, const DirectionFile& file,
                                    std::string_view flag = "--layers");

}  // namespace vauban
