/// Lineage: what a model was made from, by which recipe and by which program; written into the model itself.
///
/// In a GGUF: the keys vauban.lineage.base_digest, .base, .recipe, .tool; in safetensors: the same names in
/// `__metadata__`. No clock and no path: equal inputs give equal bytes.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "format/gguf_writer.h"
#include "format/safetensors_writer.h"

namespace vauban {

struct Lineage {
  std::string base_digest;  ///< ModelFile::digest() of the source; empty (null as JSON) in a plan
  std::string base;         ///< its name
  std::string recipe;       ///< "convert gguf f16", "quantize Q4_0 ffn_down=q8_0"
  std::string tool;         ///< "vauban 0.1.0"
};

void add_lineage(std::vector<GgufKey>& keys, const Lineage& lineage);
void add_lineage(SafetensorsMetadata& metadata, const Lineage& lineage);
Json to_json(const Lineage& lineage);

}  // namespace vauban
