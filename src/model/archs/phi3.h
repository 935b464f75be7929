/// The entry of Phi-3 in the list of architectures.
#pragma once

#include "model/model.h"

namespace vauban {

Architecture phi3_architecture();

}  // namespace vauban
