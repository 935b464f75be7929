/// Batch: the token rows of one step, of any number of sequences, and the pages that hold their past.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "ops/state_pages.h"

namespace vauban {

/// One sequence's share of a step: rows [first_row, first_row + rows) are its positions past .. past + rows - 1.
struct SequenceRows {
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t past = 0;
  /// Positions of the sequence that are known by now: of the whole prompt while it comes in chunks. Rotary tables that
  /// change with the length go by it. 0: past + rows.
  std::int32_t length = 0;
  /// Page ids of the sequence in order; position p lives in pages[p / page_tokens], slot p % page_tokens.
  std::vector<std::int32_t> pages;
};

struct Batch {
  std::vector<std::int32_t> ids;        ///< (T)
  std::vector<std::int32_t> positions;  ///< (T)
  std::vector<SequenceRows> sequences;
  std::vector<std::int32_t> output_rows;  ///< rows whose logits are needed, ascending
};

struct KvGeometry {
  int layers = 0, kv_heads = 0, head_dim = 0;  ///< no heads: a model without attention, pages only count positions
  int page_tokens = 16;
  std::int32_t pages = 0;
  StateSizes state;  ///< of the layers that have a recurrence
};

/// Key/value memory of a backend, addressed by page. Which pages are in use is decided by PagePool (model/kv_cache.h).
class KvStore {
 public:
  virtual ~KvStore() = default;
  const KvGeometry& geometry() const { return geometry_; }
  /// Copies one page (all layers): copy-on-write at a fork. Errors: what the device answered; resource.
  Result<void> copy_page(std::int32_t from, std::int32_t to) {
    VB_CHECK(copy_keys_and_values(from, to));
    return states_.copy(from, to);
  }
  StatePages& states() { return states_; }
  virtual std::int64_t size_bytes() const = 0;  ///< of keys and values

 protected:
  explicit KvStore(const KvGeometry& geometry)
      : geometry_(geometry), states_(geometry.layers, geometry.pages, geometry.page_tokens, geometry.state) {}
  virtual Result<void> copy_keys_and_values(std::int32_t from, std::int32_t to) = 0;
  KvGeometry geometry_;

 private:
  StatePages states_;
};

}  // namespace vauban
