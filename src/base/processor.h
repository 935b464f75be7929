/// What the machine says of its first processor, for records of what was measured where.
#pragma once

#include <string>

namespace vauban {

/// "model name" of /proc/cpuinfo; "unknown" where the system does not tell.
std::string processor_name();

}  // namespace vauban
