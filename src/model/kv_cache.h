/// PagePool and SequenceState: which pages of a KvStore belong to which sequence.
///
/// Pages are reference-counted and shared after fork(); a shared page is copied before it is written (copy-on-write).
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "ops/batch.h"

namespace vauban {

class PagePool {
 public:
  explicit PagePool(KvStore& store);
  std::int32_t free_pages() const { return static_cast<std::int32_t>(free_.size()); }
  std::int32_t used_pages() const;
  int page_tokens() const { return store_.geometry().page_tokens; }

 private:
  friend class SequenceState;
  Result<std::int32_t> take();  ///< resource when none is left
  void share(std::int32_t page) { ++references_[static_cast<std::size_t>(page)]; }
  void give_back(std::int32_t page);
  KvStore& store_;
  std::vector<std::int32_t> free_;
  std::vector<std::int32_t> references_;
};

/// One sequence's cache. Movable; gives its pages back when destroyed.
class SequenceState {
 public:
  explicit SequenceState(PagePool& pool) : pool_(&pool) {}
  ~SequenceState();
  SequenceState(SequenceState&& other) noexcept;
  SequenceState& operator=(SequenceState&& other) noexcept;

  std::int32_t length() const { return length_; }
  const std::vector<std::int32_t>& pages() const { return pages_; }
  /// Makes room for `count` more positions (copying a shared last page). Errors: resource; then nothing has changed.
  Result<void> reserve(std::int32_t count);
  /// After a step has written them. The recurrent state that the step began with is forgotten, unless a fork has it too.
  void advance(std::int32_t count);
  /// Forgets positions >= length. A model with recurrent layers can go on only where its state stands (ops/state_pages.h):
  /// the next step after another trim than to 0 is refused there.
  void trim(std::int32_t length);
  SequenceState fork() const;  ///< shares every page

 private:
  PagePool* pool_;
  std::vector<std::int32_t> pages_;
  std::int32_t length_ = 0;
};

}  // namespace vauban
