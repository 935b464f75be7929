#include "model/kv_cache.h"

#include <algorithm>
#include <utility>

namespace vauban {

PagePool::PagePool(KvStore& store) : store_(store), references_(static_cast<std::size_t>(store.geometry().pages), 0) {
  const std::int32_t pages = store.geometry().pages;
  free_.reserve(static_cast<std::size_t>(pages));
  for (std::int32_t page = pages; page > 0; --page) free_.push_back(page - 1);  // page 0 is taken first
}

std::int32_t PagePool::used_pages() const { return static_cast<std::int32_t>(references_.size()) - free_pages(); }

Result<std::int32_t> PagePool::take() {
  if (free_.empty())
    return resource("the key/value cache is full: all {} pages of {} tokens are in use", references_.size(),
                    page_tokens());
  const std::int32_t page = free_.back();
  free_.pop_back();
  references_[static_cast<std::size_t>(page)] = 1;
  return page;
}

void PagePool::give_back(std::int32_t page) {
  if (--references_[static_cast<std::size_t>(page)] > 0) return;
  store_.states().forget(page);
  free_.push_back(page);
}

SequenceState::~SequenceState() { trim(0); }

SequenceState::SequenceState(SequenceState&& other) noexcept
    : pool_(other.pool_), pages_(std::exchange(other.pages_, {})), length_(std::exchange(other.length_, 0)) {}

SequenceState& SequenceState::operator=(SequenceState&& other) noexcept {
  if (this == &other) return *this;
  trim(0);
  pool_ = other.pool_;
  pages_ = std::exchange(other.pages_, {});
  length_ = std::exchange(other.length_, 0);
  return *this;
}

Result<void> SequenceState::reserve(std::int32_t count) {
  if (count <= 0) return ok();
  const std::int64_t page_tokens = pool_->page_tokens();
  const std::int64_t pages_needed = (std::int64_t{length_} + count + page_tokens - 1) / page_tokens;
  const std::size_t first_written = static_cast<std::size_t>(length_ / page_tokens);
  const auto is_shared = [&](std::int32_t page) { return pool_->references_[static_cast<std::size_t>(page)] > 1; };

  std::int64_t to_take = std::max<std::int64_t>(0, pages_needed - static_cast<std::int64_t>(pages_.size()));
  for (std::size_t i = first_written; i < pages_.size(); ++i) to_take += is_shared(pages_[i]);
  if (to_take > pool_->free_pages())
    return resource("{} more positions after {} need {} free pages of {} tokens; the key/value cache has {}", count,
                    length_, to_take, page_tokens, pool_->free_pages());

  for (std::size_t i = first_written; i < pages_.size(); ++i) {
    if (!is_shared(pages_[i])) continue;
    VB_TRY(const std::int32_t copy, pool_->take());
    if (Result<void> copied = pool_->store_.copy_page(pages_[i], copy); !copied) {
      pool_->give_back(copy);
      return copied;
    }
    pool_->give_back(std::exchange(pages_[i], copy));
  }
  while (static_cast<std::int64_t>(pages_.size()) < pages_needed) {
    VB_TRY(const std::int32_t page, pool_->take());
    pages_.push_back(page);
  }
  return ok();
}

void SequenceState::advance(std::int32_t count) {
  const std::int32_t before = length_;
  length_ += count;
  if (!pool_->store_.states().any() || before == 0) return;
  const auto page_at = [&](std::int32_t position) { return static_cast<std::size_t>(position / pool_->page_tokens()); };
  const std::int32_t left = pages_[page_at(before - 1)];
  const bool shared = pool_->references_[static_cast<std::size_t>(left)] > 1;
  if (page_at(before - 1) != page_at(length_ - 1) && !shared) pool_->store_.states().forget(left);
}

void SequenceState::trim(std::int32_t length) {
  length_ = std::min(length_, std::max(length, 0));
  const std::size_t keep = static_cast<std::size_t>((length_ + pool_->page_tokens() - 1) / pool_->page_tokens());
  while (pages_.size() > keep) {
    pool_->give_back(pages_.back());
    pages_.pop_back();
  }
}

SequenceState SequenceState::fork() const {
  SequenceState other(*pool_);
  other.pages_ = pages_;
  other.length_ = length_;
  for (const std::int32_t page : pages_) pool_->share(page);
  return other;
}

}  // namespace vauban
