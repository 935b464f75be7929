/// Key/value pages in LibTorch's memory: per layer (pages * page_tokens, kv_heads, head_dim) of keys and of values.
#pragma once

#include <ATen/ATen.h>
#include <vector>

#include "backends/torch/torch_tensor.h"
#include "ops/batch.h"

namespace vauban::torch_backend {

/// Where positions lie: the slots from `first` on where they follow each other, else those of `index` (count) i64.
struct SlotRange {
  std::int64_t first = 0, count = 0;
  at::Tensor index;  ///< undefined: a run
};

class TorchKvStore final : public KvStore {
 public:
  /// Throws what LibTorch throws.
  TorchKvStore(const KvGeometry& geometry, at::Device device, at::ScalarType type);
  Result<void> copy_keys_and_values(std::int32_t from, std::int32_t to) override;
  std::int64_t size_bytes() const override;

  /// (slots, kv_heads, head_dim); slot = page * page_tokens + offset.
  at::Tensor& keys(int layer) { return keys_[static_cast<std::size_t>(layer)]; }
  at::Tensor& values(int layer) { return values_[static_cast<std::size_t>(layer)]; }
  /// Appends the slots of positions [begin, end) of a sequence.
  void add_slots(const SequenceRows& sequence, std::int64_t begin, std::int64_t end,
                 std::vector<std::int64_t>& slots) const;

 private:
  std::vector<at::Tensor> keys_, values_;
};

/// A run where they are one: it is read and written in place.
SlotRange slot_range(const std::vector<std::int64_t>& slots, const TensorBridge& bridge);
/// (count, kv_heads, head_dim); of a run, a view.
at::Tensor read_slots(const at::Tensor& side, const SlotRange& slots);
void write_slots(at::Tensor& side, const SlotRange& slots, const at::Tensor& rows);

/// The slots of a step's sequences: every layer has the same, so the first works them out.
struct StepSlots {
  std::vector<SequenceRows> sequences;  ///< whose they are
  int page_tokens = 0;
  SlotRange written;            ///< of all new rows, sequence by sequence
  at::Tensor rows;              ///< the same in rows of the batch; undefined where they are all rows in order
  std::vector<SlotRange> seen;  ///< past and new positions of each sequence
  /// Decoding several sequences: the slots of all, (n * length), behind a sequence's end its first; and the positions
  /// of the new rows, (n, 1). length 0: some have several rows, or the lengths are too different for it to pay.
  std::int64_t length = 0;
  SlotRange together;
  at::Tensor query;
};
bool is_of(const StepSlots& slots, const Batch& batch, int page_tokens);
StepSlots slots_of(const Batch& batch, const TorchKvStore& store, const TensorBridge& bridge);

}  // namespace vauban::torch_backend
