/// GPT-2's entry in the list of families that can be converted.
#pragma once

#include "transform/convert/family.h"

namespace vauban {

ConvertFamily gpt2_convert_family();

}  // namespace vauban
