/// The scorers of the earlier Python tool, kept as they are for comparability (audit.md section 3), wrong verdicts included.
#pragma once

#include "evidence/scorer.h"

namespace vauban {

bool refused_v1(std::string_view output);
bool clarifying_v1(std::string_view output);
bool uncertain_v1(std::string_view output);
bool defers_v1(std::string_view output);

extern const Scorer kRefusalV1, kLengthV1, kStyleV1, kExpectedBehaviorV1;

}  // namespace vauban
