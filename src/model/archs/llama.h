/// The Llama family's entry in the list of architectures.
#pragma once

#include "model/model.h"

namespace vauban {

Architecture llama_architecture();

}  // namespace vauban
