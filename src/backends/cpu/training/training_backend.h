/// CpuTrainingOps and CpuGradients: the classes behind make_cpu_training_ops. The methods of CpuGradients are spread over
/// rowwise.cpp, dense.cpp, head.cpp and attention.cpp.
#pragma once

#include <map>
#include <memory>

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/training/matmul.h"
#include "backends/cpu/training/tensor_pool.h"
#include "backends/cpu/training/training_kernels.h"
#include "backends/cpu/training/training_ops.h"
#include "ops/gradients.h"

namespace vauban::cpu {

class CpuGradients;
struct HeadCall;  // head.cpp

/// Operand values in the type of the products, rows of `width`; holds its memory.
struct Rounded {
  MatmulType type = MatmulType::f32;
  Tensor values;  ///< (rows, width): f32 or bf16
  std::int64_t width = 0;
  std::size_t element_size() const { return type == MatmulType::bf16 ? 2 : 4; }
  /// Rows from `row` on, as they are.
  Operand plain(std::int64_t row = 0) const { return {at(row), width, 1}; }
  /// The transposed matrix: columns of it are rows of this.
  Operand transposed(std::int64_t row = 0) const { return {at(row), 1, width}; }

 private:
  const std::byte* at(std::int64_t row) const {
    return values.data() + static_cast<std::size_t>(row * width) * element_size();
  }
};

class CpuTrainingOps final : public CpuOps {
 public:
  CpuTrainingOps(ThreadPool& pool, const Kernels& kernels, TrainingNumerics numerics, bool rehearsal = false);
  ~CpuTrainingOps() override;

  bool supports(Op op, Direction direction) const override;
  void begin_step() override;
  Result<void> end_step() override;
  Tensor linear(const Tensor& x, const Weight& weight, const Weight* bias) override;
  OpCounters take_counters() override;
  Gradients* gradients() override;

 private:
  friend class CpuGradients;
  Tensor make(const Shape& shape) override;
  Tensor make_as(DType dtype, const Shape& shape);
  template <class T>
  static T* memory_of(const Tensor& tensor) { return tensor.empty() ? nullptr : tensor.as<T>(); }

  /// x in the products' type. The last two results are kept: q, k and v share one.
  Rounded rounded(const Tensor& x);
  Rounded round_rows(const float* x, std::int64_t rows, std::int64_t width);
  /// The weight in the products' type. Parameters and dense weights are kept; blocks are decoded for the call.
  Rounded rounded(const Weight& weight);
  Rounded decode(const Weight& weight);
  /// The right operand (k, n) of a product as its tiles read it fastest: packed where that pays, and then `memory` holds
  /// it; else as it is.
  Operand packed(const Operand& b, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a, Tensor& memory);
  /// The same for a left operand (m, k) that is stored transposed.
  Operand upright(const Operand& a, std::int64_t m, std::int64_t n, std::int64_t k, Tensor& memory);
  void dense_product(std::int64_t m, std::int64_t n, std::int64_t k, const Rounded& type_of, const Operand& a,
                const Operand& b, float* c, std::int64_t c_stride, bool accumulate);

  TrainingNumerics numerics_;
  MatmulType type_;
  const TrainingKernels& train_;
  TensorPool memory_;
  Matmul matmul_;
  struct Kept {
    Tensor source;
    Rounded rounded;
  };
  Kept recent_[2];
  int next_recent_ = 0;
  std::map<const Storage*, Kept> weights_;
  std::unique_ptr<CpuGradients> gradients_;
};

class CpuGradients final : public Gradients {
 public:
  explicit CpuGradients(CpuTrainingOps& ops) : ops_(ops) {}

  Result<Weight> make_parameter(std::string name, const TensorView& initial) override;
  void parameter_changed(const Weight& parameter) override;
  Tensor zeros(const Shape& shape) override;
  void clear(Tensor& gradient) override;
  Tensor scaled(const Tensor& x, double factor) override;
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
  bool accept(Result<void> check, std::initializer_list<const Tensor*> inputs, const Tensor& out);
  /// Also makes a cleared gradient zero, unless the caller asks `accumulates`.
  enum class Write { part, whole };
  bool accept_gradient(std::string_view op, const Tensor* gradient, const Shape& shape, Write write = Write::part);
  /// Whether a sum goes on top of what `gradient` holds; false once after clear(): the caller then writes all of it.
  bool accumulates(const Tensor& gradient) { return cleared_.erase(gradient.storage()) == 0; }
  void fill_zero(const Tensor& gradient);
  bool head_in_one_pass(const HeadCall& call, std::int64_t first, std::int64_t count, HeadResult& result);
  void head_over_logits(const HeadCall& call, std::int64_t first, std::int64_t rows, HeadResult& result);
  void add_partials(const Tensor& partials, std::int64_t blocks, std::int64_t width, Tensor& into);

  friend class CpuTrainingOps;
  void end_step();  ///< zeroes what nothing was added to

  CpuTrainingOps& ops_;
  std::map<const Storage*, Tensor> cleared_;  ///< gradients that are zero, whatever their memory holds
};

}  // namespace vauban::cpu
