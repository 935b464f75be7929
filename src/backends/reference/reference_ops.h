/// The reference backend: plain loops in f64. It is the specification of every operation, so it stays simple; it shares
/// no arithmetic with the fast backends, except that block types are decoded by tensor/quant.
///
/// Activations, keys and values are f64; a weight's exact stored values are widened to f64 when it is loaded (block
/// types: their f32 values, as the format defines them). Every sum runs in ascending order of its index.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backends/reference/memory_meter.h"
#include "base/context.h"
#include "ops/ops.h"

namespace vauban {

class ReferenceGradients;

/// Errors: unsupported for a device other than "cpu:0".
Result<std::unique_ptr<Ops>> make_reference_ops(const Context& context, std::string_view device);

class ReferenceOps final : public Ops {
 public:
  ReferenceOps();
  ~ReferenceOps() override;
  std::string_view backend() const override { return "reference"; }
  std::string_view device_kind() const override { return "cpu"; }
  std::string device_label() const override { return "cpu:0"; }
  DType activation_dtype() const override { return DType::f64; }
  bool supports(Op op, Direction direction) const override;

  /// Errors: corrupt for NaN or Inf; unsupported for a type without a decoder.
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

  OpCounters take_counters() override;
  Gradients* gradients() override;

 private:
  friend class ReferenceGradients;
  Tensor make(const Shape& shape);
  /// A tensor whose memory is counted from now on.
  Tensor metered(Tensor tensor);
  /// True when the check passed; otherwise the first failure of the step is kept.
  bool accept(Result<void> check);
  /// Accepts the activations' type too.
  bool accept(Result<void> check, std::initializer_list<const Tensor*> inputs);
  /// Scores of one sequence, softmax applied or not: (heads, rows, past + rows).
  Tensor sequence_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                         const AttentionArgs& args, bool softmax);

  Result<void> status_;
  OpCounters counters_;
  std::shared_ptr<MemoryMeter> memory_ = std::make_shared<MemoryMeter>();
  std::unique_ptr<ReferenceGradients> gradients_;
};

}  // namespace vauban
