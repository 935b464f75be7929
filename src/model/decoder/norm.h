/// Norm: RMSNorm or LayerNorm with its weights. Zhang and Sennrich 2019 (arXiv 1910.07467); Ba et al. 2016 (1607.06450).
#pragma once

#include "model/decoder/spec.h"
#include "model/weight_source.h"

namespace vauban {

class Norm {
 public:
  Norm() = default;
  /// `module` names it without ".weight"; its shape is (width). Errors: those of the weights.
  static Result<Norm> load(const NormSpec& spec, TensorSpec module, WeightSource& weights);
  /// Over the last axis, of the width that it was loaded for.
  Tensor operator()(Ops& ops, const Tensor& x) const;
  void visit_weights(const WeightVisitor& visit);

 private:
  NormSpec spec_;
  Weight weight_, bias_;
};

Op op_of(NormKind kind);

}  // namespace vauban
