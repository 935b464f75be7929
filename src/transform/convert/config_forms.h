/// The configuration of a model in the other format: as an architecture's file writes it (model/archs), and read back before
/// anything is written. What a format cannot say is refused by name.
#pragma once

#include <vector>

#include "format/gguf_writer.h"
#include "format/model_source.h"
#include "model/model.h"
#include "transform/convert/rope_text.h"

namespace vauban {

/// The architecture of the GGUF that a model becomes, or that it is. Errors: unsupported, with the names of those that are
/// converted, for one without a GGUF form or without a writer.
Result<const Architecture*> convertible(const Architecture& architecture);
/// Ids of the architectures that are converted, folders to GGUF and back.
std::vector<std::string> convertible_architectures();

/// A folder's configuration as the GGUF's would be read.
ModelConfig in_gguf_form(const Architecture& architecture, ModelConfig config);

struct GgufConfig {
  std::vector<GgufKey> keys;  ///< `{arch}.*`
  std::vector<RopeFactors> factors;
  std::vector<std::string> notes;
};
/// `tensors`: what the GGUF will hold, by name and shape. Errors: unsupported, naming what would come back otherwise.
Result<GgufConfig> gguf_config_of(const ModelSource& folder, const Architecture& architecture, const ModelConfig& config,
                                  const std::vector<TensorEntry>& tensors);

/// config.json of a GGUF, without ids and dtype. Errors: the same.
Result<Json> hf_config_json(const ModelSource& gguf, const Architecture& architecture, const ModelConfig& config);
/// What a folder with this config.json would compute otherwise; empty: nothing.
Result<std::vector<std::string>> differences_as_folder(const Json& config_json, const ModelSource& gguf, const ModelConfig& config);

}  // namespace vauban
