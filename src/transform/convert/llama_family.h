/// The Llama family's entry in the list of families that can be converted.
#pragma once

#include "transform/convert/family.h"

namespace vauban {

ConvertFamily llama_convert_family();

}  // namespace vauban
