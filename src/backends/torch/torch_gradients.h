/// Gradients of the torch backend: each operation's own derivative by LibTorch's autograd, in f32 (operands of dense
/// products rounded to the training numerics, as on the cpu backend). The tape of train/
/// therefore runs on it as on the others, and is checked against one autograd pass over the whole network.
/// Parameters lie in host memory, which an optimiser writes; TorchOps owns this object.
#pragma once

#include "backends/torch/torch_ops.h"
#include "ops/gradients.h"

namespace vauban::torch_backend {

class TorchGradients final : public Gradients {
 public:
  explicit TorchGradients(TorchOps& ops) : ops_(ops) {}

  Result<Weight> make_parameter(std::string name, const TensorView& initial) override;
  void parameter_changed(const Weight&) override {}  // there is no copy in another precision
  Tensor zeros(const Shape& shape) override;
  void clear(Tensor& gradient) override;
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
  /// As TorchOps::run, checked for shapes; `expected` pairs each operand with the shape that it must have.
  using Operand = std::pair<const Tensor*, Shape>;
  Result<void> fit(std::string_view op, std::initializer_list<Operand> operands) const;
  at::Tensor in(const Tensor& x) const { return ops_.in(x); }
  /// Adds to the gradient of a parameter; a null pointer is a frozen one.
  void add_to(Tensor* gradient, const at::Tensor& value);

  TorchOps& ops_;
};

}  // namespace vauban::torch_backend
