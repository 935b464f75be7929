/// Mixtral's layers, which llama files with experts share.
#pragma once

#include "model/archs/reading.h"

namespace vauban {

DecoderNames mixtral_names();
/// `config` with its sizes, norm and activation read.
ModelConfig mixtral_of(ModelConfig config, RopeConfig rope, MoeSpec moe);

}  // namespace vauban
