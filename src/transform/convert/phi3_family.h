/// Phi-3's entry in the list of families that can be converted.
#pragma once

#include "transform/convert/family.h"

namespace vauban {

ConvertFamily phi3_convert_family();

}  // namespace vauban
