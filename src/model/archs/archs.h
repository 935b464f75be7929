/// The list of architectures. To add one: a file in this folder that defines NAME_architecture(), and a line here.
#pragma once

#include "model/model.h"

#define VB_ARCHITECTURES(X) \
  X(llama)                  \
  X(gpt2)                   \
  X(phi3)

namespace vauban {

#define VB_DECLARE_ARCHITECTURE(name) Architecture name##_architecture();
VB_ARCHITECTURES(VB_DECLARE_ARCHITECTURE)
#undef VB_DECLARE_ARCHITECTURE

}  // namespace vauban
