/// Key/value pages of the cpu backend in f32.
///
/// Layout: (layers, pages, {key, value}, kv_heads, page_tokens, head_dim), so that the tokens of one head in one page
/// are one run of memory. Threads may read and write different positions at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "ops/batch.h"

namespace vauban::cpu {

class CpuKvStore final : public KvStore {
 public:
  /// Errors: invalid_input for a geometry without sense, resource when the memory is refused.
  static Result<std::unique_ptr<KvStore>> create(const KvGeometry& geometry);
  ~CpuKvStore() override;

  Result<void> copy_keys_and_values(std::int32_t from, std::int32_t to) override;
  std::int64_t size_bytes() const override;

  /// (page_tokens, head_dim)
  float* keys(int layer, std::int32_t page, std::int64_t head) { return head_at(layer, page, 0, head); }
  float* values(int layer, std::int32_t page, std::int64_t head) { return head_at(layer, page, 1, head); }

 private:
  CpuKvStore(const KvGeometry& geometry, float* memory) : KvStore(geometry), memory_(memory) {}
  std::int64_t head_size() const { return std::int64_t{geometry_.page_tokens} * geometry_.head_dim; }
  std::int64_t page_size() const { return 2 * geometry_.kv_heads * head_size(); }
  float* head_at(int layer, std::int32_t page, int side, std::int64_t head) {
    const std::int64_t page_index = std::int64_t{layer} * geometry_.pages + page;
    return memory_ + page_index * page_size() + (side * geometry_.kv_heads + head) * head_size();
  }
  float* memory_;
};

}  // namespace vauban::cpu
