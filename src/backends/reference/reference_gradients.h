/// Gradients of the reference backend: plain loops in f64 that read like the formulas, and the specification of every
/// other backend's. Parameters and their gradients are f64 in host memory; ReferenceOps owns this object.
#pragma once

#include "ops/gradients.h"

namespace vauban {

class ReferenceOps;

class ReferenceGradients final : public Gradients {
 public:
  explicit ReferenceGradients(ReferenceOps& ops) : ops_(ops) {}

  Result<Weight> make_parameter(std::string name, const TensorView& initial) override;
  void parameter_changed(const Weight&) override {}  // there is no copy in a lower precision
  Tensor zeros(const Shape& shape) override;
  Tensor scaled(const Tensor& x, double factor) override;
  /// Element i is kept when draw i (uniform()) of Rng(seed, stream) is at least `rate`.
  /// Errors: internal for a rate outside [0, 1).
  Tensor masked(const Tensor& x, double rate, const DropoutKey& key) override;

  void embed_backward(const Tensor& dy, std::span<const std::int32_t> ids, Tensor& dtable) override;
  Tensor linear_input_backward(const Tensor& dy, const Weight& weight) override;
  void linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) override;
  void bias_backward(const Tensor& dy, Tensor& db) override;
  Tensor rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                           Tensor* dw) override;
  Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon, Tensor* dw,
                             Tensor* db) override;
  Tensor rope_backward(const Tensor& dy, std::span<const std::int32_t> positions, const RopeTable& table) override;
  TrainingAttention attention(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                              const AttentionArgs& args) override;
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch,
                                        const AttentionArgs& args, Tensor* dsinks) override;
  Tensor activation_backward(const Tensor& dy, const Tensor& x, Activation activation) override;
  Tensor clamp_backward(const Tensor& dy, const Tensor& x, double limit) override;
  Tensor multiply_backward(const Tensor& dy, const Tensor& x, const Weight& weight, Tensor* dw) override;
  GateGradients gated_activation_backward(const Tensor& dy, const Tensor& gate, const Tensor& up,
                                          Activation activation) override;
  Tensor columns_backward(const Tensor& dy, std::int64_t begin, std::int64_t width) override;
  Tensor select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows, std::int64_t total_rows) override;
  HeadResult head(const Tensor& x, const Weight& weight, double softcap, std::span<const std::int32_t> targets,
                  std::span<const double> coefficients, Tensor* dw) override;
  Tensor lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x, const Weight& weight,
                          double softcap, Tensor* dw) override;
  Tensor primitive_backward(const Tensor& dy, const Tensor& x, const Primitive& primitive,
                            std::span<const std::int32_t> rows) override;

 private:
  Tensor make(const Shape& shape);
  bool accept(Result<void> check);
  /// Accepts a tensor of this shape in f64; a null pointer (a frozen parameter) fits.
  bool fits(std::string_view what, const Tensor& found, const Shape& expected);
  bool fits(std::string_view what, const Tensor* found, const Shape& expected);

  ReferenceOps& ops_;
};

}  // namespace vauban
