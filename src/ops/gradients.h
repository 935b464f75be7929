/// Gradients: what a backend adds to Ops so that a tape (train/tape) can differentiate the same forward passes.
///
/// One method per operation with a derivative: given dy, the gradient of the loss by the operation's output, it returns
/// the gradient by its inputs, in the backend's activation type, or adds to the gradient of a parameter. Gradients of
/// parameters have the parameter's shape and the activation type, and always accumulate: dw += ...
///
/// Training attention takes contiguous q, k, v of the whole step and never sees pages; every entry of Batch::sequences is
/// one document (past = 0), so packed documents do not see each other. The documents lie one behind the other and cover
/// the step.
///
/// Determinism: every element is reduced in one fixed order that does not depend on the thread count.
/// Errors of a step go to the sticky status of the Ops (end_step), as they do forward.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops/batch.h"
#include "ops/ops.h"
#include "ops/weight.h"
#include "tensor/tensor.h"

namespace vauban {

struct TrainingAttention {
  Tensor z;                ///< (T, heads, head_dim)
  Tensor log_sum_exp;      ///< (T, heads): log of the sum of exp(scaled, capped, visible scores), the sink's included
};

struct AttentionGradients {
  Tensor q, k, v;  ///< shapes of q, k, v
};

struct GateGradients {
  Tensor gate, up;
};

/// Which random numbers a dropout mask uses: element i of the call takes draw i of Philox(seed, stream).
struct DropoutKey {
  std::uint64_t seed = 0, stream = 0;
};

struct HeadResult {
  std::vector<double> logprobs;  ///< per row: log softmax(softcap(x W^T))[target]
  Tensor dx;                     ///< (T, D); empty when no coefficients were given
};

/// Whether there is a derivative by everything that the operation's result depends on. Not for the two that are only
/// observed; nor for blend_rows: its weights are numbers on the host, so that the gradient by what they were computed from
/// (a router) would be missing. A tape still passes blend_rows' gradient on to x. Nor for the recurrences, so far.
bool has_gradient(Op op);

class Gradients {
 public:
  virtual ~Gradients() = default;

  /// A weight that an optimiser may write: its tensor holds `initial` in the activation type, contiguous, in storage of
  /// its own (host memory on host backends). Errors: corrupt for NaN or Inf, unsupported for a type without a decoder.
  virtual Result<Weight> make_parameter(std::string name, const TensorView& initial) = 0;
  /// Says that the values of a parameter were written: copies in a lower precision are stale.
  virtual void parameter_changed(const Weight& parameter) = 0;
  virtual Tensor zeros(const Shape& shape) = 0;  ///< lives until its last reference goes, across steps
  /// Makes a parameter's gradient zero, by the end of the step at the latest; until then only methods of this interface may
  /// read it. The default zeroes host memory at once; a backend may let the first sum overwrite what is there.
  virtual void clear(Tensor& gradient);
  virtual Tensor scaled(const Tensor& x, double factor) = 0;

  /// As Ops::dropout with an explicit mask; its own backward. An element is kept when its draw is not below `rate`.
  virtual Tensor masked(const Tensor& x, double rate, const DropoutKey& key) = 0;

  virtual void embed_backward(const Tensor& dy, std::span<const std::int32_t> ids, Tensor& dtable) = 0;
  virtual Tensor linear_input_backward(const Tensor& dy, const Weight& weight) = 0;             ///< dx = dy W
  virtual void linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) = 0;       ///< dw += dy^T x
  virtual void bias_backward(const Tensor& dy, Tensor& db) = 0;                                 ///< db += sum over rows
  /// `dw`, `db`: null when the parameter is frozen (or absent).
  virtual Tensor rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                   Tensor* dw) = 0;
  virtual Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                     Tensor* dw, Tensor* db) = 0;
  virtual Tensor rope_backward(const Tensor& dy, std::span<const std::int32_t> positions, const RopeTable& table) = 0;
  virtual TrainingAttention attention(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                                      const AttentionArgs& args) = 0;
  /// `dsinks` (heads): null when there are no sinks or they are frozen. ALiBi slopes are constants of the architecture.
  virtual AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                                const TrainingAttention& forward, const Batch& batch,
                                                const AttentionArgs& args, Tensor* dsinks = nullptr) = 0;
  virtual Tensor activation_backward(const Tensor& dy, const Tensor& x, Activation activation) = 0;
  virtual Tensor clamp_backward(const Tensor& dy, const Tensor& x, double limit) = 0;  ///< dy where |x| <= limit, else 0
  /// `dw`: null when the parameter is frozen.
  virtual Tensor multiply_backward(const Tensor& dy, const Tensor& x, const Weight& weight, Tensor* dw) = 0;
  virtual GateGradients gated_activation_backward(const Tensor& dy, const Tensor& gate, const Tensor& up,
                                                  Activation activation) = 0;
  /// dy goes to columns [begin, begin + width of dy) of an otherwise zero (T, width).
  virtual Tensor columns_backward(const Tensor& dy, std::int64_t begin, std::int64_t width) = 0;
  /// Row i of dy is added to row rows[i] of an otherwise zero tensor with `total_rows` rows.
  virtual Tensor select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows,
                                      std::int64_t total_rows) = 0;

  /// The head fused with the log-probability of one target per row, in chunks: no (T, V) tensor exists. `coefficients`
  /// (one per row, or empty for the forward alone) are d loss / d logprob; then dx is returned and, unless `dw` is null,
  /// dw += is done in the same pass. Cross entropy over n targets: coefficient -1/n.
  virtual HeadResult head(const Tensor& x, const Weight& weight, double softcap,
                          std::span<const std::int32_t> targets, std::span<const double> coefficients, Tensor* dw) = 0;
  /// Backward of Ops::lm_head where the logits themselves were used: logits (T, V) are its output.
  virtual Tensor lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x, const Weight& weight,
                                  double softcap, Tensor* dw) = 0;
  /// Backward of Ops::primitive by x, for the modes that are linear in x or piecewise so (the gate is held).
  virtual Tensor primitive_backward(const Tensor& dy, const Tensor& x, const Primitive& primitive,
                                    std::span<const std::int32_t> rows) = 0;
};

}  // namespace vauban
