/// The list of architectures. To add one: a file in this folder that defines NAME_architecture(), and a line here.
#pragma once

#include "model/model.h"

#define VB_ARCHITECTURES(X) \
  X(llama) \
  X(gpt2) \
  X(phi3) \
  X(mistral) \
  X(qwen2) \
  X(qwen3) \
  X(gemma) \
  X(gemma2) \
  X(gemma3) \
  X(olmo) \
  X(olmo2) \
  X(stablelm) \
  X(cohere) \
  X(cohere2) \
  X(granite) \
  X(smollm3) \
  X(internlm2) \
  X(nemotron) \
  X(glm4) \
  X(exaone4) \
  X(gptneox) \
  X(gptj) \
  X(phi) \
  X(starcoder2) \
  X(falcon) \
  X(bloom) \
  X(mpt) \
  X(opt) \
  X(mixtral) \
  X(qwen2moe) \
  X(qwen3moe) \
  X(gptoss) \
  X(deepseek) \
  X(lfm2) \
  X(mamba) \
  X(qwen3next)

namespace vauban {

#define VB_DECLARE_ARCHITECTURE(name) Architecture name##_architecture();
VB_ARCHITECTURES(VB_DECLARE_ARCHITECTURE)
#undef VB_DECLARE_ARCHITECTURE

}  // namespace vauban
