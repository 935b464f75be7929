#include "app/version.h"

namespace vauban {

std::string version() { return VAUBAN_VERSION; }
std::string build_compiler() { return VAUBAN_COMPILER; }
std::string build_type() { return VAUBAN_BUILD_TYPE; }

}  // namespace vauban
