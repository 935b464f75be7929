#include "backends/torch/torch_kv_store.h"

#include <algorithm>
#include <limits>

namespace vauban::torch_backend {

TorchKvStore::TorchKvStore(const KvGeometry& geometry, at::Device device, at::ScalarType type) : KvStore(geometry) {
  const std::int64_t slots = std::int64_t{geometry.pages} * geometry.page_tokens;
  const auto make = [&] {
    at::Tensor pages = at::empty({slots, geometry.kv_heads, geometry.head_dim}, at::TensorOptions(device).dtype(type));
#ifndef NDEBUG
    pages.fill_(std::numeric_limits<double>::quiet_NaN());
#endif
    return pages;
  };
  for (int layer = 0; layer < geometry.layers; ++layer) {
    keys_.push_back(make());
    values_.push_back(make());
  }
}

Result<void> TorchKvStore::copy_keys_and_values(std::int32_t from, std::int32_t to) try {
  const std::int64_t tokens = geometry_.page_tokens;
  for (std::vector<at::Tensor>* side : {&keys_, &values_})
    for (at::Tensor& slots : *side) slots.narrow(0, to * tokens, tokens).copy_(slots.narrow(0, from * tokens, tokens));
  return ok();
} catch (const std::exception& thrown) {
  return with_context(error_from(thrown), "while copying a page of keys and values");
}

std::int64_t TorchKvStore::size_bytes() const {
  std::int64_t size = 0;
  for (const at::Tensor& keys : keys_) size += 2 * static_cast<std::int64_t>(keys.nbytes());
  return size;
}

void TorchKvStore::add_slots(const SequenceRows& sequence, std::int64_t begin, std::int64_t end,
                             std::vector<std::int64_t>& slots) const {
  for (std::int64_t position = begin; position < end; ++position)
    slots.push_back(std::int64_t{sequence.pages[static_cast<std::size_t>(position / geometry_.page_tokens)]} *
                        geometry_.page_tokens +
                    position % geometry_.page_tokens);
}

SlotRange slot_range(const std::vector<std::int64_t>& slots, const TensorBridge& bridge) {
  SlotRange range{.first = slots.empty() ? 0 : slots.front(), .count = std::ssize(slots), .index = {}};
  const auto step = [](std::int64_t a, std::int64_t b) { return b != a + 1; };
  if (std::ranges::adjacent_find(slots, step) != slots.end())
    range.index = bridge.copy_in(slots.data(), {range.count}, at::kLong);
  return range;
}

at::Tensor read_slots(const at::Tensor& side, const SlotRange& slots) {
  return slots.index.defined() ? side.index_select(0, slots.index) : side.narrow(0, slots.first, slots.count);
}

void write_slots(at::Tensor& side, const SlotRange& slots, const at::Tensor& rows) {
  if (slots.index.defined()) return void(side.index_copy_(0, slots.index, rows.to(side.scalar_type())));
  side.narrow(0, slots.first, slots.count).copy_(rows);
}

bool is_of(const StepSlots& slots, const Batch& batch, int page_tokens) {
  const auto same = [](const SequenceRows& a, const SequenceRows& b) {
    return a.first_row == b.first_row && a.rows == b.rows && a.past == b.past && a.pages == b.pages;
  };
  return slots.page_tokens == page_tokens && std::ranges::equal(slots.sequences, batch.sequences, same);
}

namespace {

/// More than this many times the positions that there are is not worth gathering.
constexpr std::int64_t kMostPadding = 2;

bool decodes_together(const Batch& batch, std::int64_t length) {
  std::int64_t total = 0;
  for (const SequenceRows& sequence : batch.sequences) {
    if (sequence.rows != 1) return false;
    total += std::int64_t{sequence.past} + 1;
  }
  return batch.sequences.size() > 1 && length * std::ssize(batch.sequences) <= kMostPadding * total;
}

void add_together(StepSlots& slots, const Batch& batch, const TorchKvStore& store, const TensorBridge& bridge) {
  std::int64_t length = 0;
  for (const SequenceRows& sequence : batch.sequences) length = std::max(length, std::int64_t{sequence.past} + 1);
  if (!decodes_together(batch, length)) return;
  std::vector<std::int64_t> all, query;
  for (const SequenceRows& sequence : batch.sequences) {
    const std::size_t begin = all.size();
    store.add_slots(sequence, 0, std::int64_t{sequence.past} + 1, all);
    all.resize(begin + static_cast<std::size_t>(length), all[begin]);
    query.push_back(sequence.past);
  }
  slots.length = length;
  slots.together = slot_range(all, bridge);
  slots.query = bridge.copy_in(query.data(), {std::ssize(query), 1}, at::kLong);
}

}  // namespace

StepSlots slots_of(const Batch& batch, const TorchKvStore& store, const TensorBridge& bridge) {
  StepSlots slots{.sequences = batch.sequences,
                  .page_tokens = store.geometry().page_tokens,
                  .written = {},
                  .rows = {},
                  .seen = {},
                  .together = {},
                  .query = {}};
  std::vector<std::int64_t> written, rows;
  for (const SequenceRows& sequence : batch.sequences) {
    const std::int64_t past = sequence.past, end = past + sequence.rows;
    store.add_slots(sequence, past, end, written);
    for (std::int64_t row = 0; row < sequence.rows; ++row) rows.push_back(sequence.first_row + row);
    std::vector<std::int64_t> seen;
    store.add_slots(sequence, 0, end, seen);
    slots.seen.push_back(slot_range(seen, bridge));
  }
  slots.written = slot_range(written, bridge);
  add_together(slots, batch, store, bridge);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == static_cast<std::int64_t>(i)) continue;
    slots.rows = bridge.copy_in(rows.data(), {std::ssize(rows)}, at::kLong);
    break;
  }
  return slots;
}

}  // namespace vauban::torch_backend
