/// The name under which a weight that no file holds is loaded: the ones of a norm that learns nothing. It is never trained.
#pragma once

#include <string_view>

namespace vauban {

inline constexpr std::string_view kOnes = "ones";

}  // namespace vauban
