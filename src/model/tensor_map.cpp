#include "model/tensor_map.h"

namespace vauban {

std::string module_of(const TensorSpec& spec) { return spec.hf.substr(0, spec.hf.rfind('.')); }

namespace {

template <class Part>
void apply_to_whole(TensorSpec& module, const Part& part) {
  if (module.hf_whole) module.hf_whole = std::make_shared<const TensorSpec>(part(*module.hf_whole));
}

}  // namespace

TensorSpec weight_of(TensorSpec module) {
  apply_to_whole(module, weight_of);
  if (module.role == TensorRole::other) module.role = TensorRole::linear;
  if (!module.hf_alias.empty()) module.hf_alias += ".weight";
  if (!module.hf_unsuffixed) module.hf += ".weight";
  module.gguf += ".weight";
  return module;
}

TensorSpec norm_weight_of(TensorSpec module) {
  module = weight_of(std::move(module));
  module.role = TensorRole::other;
  return module;
}

TensorSpec bias_of(TensorSpec module) {
  apply_to_whole(module, bias_of);
  if (!module.hf_alias.empty()) module.hf_alias += ".bias";
  module.hf += module.hf_unsuffixed ? "_bias" : ".bias";
  module.gguf += ".bias";
  module.shape = {module.shape[0]};
  module.role = TensorRole::other;
  module.hf_transposed = module.gguf_transposed = module.hf_minus_one = module.hf_middle_one = false;
  return module;
}

}  // namespace vauban
