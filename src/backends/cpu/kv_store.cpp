#include "backends/cpu/kv_store.h"

#include <algorithm>
#include <limits>
#include <new>

#include "ops/checks.h"

namespace vauban::cpu {
namespace {
constexpr std::align_val_t kAlignment{64};
}

Result<std::unique_ptr<KvStore>> CpuKvStore::create(const KvGeometry& geometry) {
  VB_CHECK(check_kv_geometry(geometry));
  const std::int64_t elements =
      2 * std::int64_t{geometry.layers} * geometry.pages * geometry.kv_heads * geometry.page_tokens * geometry.head_dim;
  // Left untouched in release builds: a page takes no memory before it is first written.
  void* memory = ::operator new(static_cast<std::size_t>(elements) * sizeof(float) + 1, kAlignment, std::nothrow);
  if (!memory) return resource("no memory for {} pages of keys and values ({} bytes)", geometry.pages, elements * 4);
#ifndef NDEBUG
  std::fill_n(static_cast<float*>(memory), elements, std::numeric_limits<float>::quiet_NaN());
#endif
  return std::unique_ptr<KvStore>(new CpuKvStore(geometry, static_cast<float*>(memory)));
}

CpuKvStore::~CpuKvStore() { ::operator delete(memory_, kAlignment); }

Result<void> CpuKvStore::copy_keys_and_values(std::int32_t from, std::int32_t to) {
  for (int layer = 0; layer < geometry_.layers; ++layer)
    std::copy_n(head_at(layer, from, 0, 0), page_size(), head_at(layer, to, 0, 0));
  return ok();
}

std::int64_t CpuKvStore::size_bytes() const {
  return std::int64_t{geometry_.layers} * geometry_.pages * page_size() * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace vauban::cpu
