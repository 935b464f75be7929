/// Mixtral's layers, which llama files with experts share.
#pragma once

#include "model/archs/reading.h"

namespace vauban {

/// `config` with its sizes, norm and activation read. Errors: corrupt when so many experts cannot be chosen.
Result<ModelConfig> mixtral_of(ModelConfig config, RopeConfig rope, std::int64_t experts, std::int64_t chosen);

}  // namespace vauban
