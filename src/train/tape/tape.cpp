#include "train/tape/tape.h"

#include <algorithm>
#include <utility>

namespace vauban {
namespace {

/// Stands where a forward pass wants a store; training attention has none.
class NoStore final : public KvStore {
 public:
  NoStore() : KvStore({}) {}
  Result<void> copy_keys_and_values(std::int32_t, std::int32_t) override { return ok(); }
  std::int64_t size_bytes() const override { return 0; }
};

}  // namespace

/// Hears of every layer's beginning.
class Tape::Boundaries final : public Tap {
 public:
  Boundaries(Tape& tape, std::int64_t layers) : tape_(tape) {
    for (std::int64_t layer = 0; layer < layers; ++layer) want(Site::resid_pre, static_cast<int>(layer));
  }

 private:
  Tensor reach(Site, int, Tensor x) const override {
    tape_.begin_segment();
    return x;
  }
  void reach_sequence(Site, int, std::size_t, const Tensor&) const override {}
  Tape& tape_;
};

Tape::Tape(Ops& inner, TapeOptions options)
    : inner_(inner),
      gradients_(*inner.gradients()),
      options_(std::move(options)),
      no_store_(std::make_unique<NoStore>()) {}

Tape::~Tape() = default;

Result<std::unique_ptr<Tape>> Tape::create(Ops& inner, TapeOptions options) {
  if (!inner.gradients()) return unsupported("backend '{}' has no gradients: it cannot train", inner.backend());
  return std::unique_ptr<Tape>(new Tape(inner, std::move(options)));
}

KvStore& Tape::no_store() { return *no_store_; }
const Tap& Tape::boundaries(std::int64_t layers) {
  boundaries_ = std::make_unique<Boundaries>(*this, options_.checkpointing ? layers : 0);
  return *boundaries_;
}

// ---- parameters

Result<Weight> Tape::load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep_alive) {
  if (!options_.trainable || !options_.trainable(name))
    return inner_.load_weight(std::move(name), view, std::move(keep_alive));
  VB_TRY(Weight weight, gradients_.make_parameter(std::move(name), view));
  Tensor gradient = gradients_.zeros(weight.shape);
  if (gradient.empty()) return resource("no memory for the gradient of '{}'", weight.name);
  parameter_of_[weight.tensor.storage()] = parameters_.size();
  parameters_.push_back({.weight = weight, .gradient = std::move(gradient)});
  return weight;
}

Parameter* Tape::parameter(const Weight& weight) {
  const auto it = parameter_of_.find(weight.tensor.storage());
  return it == parameter_of_.end() ? nullptr : &parameters_[it->second];
}

void Tape::parameters_changed() {
  for (const Parameter& p : parameters_) gradients_.parameter_changed(p.weight);
}

void Tape::zero_gradients() {
  for (Parameter& p : parameters_) gradients_.clear(p.gradient);
}

// ---- the record of a step

void Tape::begin_step() {
  inner_.begin_step();
  values_.clear();
  nodes_.clear();
  ids_.clear();
  key_values_.clear();
  segments_.assign(1, 0);
  head_ = {};
  dropout_calls_ = 0;
}

Result<void> Tape::end_step() {
  values_.clear();
  nodes_.clear();
  ids_.clear();
  key_values_.clear();
  head_ = {};
  return inner_.end_step();
}

void Tape::begin_segment() {
  if (recording_ && !nodes_.empty()) segments_.push_back(nodes_.size());
}

Tape::Id Tape::id_of(const Tensor& tensor) {
  if (tensor.empty()) return kNone;
  const auto it = ids_.find({tensor.storage(), tensor.offset_bytes()});
  return it == ids_.end() ? kNone : it->second;
}

/// A storage's address may serve again once its tensor is gone: the newest value under an address is the one meant.
Tape::Id Tape::add_value(const Tensor& tensor, bool differentiable, std::int32_t segment) {
  const auto id = static_cast<Id>(values_.size());
  values_.push_back({.tensor = {},
                     .gradient = {},
                     .shape = tensor.shape(),
                     .differentiable = differentiable,
                     .segment = segment});
  ids_[{tensor.storage(), tensor.offset_bytes()}] = id;
  return id;
}

void Tape::keep(Id id, const Tensor& tensor) {
  if (id != kNone) values_[static_cast<std::size_t>(id)].tensor = tensor;
}

/// Notes an operation that was just computed. With checkpointing a value is kept only when a later segment reads it, or
/// when no replay makes it.
void Tape::finish(Node node, const std::vector<Tensor>& inputs, const Tensor& out, const Tensor& out2) {
  const bool reads_result = std::find(node.saved.begin(), node.saved.end(), kNone) != node.saved.end();
  node.out = add_value(out, true, segment());
  std::replace(node.saved.begin(), node.saved.end(), kNone, node.out);
  if (!out2.empty()) node.saved.push_back(node.out2 = add_value(out2, false, segment()));
  for (std::size_t i = 0; i < node.in.size(); ++i) {
    const bool earlier = values_[static_cast<std::size_t>(node.in[i])].segment < segment();
    const bool read = std::find(node.saved.begin(), node.saved.end(), node.in[i]) != node.saved.end();
    if (options_.checkpointing ? earlier : read) keep(node.in[i], inputs[i]);
  }
  if (!options_.checkpointing) {
    if (reads_result) keep(node.out, out);
    keep(node.out2, out2);
  }
  nodes_.push_back(std::move(node));
}

void Tape::add_gradient(Id id, Tensor gradient) {
  if (!differentiable(id)) return;
  Value& value = values_[static_cast<std::size_t>(id)];
  gradient = gradient.reshaped(value.shape);
  value.gradient = value.gradient.empty() ? std::move(gradient) : inner_.add(value.gradient, gradient, 1.0);
}

/// Computes the values of a segment again, and keeps those that its backward reads.
void Tape::replay(std::size_t first, std::size_t last) {
  std::vector<Id> needed;
  for (std::size_t i = first; i < last; ++i) needed.insert(needed.end(), nodes_[i].saved.begin(), nodes_[i].saved.end());
  std::sort(needed.begin(), needed.end());
  for (std::size_t i = first; i < last; ++i) {
    auto [out, out2] = nodes_[i].replay();
    keep(nodes_[i].out, out);
    keep(nodes_[i].out2, out2);
  }
  for (std::size_t i = first; i < last; ++i)
    if (!std::binary_search(needed.begin(), needed.end(), nodes_[i].out)) keep(nodes_[i].out, {});
}

void Tape::run_segment(std::int32_t segment) {
  const auto index = static_cast<std::size_t>(segment);
  const std::size_t first = segments_[index], last = nodes_.size();
  if (options_.checkpointing) replay(first, last);
  while (nodes_.size() > first) {
    Node node = std::move(nodes_.back());
    nodes_.pop_back();
    const Tensor dy = std::exchange(values_[static_cast<std::size_t>(node.out)].gradient, {});
    if (!dy.empty()) node.backward(dy);
    keep(node.out, {});
    keep(node.out2, {});
  }
}

Result<std::vector<double>> Tape::logprobs(std::span<const std::int32_t> targets) {
  if (!head_.weight) return internal("tape: the forward pass has not reached its head");
  HeadResult result = gradients_.head(head_.x, *head_.weight, head_.softcap, targets, {}, nullptr);
  return std::move(result.logprobs);
}

Result<std::vector<double>> Tape::backward(std::span<const std::int32_t> targets, std::span<const double> coefficients) {
  if (!head_.weight || !recording_) return internal("tape: there is no recorded forward pass to go back through");
  Parameter* p = parameter(*head_.weight);
  HeadResult result =
      gradients_.head(head_.x, *head_.weight, head_.softcap, targets, coefficients, p ? &p->gradient : nullptr);
  add_gradient(head_.id, std::move(result.dx));
  head_.x = {};
  for (auto segment = static_cast<std::int32_t>(segments_.size()) - 1; segment >= 0; --segment) run_segment(segment);
  return std::move(result.logprobs);
}

}  // namespace vauban
