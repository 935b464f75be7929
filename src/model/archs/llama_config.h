/// Configurations of the Llama family: config.json of Hugging Face and the `llama.` keys of GGUF.
///
/// Names and defaults are those of transformers' LlamaConfig. What this forward pass does not know (another activation,
/// rope type, quantisation method, windows, experts, soft caps) is refused by name.
#pragma once

#include "format/model_source.h"
#include "model/config.h"

namespace vauban {

/// Errors: corrupt for missing or unfit values (file and key named), unsupported for unknown parts.
Result<ModelConfig> llama_config_from_hf(const ModelSource& source);
/// The same. Where the format has no key (biases, a tied head, the vocabulary's size) the stored tensors decide.
Result<ModelConfig> llama_config_from_gguf(const ModelSource& source);

}  // namespace vauban
