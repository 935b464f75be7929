/// CpuOps: the class behind make_cpu_ops (contract: ops/ops.h, cpu_ops.h). Its methods are spread over cpu_backend.cpp
/// (steps, weights, counters), cpu_layers.cpp (row-wise operations) and cpu_attention.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "backends/cpu/arena.h"
#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/kv_store.h"
#include "backends/cpu/rope_cache.h"

namespace vauban::cpu {

class CpuOps : public Ops {
 public:
  /// Without a path: what the recorded gate allows.
  CpuOps(ThreadPool& pool, const Kernels& kernels, std::optional<PrimitivePath> primitive = {});

  std::string_view backend() const override { return "cpu"; }
  std::string_view device_kind() const override { return "cpu"; }
  std::string device_label() const override { return "cpu:0"; }
  DType activation_dtype() const override { return DType::f32; }
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

  Result<void> project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                       ProjectionSink& sink) override;

  OpCounters take_counters() override;

 protected:
  /// One query head at one position, and where its past lies.
  struct Query;

  virtual Tensor make(const Shape& shape);
  /// True when the check passed; otherwise the first failure of the step is kept.
  bool accept(Result<void> check);
  /// Also accepts the inputs' type, and that `out` got its memory. On failure `out` is zeroed.
  bool accept(Result<void> check, std::initializer_list<const Tensor*> inputs, const Tensor& out);
  /// The matrix as the kernels see it. Its type was accepted by load_weight.
  WeightMatrix matrix(const Weight& weight);
  CpuKvStore* own_store(KvStore& store);

  void score_keys(const Query& query, const AttentionArgs& args, float* scores) const;
  void softmax(const Query& query, const AttentionArgs& args, float* scores) const;
  void attend(const Query& query, const AttentionArgs& args, float* scores, float* z) const;
  Query query_at(const Tensor& q, CpuKvStore& store, int layer, const SequenceRows& sequence, std::int64_t row,
                 std::int64_t head, const AttentionArgs& args) const;
  Tensor sequence_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                         const AttentionArgs& args, bool softmax);

  template <class Job>
  void run_recurrence(const Job& job, StatePages& states, StatePart part, int layer, const Batch& batch, std::int64_t count,
                      std::int64_t cost);

  /// body(begin, end) on ranges of [0, count), on as many threads as `cost` (multiply-adds per item) is worth.
  template <class Body>
  void parallel(std::int64_t count, std::int64_t cost, const Body& body) {
    if (rehearsing_) return;
    constexpr std::int64_t kWorthAThread = 64 * 1024;  // some 5 us
    const std::int64_t grain = kWorthAThread / (cost > 0 ? cost : 1) + 1;
    // By reference: std::function would put a larger capture on the heap.
    pool_.parallel_for(static_cast<std::size_t>(count), static_cast<std::size_t>(grain), std::cref(body));
  }

  ThreadPool& pool_;
  const Kernels& kernels_;
  CpuTarget target_;
  PrimitivePath primitive_path_;
  bool primitive_ran_ = false;  // since the last take_counters()
  Arena arena_;
  RopeCache rope_cache_;
  std::unique_ptr<std::atomic_flag[]> scratch_taken_;  // one per thread of the pool
  Result<void> status_;
  OpCounters counters_;
  std::uint32_t weight_types_used_ = 0;  // bit per WeightType
  bool rehearsing_ = false;              // only memory is taken, nothing is computed: training/training_ops.h
};

}  // namespace vauban::cpu
