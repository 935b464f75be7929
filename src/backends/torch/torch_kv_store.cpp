#include "backends/torch/torch_kv_store.h"

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

void TorchKvStore::copy_page(std::int32_t from, std::int32_t to) {
  const std::int64_t tokens = geometry_.page_tokens;
  for (std::vector<at::Tensor>* side : {&keys_, &values_})
    for (at::Tensor& slots : *side) slots.narrow(0, to * tokens, tokens).copy_(slots.narrow(0, from * tokens, tokens));
}

std::int64_t TorchKvStore::size_bytes() const {
  std::int64_t size = 0;
  for (const at::Tensor& keys : keys_) size += 2 * static_cast<std::int64_t>(keys.nbytes());
  return size;
}

std::vector<std::int64_t> TorchKvStore::slots(const SequenceRows& sequence, std::int64_t begin, std::int64_t end) const {
  std::vector<std::int64_t> out;
  for (std::int64_t position = begin; position < end; ++position)
    out.push_back(std::int64_t{sequence.pages[static_cast<std::size_t>(position / geometry_.page_tokens)]} *
                      geometry_.page_tokens +
                  position % geometry_.page_tokens);
  return out;
}

}  // namespace vauban::torch_backend
