/// What differs between two configurations, by name: the sizes, and what every layer computes.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"

namespace vauban {

/// Numbers are equal up to the f32 in which GGUF keys and factors are stored (1e-6 of themselves). Token ids are not
/// compared; two recurrences always differ, since nothing here knows their parts. Empty: the same network.
std::vector<std::string> config_differences(const ModelConfig& a, const ModelConfig& b);

}  // namespace vauban
