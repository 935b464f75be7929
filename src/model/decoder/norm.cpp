#include "model/decoder/norm.h"

namespace vauban {

Result<Norm> Norm::load(const NormSpec& spec, TensorSpec module, WeightSource& weights) {
  Norm norm;
  norm.spec_ = spec;
  if (spec.bias) {
    VB_TRY(norm.bias_, weights.get(bias_of(module)));
  }
  if (!spec.weight) {
    VB_TRY(norm.weight_, weights.ones(module.shape[0]));
    return norm;
  }
  module.hf_minus_one = spec.hf_minus_one;
  VB_TRY(norm.weight_, weights.get(norm_weight_of(std::move(module))));
  return norm;
}

Tensor Norm::operator()(Ops& ops, const Tensor& x) const {
  if (spec_.kind == NormKind::rms) return ops.rms_norm(x, weight_, spec_.epsilon);
  return ops.layer_norm(x, weight_, spec_.bias ? &bias_ : nullptr, spec_.epsilon);
}

void Norm::visit_weights(const WeightVisitor& visit) {
  if (spec_.weight) visit(weight_);
  if (spec_.bias) visit(bias_);
}

Op op_of(NormKind kind) { return kind == NormKind::rms ? Op::rms_norm : Op::layer_norm; }

}  // namespace vauban
