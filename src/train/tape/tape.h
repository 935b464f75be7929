/// Tape: an Ops over another Ops that remembers a forward pass and differentiates it.
///
/// The networks' own forward passes run on it unchanged. Three operations behave otherwise than on the backend beneath:
/// kv_write only notes k and v, attention is the training form over those (documents of the batch do not see each other),
/// and lm_head notes its operands and returns a tensor without memory: the head is fused with the loss in backward().
///
///   tape.begin_step(); network.forward(tape, tape.no_store(), batch, tape.boundaries(layers));
///   VB_TRY(const std::vector<double> logprobs, tape.backward(targets, coefficients));      // parameters' gradients += ...
///   VB_CHECK(tape.end_step());
///
/// The batch, the network and its weights must outlive the step. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/tap.h"
#include "ops/gradients.h"
#include "ops/ops.h"

namespace vauban {

/// A trainable weight and the gradient that the steps add to.
struct Parameter {
  Weight weight;    ///< values in the activation type; writing them must be followed by Tape::parameters_changed()
  Tensor gradient;  ///< same shape and type
};

struct TapeOptions {
  /// Whether a weight of this (canonical) name is trained; the others stay as the backend loads them.
  std::function<bool(std::string_view name)> trainable;
  /// Keep only the residual stream between layers, and run each layer again before its backward. Same bits, less memory.
  bool checkpointing = false;
};

class Tape final : public Ops {
 public:
  /// Errors: unsupported when the backend has no gradients.
  static Result<std::unique_ptr<Tape>> create(Ops& inner, TapeOptions options);
  ~Tape() override;

  // ---- parameters

  std::span<Parameter> parameters() { return parameters_; }
  void parameters_changed();
  void zero_gradients();  ///< before a step, which it counts for: they may be read once that has ended

  // ---- a step

  /// Off: nothing is remembered (evaluation), and dropout is the identity.
  void set_recording(bool recording) { recording_ = recording; }
  /// Masks of the next step's dropout calls: call i draws from Philox(seed, stream + i).
  void set_dropout(const DropoutKey& key) { dropout_ = key; }
  KvStore& no_store();
  /// Tells the tape where layers begin; pass it to forward().
  const Tap& boundaries(std::int64_t layers);
  /// log p(target) for each of the batch's output rows.
  Result<std::vector<double>> logprobs(std::span<const std::int32_t> targets);
  /// The same, and the gradients of a loss with these derivatives by each log-probability. Errors: those of the step.
  Result<std::vector<double>> backward(std::span<const std::int32_t> targets, std::span<const double> coefficients);

  // ---- Ops

  std::string_view backend() const override { return inner_.backend(); }
  std::string_view device_kind() const override { return inner_.device_kind(); }
  std::string device_label() const override { return inner_.device_label(); }
  DType activation_dtype() const override { return inner_.activation_dtype(); }
  std::string_view numerics() const override { return inner_.numerics(); }
  bool invariant_bits() const override { return inner_.invariant_bits(); }
  void profile_device(bool on) override { inner_.profile_device(on); }
  bool supports(Op op, Direction direction) const override { return inner_.supports(op, direction); }
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
  OpCounters take_counters() override { return inner_.take_counters(); }
  CounterGaps counter_gaps(std::string_view kind) const override { return inner_.counter_gaps(kind); }
  Tensor dropout(const Tensor& x, double rate) override;
  Gradients* gradients() override { return inner_.gradients(); }

 private:
  Tape(Ops& inner, TapeOptions options);

  using Id = std::int32_t;  ///< of a value of this step
  static constexpr Id kNone = -1;

  struct Value {
    Tensor tensor;                ///< held while a backward (or a replay) needs it
    Tensor gradient;              ///< of the shape below
    Shape shape;                  ///< as it was made; operations may see other views of it
    bool differentiable = false;  ///< depends on a parameter
    std::int32_t segment = 0;     ///< where it was made; -1: outside of what is recorded
  };
  /// One operation of the step. `out2`: the log-sum-exp of attention.
  struct Node {
    std::vector<Id> in;
    Id out = kNone, out2 = kNone;
    std::vector<Id> saved;  ///< what backward reads
    std::function<std::pair<Tensor, Tensor>()> replay;
    std::function<void(const Tensor& dy)> backward;
  };
  class Boundaries;

  Id id_of(const Tensor& tensor);
  Id add_value(const Tensor& tensor, bool differentiable, std::int32_t segment);
  /// `id`, or that of a new constant where the value does not come from a recorded operation.
  Id known(Id id, const Tensor& tensor) { return id == kNone ? add_value(tensor, false, -1) : id; }
  /// For results that no gradient passes: their storage may have been that of an earlier value, which is meant no more.
  Tensor unrecorded(const Tensor& out) {
    ids_.erase({out.storage(), out.offset_bytes()});
    return out;
  }
  Tensor held(Id id, const Shape& shape) const { return values_[static_cast<std::size_t>(id)].tensor.reshaped(shape); }
  std::int32_t segment() const { return static_cast<std::int32_t>(segments_.size()) - 1; }
  bool differentiable(Id id) const { return id != kNone && values_[static_cast<std::size_t>(id)].differentiable; }
  Parameter* parameter(const Weight& weight);
  Parameter* parameter(const Weight* weight) { return weight ? parameter(*weight) : nullptr; }
  void keep(Id id, const Tensor& tensor);
  /// The ids of parts that are joined; empty when no gradient passes through the result.
  std::vector<Id> ids_of(std::span<const Tensor> parts);
  std::vector<Tensor> held(const std::vector<Id>& ids, const std::vector<Shape>& shapes) const;
  void finish(Node node, const std::vector<Tensor>& inputs, const Tensor& out, const Tensor& out2 = {});
  void add_gradient(Id id, Tensor gradient);
  /// An operation on one tensor: `again` runs it on the input, `back` gives the gradient by the input from dy and, with
  /// Saved::input, the input. -> out
  enum class Saved { nothing, input };
  template <class Again, class Back>
  Tensor recorded(const Tensor& x, Tensor out, Saved saved, Again again, Back back) {
    const Id in = id_of(x);
    if (!recording_ || !differentiable(in)) return unrecorded(out);
    const Shape shape = x.shape();
    finish({.in = {in},
            .saved = saved == Saved::input ? std::vector<Id>{in} : std::vector<Id>{},
            .replay = [=, this] { return std::pair(again(held(in, shape)), Tensor()); },
            .backward =
                [=, this](const Tensor& dy) {
                  add_gradient(in, back(dy, saved == Saved::input ? held(in, shape) : Tensor()));
                }},
           {x}, out);
    return out;
  }
  void run_segment(std::int32_t segment);
  void replay(std::size_t first, std::size_t last);
  void begin_segment();

  struct Head {
    Tensor x;
    const Weight* weight = nullptr;
    double softcap = 0.0;
    Id id = kNone;
  };
  struct KeyValue {
    Tensor k, v;
  };

  Ops& inner_;
  Gradients& gradients_;
  TapeOptions options_;
  std::vector<Parameter> parameters_;
  std::unordered_map<const Storage*, std::size_t> parameter_of_;
  std::unique_ptr<Boundaries> boundaries_;
  std::unique_ptr<KvStore> no_store_;

  bool recording_ = true;
  DropoutKey dropout_;
  std::uint64_t dropout_calls_ = 0;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> segments_;  ///< first node of each
  std::map<std::pair<const Storage*, std::size_t>, Id> ids_;
  std::map<int, KeyValue> key_values_;
  Head head_;
};

}  // namespace vauban
