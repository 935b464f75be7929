#include "model/decoder/block.h"

namespace vauban {

TensorSpec BlockLoader::matrix(const ModuleName& name, std::int64_t out, std::int64_t in) const {
  TensorSpec spec = module(name, {out, in});
  spec.hf_transposed = names.hf_transposed;
  return spec;
}

}  // namespace vauban
