/// TorchOps: the operations on at::Tensor, on any device of LibTorch. The portable surface: what runs here runs on CPU,
/// CUDA and MPS with the same forward passes, taps and traces.
///
/// exact   activations, keys and values in f32. f32 weights are the mapped bytes themselves on the host. bf16 and f16
///         ones are widened when loaded as long as that takes no more than kWidenedBytes; the others keep their type and are
///         widened piece by piece inside the product. Quantised weights are decoded when loaded.
/// native  activations, keys and values in the type of the first matrix that is loaded (bf16 or f16; else f32); norms,
///         softmax and the activation primitive compute in f32.
///
/// Products of f32 are never made in TF32 (pin_f32_products); a kernel path that ends in "tf32" says that they were.
/// LibTorch picks its own kernels by shape, so bits may depend on batch and threads: invariant_bits() is false.
/// LibTorch's own threads run while the engine's pool sleeps, and are at most as many. Steps whose products are too
/// small to share run on one: waiting for a thread that another program keeps off its core costs more than it brings.
/// Everything that LibTorch throws is caught here and becomes the sticky status of the step.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "backends/torch/torch_device.h"
#include "backends/torch/torch_tensor.h"
#include "base/context.h"
#include "ops/ops.h"

namespace vauban::torch_backend {

class TorchGradients;
class TorchKvStore;
struct ScoreTerms;
struct StepSlots;

inline constexpr std::int64_t kWidenedBytes = std::int64_t{256} << 20;

struct TorchSetting {
  at::Device device = at::kCPU;
  bool native = false;
  bool training = false;  ///< parameters may require gradients: operations record LibTorch's autograd graph
  int threads = 1;
  /// The host stands for a device: what is copied and waited for is counted, and no host pointer is handed out. For tests.
  bool host_is_remote = false;
  /// Training: operands of dense products are rounded to this type and multiplied in f32 (right numbers, not its
  /// speed).
  at::ScalarType operand = at::kFloat;
};

/// A table of cosines and sines for the rows of a step, (rows, pairs) each.
struct RopeTurns {
  std::vector<std::int32_t> positions;
  std::vector<double> inverse_frequency;
  double attention_factor = 1.0;
  at::Tensor cosine, sine;
};

/// ALiBi slopes that were copied to the device.
struct Slopes {
  std::vector<double> values;
  at::Tensor on_device;
};

struct KeysAndValues {
  at::Tensor keys, values;  ///< (positions, kv_heads, head_dim)
};

class TorchOps : public Ops {
 public:
  explicit TorchOps(const TorchSetting& setting);
  ~TorchOps() override;
  std::string_view backend() const override { return "torch"; }
  std::string_view device_kind() const override { return kind_; }
  std::string device_label() const override { return label_of(bridge_.device()); }
  DType activation_dtype() const override { return dtype_of(activation_type_); }
  std::string_view numerics() const override { return setting_.native ? "native" : "exact"; }
  bool invariant_bits() const override { return false; }
  bool supports(Op op, Direction direction) const override;

  Result<Weight> load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep_alive) override;
  Result<std::unique_ptr<KvStore>> make_kv_store(const KvGeometry& geometry) override;

  void begin_step() override;
  Result<void> end_step() override;

  Tensor embed(const Weight& table, std::span<const std::int32_t> ids) override;
  Tensor rms_norm(const Tensor& x, const Weight& weight, double epsilon) override;
  Tensor layer_norm(const Tensor& x, const Weight& weight, const Weight* bias, double epsilon) override;
  Tensor linear(const Tensor& x, const Weight& weight, const Weight* bias) override;
  Tensor rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) override;
  void kv_write(KvStore& store, int layer, const Tensor& k, const Tensor& v, const Batch& batch) override;
  Tensor attention(const Tensor& q, KvStore& store, int layer, const Batch& batch, const AttentionArgs& args) override;
  Tensor attention_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                          const AttentionArgs& args) override;
  Tensor attention_pattern(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                           const AttentionArgs& args) override;
  Tensor activation(const Tensor& x, Activation activation) override;
  Tensor gated_activation(const Tensor& gate, const Tensor& up, Activation activation) override;
  Tensor add(const Tensor& a, const Tensor& b, double b_scale) override;
  Tensor columns(const Tensor& x, std::int64_t begin, std::int64_t count) override;
  Tensor select_rows(const Tensor& x, std::span<const std::int32_t> rows) override;
  Tensor scale(const Tensor& x, double factor) override;
  Tensor clamp(const Tensor& x, double limit) override;
  Tensor multiply(const Tensor& x, const Weight& weight) override;
  Tensor join_columns(std::span<const Tensor> parts, std::int64_t width) override;
  Tensor join_rows(std::span<const Tensor> parts) override;
  Tensor blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                    int each) override;
  Tensor short_conv(const Tensor& x, const Weight& weight, KvStore& store, int layer, const Batch& batch,
                    const ShortConvArgs& args) override;
  Tensor selective_scan(const Tensor& x, KvStore& store, int layer, const Batch& batch,
                        const SelectiveScanArgs& args) override;
  Tensor gated_delta(const Tensor& qkv, KvStore& store, int layer, const Batch& batch, const GatedDeltaArgs& args) override;
  Tensor lm_head(const Tensor& x, const Weight& weight, double softcap) override;
  PrimitiveResult primitive(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) override;
  /// In f32, as the primitive; one copy to the host for each million projections.
  Result<void> project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                       ProjectionSink& sink) override;

  OpCounters take_counters() override;
  CounterGaps counter_gaps(std::string_view device_kind) const override;
  void profile_device(bool on) override { profiled_ = on; }
  Gradients* gradients() override;

 private:
  friend class TorchGradients;
  using Work = std::function<at::Tensor()>;

  /// Runs `work`, whose result has `shape`; TensorBridge::absent() of it when `check` failed or LibTorch threw.
  Tensor run(const Shape& shape, Result<void> check, std::initializer_list<const Tensor*> inputs, const Work& work);
  /// Runs `work` under the settings of this object; false, with the sticky status set, when LibTorch threw.
  bool guarded(const std::function<void()>& work);
  bool accept(Result<void> check);
  void note_memory();
  /// Until the device is done, counted.
  void wait();
  /// LibTorch's thread count for a step of so many rows.
  void settle_threads(std::int64_t rows);
  at::Tensor in(const Tensor& x) const { return bridge_.unwrap(x); }
  at::Tensor weight_of(const Weight& weight) const { return bridge_.unwrap(weight.tensor); }
  /// A vector of indices on the device.
  at::Tensor indices(std::span<const std::int32_t> values) const;
  /// The same of numbers, in f32 (not every device has f64).
  at::Tensor floats(std::span<const double> values, at::IntArrayRef sizes) const;
  /// Each as (rows, width).
  std::vector<at::Tensor> matrices(std::span<const Tensor> parts);
  /// `x` in f32, rounded as the setting's operands are. Gradients pass it unchanged.
  at::Tensor operand(const at::Tensor& x) const;
  /// x W^T in the activation type; narrower weights are widened in pieces of bounded size.
  at::Tensor product(const at::Tensor& x, const at::Tensor& weight) const;
  const RopeTurns& turns(std::span<const std::int32_t> positions, const RopeTable& table);
  /// Whether this narrow matrix is kept as f32 too: small models would spend their time widening.
  bool widens(const TensorView& view) const;
  Result<at::Tensor> stored_tensor(const std::string& name, const TensorView& view,
                                   const std::shared_ptr<const void>& keep_alive) const;
  ScoreTerms score_terms(const AttentionArgs& args);
  const StepSlots& step_slots(const TorchKvStore& store, const Batch& batch);
  /// What a sequence sees in this step: its pages, or in training the rows that kv_write noted.
  KeysAndValues held(KvStore& store, int layer, const Batch& batch, std::size_t index);
  Tensor attention_map(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                       const AttentionArgs& args, bool softmax);
  at::Tensor basis_of(const Primitive& primitive) const;  ///< (k, D) f32
  at::Tensor gate_of(const Primitive& primitive) const;   ///< (D, 1) f32; undefined without one
  PrimitiveResult apply(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows);

  TorchSetting setting_;
  TensorBridge bridge_;
  std::string kind_;
  at::ScalarType activation_type_ = at::kFloat;
  bool type_settled_ = false;  ///< native: the first matrix decides
  std::int64_t matrices_ = 0, matrix_elements_ = 0;  ///< loaded so far
  std::int64_t widened_bytes_ = 0;
  int threads_ = 1;  ///< of this step
  Result<void> status_;
  OpCounters counters_;
  RopeTurns turns_;
  Slopes slopes_;  ///< of the last attention that had some
  std::unique_ptr<StepSlots> slots_;    ///< of the last step
  std::map<int, KeysAndValues> noted_;  ///< training: this step's, by layer
  std::optional<MemoryWatch> watch_;
  bool profiled_ = false;
  std::chrono::steady_clock::time_point step_start_;
  std::unique_ptr<TorchGradients> gradients_;  ///< null unless training
};

}  // namespace vauban::torch_backend
