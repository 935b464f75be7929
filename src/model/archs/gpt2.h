/// The entry of GPT-2 in the list of architectures.
#pragma once

#include "model/model.h"

namespace vauban {

Architecture gpt2_architecture();

}  // namespace vauban
