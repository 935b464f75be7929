/// The operations of the tape: each runs the backend's own, and notes how to go back through it. Closures hold pointers to
/// weights, rotary tables and the batch, which outlive the step.
#include <utility>

#include "train/tape/tape.h"

namespace vauban {

Result<std::unique_ptr<KvStore>> Tape::make_kv_store(const KvGeometry&) {
  return unsupported("a tape has no key/value store: training attention reads contiguous keys and values");
}

Tensor Tape::embed(const Weight& table, std::span<const std::int32_t> ids) {
  Tensor out = inner_.embed(table, ids);
  Parameter* p = parameter(table);
  if (!recording_ || !p) return unrecorded(out);
  const std::vector<std::int32_t> rows(ids.begin(), ids.end());  // positions with an offset do not outlive the call
  finish({.in = {},
          .saved = {},
          .replay = [this, &table, rows] { return std::pair(inner_.embed(table, rows), Tensor()); },
          .backward = [this, p, rows](const Tensor& dy) { gradients_.embed_backward(dy, rows, p->gradient); }},
         {}, out);
  return out;
}

Tensor Tape::rms_norm(const Tensor& x, const Weight& weight, double epsilon) {
  Tensor out = inner_.rms_norm(x, weight, epsilon);
  const Id in = id_of(x);
  Parameter* p = parameter(weight);
  if (!recording_ || (!differentiable(in) && !p)) return unrecorded(out);
  const Id source = known(in, x);
  const Shape shape = x.shape();
  finish({.in = {source},
          .saved = {source},
          .replay = [=, this, &weight] { return std::pair(inner_.rms_norm(held(source, shape), weight, epsilon), Tensor()); },
          .backward =
              [=, this, &weight](const Tensor& dy) {
                add_gradient(source, gradients_.rms_norm_backward(dy, held(source, shape), weight, epsilon,
                                                                  p ? &p->gradient : nullptr));
              }},
         {x}, out);
  return out;
}

Tensor Tape::layer_norm(const Tensor& x, const Weight& weight, const Weight* bias, double epsilon) {
  Tensor out = inner_.layer_norm(x, weight, bias, epsilon);
  const Id in = id_of(x);
  Parameter *p = parameter(weight), *b = parameter(bias);
  if (!recording_ || (!differentiable(in) && !p && !b)) return unrecorded(out);
  const Id source = known(in, x);
  const Shape shape = x.shape();
  finish({.in = {source},
          .saved = {source},
          .replay =
              [=, this, &weight] { return std::pair(inner_.layer_norm(held(source, shape), weight, bias, epsilon), Tensor()); },
          .backward =
              [=, this, &weight](const Tensor& dy) {
                add_gradient(source, gradients_.layer_norm_backward(dy, held(source, shape), weight, epsilon,
                                                                    p ? &p->gradient : nullptr,
                                                                    b ? &b->gradient : nullptr));
              }},
         {x}, out);
  return out;
}

Tensor Tape::linear(const Tensor& x, const Weight& weight, const Weight* bias) {
  Tensor out = inner_.linear(x, weight, bias);
  const Id in = id_of(x);
  Parameter *p = parameter(weight), *b = parameter(bias);
  if (!recording_ || (!differentiable(in) && !p && !b)) return unrecorded(out);
  const Id source = known(in, x);
  const Shape shape = x.shape();
  finish({.in = {source},
          .saved = p ? std::vector<Id>{source} : std::vector<Id>{},
          .replay = [=, this, &weight] { return std::pair(inner_.linear(held(source, shape), weight, bias), Tensor()); },
          .backward =
              [=, this, &weight](const Tensor& dy) {
                if (p) gradients_.linear_weight_backward(dy, held(source, shape), p->gradient);
                if (b) gradients_.bias_backward(dy, b->gradient);
                if (differentiable(source)) add_gradient(source, gradients_.linear_input_backward(dy, weight));
              }},
         {x}, out);
  return out;
}

Tensor Tape::rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) {
  Tensor out = inner_.rope(x, positions, table);
  // The table is copied: one that depends on the length does not outlive the call.
  return recorded(
      x, out, Saved::nothing, [=, this](const Tensor& input) { return inner_.rope(input, positions, table); },
      [=, this](const Tensor& dy, const Tensor&) { return gradients_.rope_backward(dy, positions, table); });
}

void Tape::kv_write(KvStore&, int layer, const Tensor& k, const Tensor& v, const Batch&) {
  key_values_[layer] = {.k = k, .v = v};
}

Tensor Tape::attention(const Tensor& q, KvStore&, int layer, const Batch& batch, const AttentionArgs& args) {
  const auto noted = key_values_.find(layer);
  const KeyValue kv = noted == key_values_.end() ? KeyValue{} : std::exchange(noted->second, {});
  TrainingAttention out = gradients_.attention(q, kv.k, kv.v, batch, args);
  std::vector<Id> in{id_of(q), id_of(kv.k), id_of(kv.v)};
  if (!recording_ || (!differentiable(in[0]) && !differentiable(in[1]) && !differentiable(in[2]) &&
                      !parameter(args.sinks)))
    return unrecorded(out.z);
  const std::vector<Tensor> inputs{q, kv.k, kv.v};
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = known(in[i], inputs[i]);
  Parameter* sinks = parameter(args.sinks);
  const Id result = static_cast<Id>(values_.size());  // what finish() will give z, and then its log-sum-exp
  const Shape queries = q.shape(), keys = kv.k.shape(), sums = out.log_sum_exp.shape();
  finish({.in = in,
          .saved = {in[0], in[1], in[2], kNone},
          .replay =
              [=, this, &batch] {
                TrainingAttention again = gradients_.attention(held(in[0], queries), held(in[1], keys),
                                                               held(in[2], keys), batch, args);
                return std::pair(again.z, again.log_sum_exp);
              },
          .backward =
              [=, this, &batch](const Tensor& dy) {
                const TrainingAttention forward{.z = held(result, queries), .log_sum_exp = held(result + 1, sums)};
                AttentionGradients back = gradients_.attention_backward(dy, held(in[0], queries), held(in[1], keys),
                                                                        held(in[2], keys), forward, batch, args,
                                                                        sinks ? &sinks->gradient : nullptr);
                add_gradient(in[0], std::move(back.q));
                add_gradient(in[1], std::move(back.k));
                add_gradient(in[2], std::move(back.v));
              }},
         inputs, out.z, out.log_sum_exp);
  return out.z;
}

Tensor Tape::attention_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                              const AttentionArgs& args) {
  return inner_.attention_scores(q, store, layer, batch, sequence, args);
}
Tensor Tape::attention_pattern(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                               const AttentionArgs& args) {
  return inner_.attention_pattern(q, store, layer, batch, sequence, args);
}

Tensor Tape::activation(const Tensor& x, Activation activation) {
  Tensor out = inner_.activation(x, activation);
  return recorded(
      x, out, Saved::input, [=, this](const Tensor& input) { return inner_.activation(input, activation); },
      [=, this](const Tensor& dy, const Tensor& input) { return gradients_.activation_backward(dy, input, activation); });
}

Tensor Tape::gated_activation(const Tensor& gate, const Tensor& up, Activation activation) {
  Tensor out = inner_.gated_activation(gate, up, activation);
  Id g = id_of(gate), u = id_of(up);
  if (!recording_ || (!differentiable(g) && !differentiable(u))) return unrecorded(out);
  g = known(g, gate);
  u = known(u, up);
  const Shape shape = gate.shape();
  finish({.in = {g, u},
          .saved = {g, u},
          .replay = [=, this] { return std::pair(inner_.gated_activation(held(g, shape), held(u, shape), activation), Tensor()); },
          .backward =
              [=, this](const Tensor& dy) {
                GateGradients back = gradients_.gated_activation_backward(dy, held(g, shape), held(u, shape), activation);
                add_gradient(g, std::move(back.gate));
                add_gradient(u, std::move(back.up));
              }},
         {gate, up}, out);
  return out;
}

Tensor Tape::add(const Tensor& a, const Tensor& b, double b_scale) {
  Tensor out = inner_.add(a, b, b_scale);
  Id left = id_of(a), right = id_of(b);
  if (!recording_ || (!differentiable(left) && !differentiable(right))) return unrecorded(out);
  left = known(left, a);
  right = known(right, b);
  const Shape shape = a.shape();
  finish({.in = {left, right},
          .saved = {},
          .replay = [=, this] { return std::pair(inner_.add(held(left, shape), held(right, shape), b_scale), Tensor()); },
          .backward =
              [=, this](const Tensor& dy) {
                if (differentiable(right)) add_gradient(right, b_scale == 1.0 ? dy : gradients_.scaled(dy, b_scale));
                add_gradient(left, dy);
              }},
         {a, b}, out);
  return out;
}

Tensor Tape::columns(const Tensor& x, std::int64_t begin, std::int64_t count) {
  Tensor out = inner_.columns(x, begin, count);
  const std::int64_t width = x.shape().width();
  return recorded(
      x, out, Saved::nothing, [=, this](const Tensor& input) { return inner_.columns(input, begin, count); },
      [=, this](const Tensor& dy, const Tensor&) { return gradients_.columns_backward(dy, begin, width); });
}

Tensor Tape::select_rows(const Tensor& x, std::span<const std::int32_t> picked) {
  Tensor out = inner_.select_rows(x, picked);
  const std::int64_t total = x.shape()[0];
  const std::vector<std::int32_t> rows(picked.begin(), picked.end());  // a router's choice does not outlive the layer
  return recorded(
      x, out, Saved::nothing, [=, this](const Tensor& input) { return inner_.select_rows(input, rows); },
      [=, this](const Tensor& dy, const Tensor&) { return gradients_.select_rows_backward(dy, rows, total); });
}

/// The logits are not made: logprobs() and backward() go on from here.
Tensor Tape::lm_head(const Tensor& x, const Weight& weight, double softcap) {
  head_ = {.x = x, .weight = &weight, .softcap = softcap, .id = id_of(x)};
  return Tensor(inner_.activation_dtype(), {x.shape().rows(), weight.shape.rows()}, StorageRef());
}

PrimitiveResult Tape::primitive(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) {
  PrimitiveResult result = inner_.primitive(x, primitive, rows);
  const Id in = id_of(x);
  if (result.output.storage() == x.storage()) return result;
  if (!recording_ || !differentiable(in)) return unrecorded(result.output), result;
  const Shape shape = x.shape();
  finish({.in = {in},
          .saved = {in},
          .replay = [=, this, &primitive] { return std::pair(inner_.primitive(held(in, shape), primitive, rows).output, Tensor()); },
          .backward =
              [=, this, &primitive](const Tensor& dy) {
                add_gradient(in, gradients_.primitive_backward(dy, held(in, shape), primitive, rows));
              }},
         {x}, result.output);
  return result;
}

Tensor Tape::dropout(const Tensor& x, double rate) {
  if (!recording_ || rate == 0.0) return x;
  const DropoutKey key{.seed = dropout_.seed, .stream = dropout_.stream + dropout_calls_++};
  Tensor out = gradients_.masked(x, rate, key);
  const Id in = id_of(x);
  if (!differentiable(in)) return unrecorded(out);
  const Shape shape = x.shape();
  finish({.in = {in},
          .saved = {},
          .replay = [=, this] { return std::pair(gradients_.masked(held(in, shape), rate, key), Tensor()); },
          .backward = [=, this](const Tensor& dy) { add_gradient(in, gradients_.masked(dy, rate, key)); }},
         {x}, out);
  return out;
}

}  // namespace vauban
