/// ForwardingOps: hands every call to another backend. What watches or changes one operation derives from it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "ops/ops.h"

namespace vauban {

class ForwardingOps : public Ops {
 public:
  explicit ForwardingOps(std::unique_ptr<Ops> inner) : owned_(std::move(inner)), inner_(owned_.get()) {}
  explicit ForwardingOps(Ops& inner) : inner_(&inner) {}  ///< which must outlive this
  std::string_view backend() const override { return inner_->backend(); }
  std::string_view device_kind() const override { return inner_->device_kind(); }
  std::string device_label() const override { return inner_->device_label(); }
  DType activation_dtype() const override { return inner_->activation_dtype(); }
  bool supports(Op op, Direction direction) const override { return inner_->supports(op, direction); }
  std::string_view numerics() const override { return inner_->numerics(); }
  Result<Weight> load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep) override {
    return inner_->load_weight(std::move(name), view, std::move(keep));
  }
  Result<std::unique_ptr<KvStore>> make_kv_store(const KvGeometry& g) override { return inner_->make_kv_store(g); }
  void begin_step() override { inner_->begin_step(); }
  Result<void> end_step() override { return inner_->end_step(); }
  Tensor embed(const Weight& w, std::span<const std::int32_t> ids) override { return inner_->embed(w, ids); }
  Tensor rms_norm(const Tensor& x, const Weight& w, double e) override { return inner_->rms_norm(x, w, e); }
  Tensor layer_norm(const Tensor& x, const Weight& w, const Weight* b, double e) override {
    return inner_->layer_norm(x, w, b, e);
  }
  Tensor linear(const Tensor& x, const Weight& w, const Weight* b) override { return inner_->linear(x, w, b); }
  Tensor rope(const Tensor& x, std::span<const std::int32_t> p, const RopeTable& t) override {
    return inner_->rope(x, p, t);
  }
  void kv_write(KvStore& s, int l, const Tensor& k, const Tensor& v, const Batch& b) override {
    inner_->kv_write(s, l, k, v, b);
  }
  Tensor attention(const Tensor& q, KvStore& s, int l, const Batch& b, const AttentionArgs& a) override {
    return inner_->attention(q, s, l, b, a);
  }
  Tensor attention_scores(const Tensor& q, KvStore& s, int l, const Batch& b, std::size_t n,
                          const AttentionArgs& a) override {
    return inner_->attention_scores(q, s, l, b, n, a);
  }
  Tensor attention_pattern(const Tensor& q, KvStore& s, int l, const Batch& b, std::size_t n,
                           const AttentionArgs& a) override {
    return inner_->attention_pattern(q, s, l, b, n, a);
  }
  Tensor activation(const Tensor& x, Activation a) override { return inner_->activation(x, a); }
  Tensor gated_activation(const Tensor& g, const Tensor& u, Activation a) override {
    return inner_->gated_activation(g, u, a);
  }
  Tensor add(const Tensor& a, const Tensor& b, double scale) override { return inner_->add(a, b, scale); }
  Tensor columns(const Tensor& x, std::int64_t begin, std::int64_t count) override {
    return inner_->columns(x, begin, count);
  }
  Tensor select_rows(const Tensor& x, std::span<const std::int32_t> rows) override {
    return inner_->select_rows(x, rows);
  }
  Tensor scale(const Tensor& x, double factor) override { return inner_->scale(x, factor); }
  Tensor clamp(const Tensor& x, double limit) override { return inner_->clamp(x, limit); }
  Tensor multiply(const Tensor& x, const Weight& w) override { return inner_->multiply(x, w); }
  Tensor join_columns(std::span<const Tensor> parts, std::int64_t width) override {
    return inner_->join_columns(parts, width);
  }
  Tensor join_rows(std::span<const Tensor> parts) override { return inner_->join_rows(parts); }
  Tensor blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                    int each) override {
    return inner_->blend_rows(x, rows, weights, each);
  }
  Tensor short_conv(const Tensor& x, const Weight& w, KvStore& s, int l, const Batch& b, const ShortConvArgs& a) override {
    return inner_->short_conv(x, w, s, l, b, a);
  }
  Tensor selective_scan(const Tensor& x, KvStore& s, int l, const Batch& b, const SelectiveScanArgs& a) override {
    return inner_->selective_scan(x, s, l, b, a);
  }
  Tensor gated_delta(const Tensor& x, KvStore& s, int l, const Batch& b, const GatedDeltaArgs& a) override {
    return inner_->gated_delta(x, s, l, b, a);
  }
  Tensor lm_head(const Tensor& x, const Weight& w, double cap) override { return inner_->lm_head(x, w, cap); }
  PrimitiveResult primitive(const Tensor& x, const Primitive& p, std::span<const std::int32_t> rows) override {
    return inner_->primitive(x, p, rows);
  }
  Result<void> project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                       ProjectionSink& sink) override {
    return inner_->project(x, directions, rows, sink);
  }
  OpCounters take_counters() override { return inner_->take_counters(); }
  CounterGaps counter_gaps(std::string_view kind) const override { return inner_->counter_gaps(kind); }
  bool invariant_bits() const override { return inner_->invariant_bits(); }
  Tensor dropout(const Tensor& x, double rate) override { return inner_->dropout(x, rate); }
  Gradients* gradients() override { return inner_->gradients(); }
  void profile_device(bool on) override { inner_->profile_device(on); }

 protected:
  Ops& inner() { return *inner_; }

 private:
  std::unique_ptr<Ops> owned_;
  Ops* inner_;
};

}  // namespace vauban
