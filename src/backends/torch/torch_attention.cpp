// Attention over pages: keys and values of a sequence are gathered, then two products around a softmax in f32.
#include <algorithm>
#include <iterator>

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
  if (setting_.training) return void(noted_[layer] = {in(k), in(v)});
  auto& own = static_cast<TorchKvStore&>(store);
  guarded([&] {
    std::vector<std::int64_t> slots, rows;
    for (const SequenceRows& sequence : batch.sequences) {
      std::ranges::copy(own.slots(sequence, sequence.past, std::int64_t{sequence.past} + sequence.rows),
                        std::back_inserter(slots));
      for (std::int64_t row = 0; row < sequence.rows; ++row) rows.push_back(sequence.first_row + row);
    }
    const at::Tensor to = bridge_.copy_in(slots.data(), {std::ssize(slots)}, at::kLong);
    const at::Tensor from = bridge_.copy_in(rows.data(), {std::ssize(rows)}, at::kLong);
    own.keys(layer).index_copy_(0, to, in(k).index_select(0, from).to(activation_type_));
    own.values(layer).index_copy_(0, to, in(v).index_select(0, from).to(activation_type_));
  });
}

KeysAndValues TorchOps::held(KvStore& store, int layer, const SequenceRows& sequence) const {
  if (setting_.training) {
    const KeysAndValues& noted = noted_.at(layer);
    return {noted.keys.narrow(0, sequence.first_row, sequence.rows),
            noted.values.narrow(0, sequence.first_row, sequence.rows)};
  }
  auto& own = static_cast<TorchKvStore&>(store);
  const auto slots = own.slots(sequence, 0, std::int64_t{sequence.past} + sequence.rows);
  const at::Tensor at_slots = bridge_.copy_in(slots.data(), {std::ssize(slots)}, at::kLong);
  return {own.keys(layer).index_select(0, at_slots), own.values(layer).index_select(0, at_slots)};
}

Tensor TorchOps::attention(const Tensor& q, KvStore& store, int layer, const Batch& batch, const AttentionArgs& args) {
  Result<void> check = check_store(store);
  if (check) check = check_attention(q, batch, args, store.geometry(), layer);
  return run(q.shape(), std::move(check), {&q}, [&] {
    const at::Tensor queries = in(q);
    at::Tensor out = at::zeros_like(queries);
    for (const SequenceRows& sequence : batch.sequences) {
      if (sequence.rows == 0) continue;
      const KeysAndValues past = held(store, layer, sequence);
      const at::Tensor own = queries.narrow(0, sequence.first_row, sequence.rows);
      const at::Tensor weights = at::softmax(torch_backend::attention_scores(own, past.keys, sequence, args), -1);
      out.narrow(0, sequence.first_row, sequence.rows).copy_(attention_mix(weights, past.values, args));
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
    const KeysAndValues past = held(store, layer, sequence);
    const at::Tensor own = in(q).narrow(0, sequence.first_row, sequence.rows);
    const at::Tensor values = torch_backend::attention_scores(own, past.keys, sequence, args);
    return softmax ? at::softmax(values, -1) : values;
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
