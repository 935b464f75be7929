/// The version of this build.
#pragma once

#include <string>

namespace vauban {

std::string version();         ///< "0.1.0"
std::string build_compiler();  ///< "g++ 12.2.0"
std::string build_type();      ///< "Release"

}  // namespace vauban
