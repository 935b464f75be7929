/// Key/value pages in LibTorch's memory: per layer (pages * page_tokens, kv_heads, head_dim) of keys and of values.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "ops/batch.h"

namespace vauban::torch_backend {

class TorchKvStore final : public KvStore {
 public:
  /// Throws what LibTorch throws.
  TorchKvStore(const KvGeometry& geometry, at::Device device, at::ScalarType type);
  void copy_page(std::int32_t from, std::int32_t to) override;
  std::int64_t size_bytes() const override;

  /// (slots, kv_heads, head_dim); slot = page * page_tokens + offset.
  at::Tensor& keys(int layer) { return keys_[static_cast<std::size_t>(layer)]; }
  at::Tensor& values(int layer) { return values_[static_cast<std::size_t>(layer)]; }
  /// Slots of positions [begin, end) of a sequence.
  std::vector<std::int64_t> slots(const SequenceRows& sequence, std::int64_t begin, std::int64_t end) const;

 private:
  std::vector<at::Tensor> keys_, values_;
};

}  // namespace vauban::torch_backend
