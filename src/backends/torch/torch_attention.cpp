// Attention over pages: keys and values of a sequence are gathered, then two products around a softmax in f32.
#include "backends/torch/torch_kv_store.h"
#include "backends/torch/torch_math.h"
#include "backends/torch/torch_ops.h"
#include "ops/checks.h"

namespace vauban::torch_backend {
namespace {

Result<void> check_store(KvStore& store) {
  if (dynamic_cast<TorchKvStore*>(&store)) return ok();
  return internal("backend 'torch' was given the key/value store of another backend");
}

/// (n, length, kv_heads, head_dim) of sequences that decode together.
at::Tensor several(const at::Tensor& side, const StepSlots& slots) {
  return read_slots(side, slots.together).reshape({-1, slots.length, side.size(1), side.size(2)});
}

}  // namespace

Result<std::unique_ptr<KvStore>> TorchOps::make_kv_store(const KvGeometry& geometry) {
  VB_CHECK(check_kv_geometry(geometry));
  try {
    return std::make_unique<TorchKvStore>(geometry, bridge_.device(), activation_type_);
  } catch (const std::exception&) {
    return resource("no memory for {} pages of keys and values on {}", geometry.pages, device_label());
  }
}

void TorchOps::kv_write(KvStore& store, int layer, const Tensor& k, const Tensor& v, const Batch& batch) {
  if (!accept(check_store(store)) || !accept(check_kv_write(k, v, batch, store.geometry(), layer))) return;
  if (setting_.training) return void(guarded([&] { noted_[layer] = {in(k), in(v)}; }));
  auto& own = static_cast<TorchKvStore&>(store);
  guarded([&] {
    const StepSlots& slots = step_slots(own, batch);
    const auto new_rows = [&](const Tensor& x) {
      return slots.rows.defined() ? in(x).index_select(0, slots.rows) : in(x).narrow(0, 0, slots.written.count);
    };
    write_slots(own.keys(layer), slots.written, new_rows(k));
    write_slots(own.values(layer), slots.written, new_rows(v));
  });
}

const StepSlots& TorchOps::step_slots(const TorchKvStore& store, const Batch& batch) {
  if (!slots_ || !is_of(*slots_, batch, store.geometry().page_tokens))
    slots_ = std::make_unique<StepSlots>(slots_of(batch, store, bridge_));
  return *slots_;
}

KeysAndValues TorchOps::held(KvStore& store, int layer, const Batch& batch, std::size_t index) {
  if (setting_.training) {
    const SequenceRows& sequence = batch.sequences[index];
    const KeysAndValues& noted = noted_.at(layer);
    return {noted.keys.narrow(0, sequence.first_row, sequence.rows),
            noted.values.narrow(0, sequence.first_row, sequence.rows)};
  }
  auto& own = static_cast<TorchKvStore&>(store);
  const SlotRange& slots = step_slots(own, batch).seen[index];
  return {read_slots(own.keys(layer), slots), read_slots(own.values(layer), slots)};
}

ScoreTerms TorchOps::score_terms(const AttentionArgs& args) {
  ScoreTerms terms;
  if (!args.alibi_slopes.empty()) {
    if (args.alibi_slopes != slopes_.values)
      slopes_ = {.values = args.alibi_slopes, .on_device = floats(args.alibi_slopes, {std::ssize(args.alibi_slopes)})};
    terms.alibi_slopes = slopes_.on_device;
  }
  if (args.sinks) terms.sinks = weight_of(*args.sinks).to(at::kFloat);
  return terms;
}

Tensor TorchOps::attention(const Tensor& q, KvStore& store, int layer, const Batch& batch, const AttentionArgs& args) {
  Result<void> check = check_store(store);
  if (check) check = check_attention(q, batch, args, store.geometry(), layer);
  return run(q.shape(), std::move(check), {&q}, [&] {
    const at::Tensor queries = in(q);
    const ScoreTerms terms = score_terms(args);
    const auto mixed = [&](std::size_t index) {
      const SequenceRows& sequence = batch.sequences[index];
      const KeysAndValues past = held(store, layer, batch, index);
      const at::Tensor own = queries.narrow(0, sequence.first_row, sequence.rows);
      const at::Tensor scores = torch_backend::attention_scores(own, past.keys, sequence, args, terms);
      return attention_mix(attention_weights(scores, terms), past.values, args);
    };
    if (!setting_.training) {
      auto& own = static_cast<TorchKvStore&>(store);
      if (const StepSlots& slots = step_slots(own, batch);
          slots.length > 0 && !slots.rows.defined() && queries.size(0) == slots.query.size(0))
        return attention_of_single_rows(queries, several(own.keys(layer), slots), several(own.values(layer), slots),
                                        slots.query, args, terms);
    }
    if (batch.sequences.size() == 1 && batch.sequences.front().rows == queries.size(0)) return mixed(0);
    at::Tensor out = at::zeros_like(queries);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const SequenceRows& sequence = batch.sequences[i];
      if (sequence.rows > 0) out.narrow(0, sequence.first_row, sequence.rows).copy_(mixed(i));
    }
    return out;
  });
}

Tensor TorchOps::attention_map(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t index,
                               const AttentionArgs& args, bool softmax) {
  Result<void> check = check_store(store);
  if (check) check = check_attention(q, batch, args, store.geometry(), layer);
  if (check && index >= batch.sequences.size())
    check = internal("attention: sequence {} of a batch of {}", index, batch.sequences.size());
  const SequenceRows sequence = index < batch.sequences.size() ? batch.sequences[index] : SequenceRows{};
  const Shape shape{args.heads, sequence.rows, std::int64_t{sequence.past} + sequence.rows};
  return run(shape, std::move(check), {&q}, [&] {
    const KeysAndValues past = held(store, layer, batch, index);
    const at::Tensor own = in(q).narrow(0, sequence.first_row, sequence.rows);
    const ScoreTerms terms = score_terms(args);
    const at::Tensor values = torch_backend::attention_scores(own, past.keys, sequence, args, terms);
    return softmax ? attention_weights(values, terms) : values;
  });
}

Tensor TorchOps::attention_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                                  const AttentionArgs& args) {
  return attention_map(q, store, layer, batch, sequence, args, false);
}

Tensor TorchOps::attention_pattern(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                                   const AttentionArgs& args) {
  return attention_map(q, store, layer, batch, sequence, args, true);
}

}  // namespace vauban::torch_backend
