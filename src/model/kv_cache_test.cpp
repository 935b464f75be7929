#include "model/kv_cache.h"

#include <gtest/gtest.h>
#include <utility>

#include "support/test_data.h"

namespace vauban {
namespace {

class CountingStore final : public KvStore {
 public:
  explicit CountingStore(std::int32_t pages)
      : KvStore({.layers = 1, .kv_heads = 1, .head_dim = 2, .page_tokens = 4, .pages = pages}) {}
  Result<void> copy_keys_and_values(std::int32_t from, std::int32_t to) override {
    if (fails) return resource("no memory");
    copies.emplace_back(from, to);
    return ok();
  }
  std::int64_t size_bytes() const override { return 0; }
  std::vector<std::pair<std::int32_t, std::int32_t>> copies;
  bool fails = false;
};

TEST(SequenceState, TakesAPageForEachStartedRunOfTokens) {
  CountingStore store(4);
  PagePool pool(store);
  SequenceState sequence(pool);
  VB_ASSERT_OK(sequence.reserve(1));
  EXPECT_EQ(sequence.pages(), (std::vector<std::int32_t>{0}));
  sequence.advance(1);
  VB_ASSERT_OK(sequence.reserve(3));  // fills the page
  EXPECT_EQ(pool.used_pages(), 1);
  sequence.advance(3);
  VB_ASSERT_OK(sequence.reserve(5));
  EXPECT_EQ(sequence.pages().size(), 3U);
  EXPECT_EQ(pool.free_pages(), 1);
}

TEST(SequenceState, GivesItsPagesBackWhenDestroyed) {
  CountingStore store(3);
  PagePool pool(store);
  {
    SequenceState sequence(pool);
    VB_ASSERT_OK(sequence.reserve(12));
    EXPECT_EQ(pool.free_pages(), 0);
  }
  EXPECT_EQ(pool.free_pages(), 3);
}

TEST(SequenceState, RefusesWhatDoesNotFitAndChangesNothing) {
  CountingStore store(2);
  PagePool pool(store);
  SequenceState sequence(pool);
  VB_ASSERT_OK(sequence.reserve(5));
  sequence.advance(5);
  const auto pages = sequence.pages();
  const Result<void> refused = sequence.reserve(4);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::resource);
  EXPECT_EQ(sequence.pages(), pages);
  EXPECT_EQ(pool.used_pages(), 2);
}

TEST(SequenceState, ReservingNearTheLimitOfIntDoesNotOverflow) {
  CountingStore store(2);
  PagePool pool(store);
  SequenceState sequence(pool);
  VB_ASSERT_OK(sequence.reserve(5));
  sequence.advance(5);
  EXPECT_FALSE(sequence.reserve(2147483647).has_value());
}

TEST(SequenceState, AForkSharesPagesUntilOneOfThemWrites) {
  CountingStore store(8);
  PagePool pool(store);
  SequenceState parent(pool);
  VB_ASSERT_OK(parent.reserve(6));
  parent.advance(6);
  SequenceState child = parent.fork();
  EXPECT_EQ(child.length(), 6);
  EXPECT_EQ(pool.used_pages(), 2);
  VB_ASSERT_OK(child.reserve(1));  // writes into the shared second page
  EXPECT_EQ(store.copies, (std::vector<std::pair<std::int32_t, std::int32_t>>{{1, 2}}));
  EXPECT_EQ(child.pages(), (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(parent.pages(), (std::vector<std::int32_t>{0, 1}));
  VB_ASSERT_OK(parent.reserve(1));  // alone on its page now
  EXPECT_EQ(store.copies.size(), 1U);
}

TEST(SequenceState, AForkAtAPageBoundaryCopiesNothing) {
  CountingStore store(8);
  PagePool pool(store);
  SequenceState parent(pool);
  VB_ASSERT_OK(parent.reserve(8));
  parent.advance(8);
  SequenceState child = parent.fork();
  VB_ASSERT_OK(child.reserve(2));
  VB_ASSERT_OK(parent.reserve(2));
  EXPECT_TRUE(store.copies.empty());
  EXPECT_NE(child.pages().back(), parent.pages().back());
}

TEST(SequenceState, AForkThatCannotCopyIsRefusedUnchanged) {
  CountingStore store(2);
  PagePool pool(store);
  SequenceState parent(pool);
  VB_ASSERT_OK(parent.reserve(6));
  parent.advance(6);
  SequenceState child = parent.fork();
  EXPECT_FALSE(child.reserve(1).has_value());
  EXPECT_EQ(child.pages(), parent.pages());
  EXPECT_TRUE(store.copies.empty());
}

TEST(SequenceState, APageThatTheDeviceDidNotCopyIsGivenBackAndTheErrorIsItsOwn) {
  CountingStore store(4);
  PagePool pool(store);
  SequenceState parent(pool);
  VB_ASSERT_OK(parent.reserve(6));
  parent.advance(6);
  SequenceState child = parent.fork();
  store.fails = true;
  const Result<void> refused = child.reserve(1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "no memory");
  EXPECT_EQ(child.pages(), parent.pages());
  EXPECT_EQ(pool.used_pages(), 2);
}

TEST(SequenceState, SharedPagesSurviveTheirFirstOwner) {
  CountingStore store(2);
  PagePool pool(store);
  SequenceState child(pool);
  {
    SequenceState parent(pool);
    VB_ASSERT_OK(parent.reserve(8));
    parent.advance(8);
    child = parent.fork();
  }
  EXPECT_EQ(pool.used_pages(), 2);
  child.trim(0);
  EXPECT_EQ(pool.used_pages(), 0);
}

TEST(SequenceState, TrimForgetsPositionsAndFreesWholePages) {
  CountingStore store(4);
  PagePool pool(store);
  SequenceState sequence(pool);
  VB_ASSERT_OK(sequence.reserve(11));
  sequence.advance(11);
  sequence.trim(5);
  EXPECT_EQ(sequence.length(), 5);
  EXPECT_EQ(sequence.pages().size(), 2U);
  sequence.trim(9);  // never grows
  EXPECT_EQ(sequence.length(), 5);
  sequence.trim(-1);
  EXPECT_EQ(pool.used_pages(), 0);
}

TEST(SequenceState, ReservedButUnwrittenPagesAreKeptForTheNextReserve) {
  CountingStore store(4);
  PagePool pool(store);
  SequenceState sequence(pool);
  VB_ASSERT_OK(sequence.reserve(9));
  VB_ASSERT_OK(sequence.reserve(9));
  EXPECT_EQ(pool.used_pages(), 3);
}

TEST(SequenceState, MovingLeavesNothingBehind) {
  CountingStore store(4);
  PagePool pool(store);
  SequenceState a(pool);
  VB_ASSERT_OK(a.reserve(8));
  a.advance(8);
  SequenceState b = std::move(a);
  EXPECT_EQ(b.length(), 8);
  SequenceState c(pool);
  VB_ASSERT_OK(c.reserve(4));
  c = std::move(b);
  EXPECT_EQ(pool.used_pages(), 2);
  EXPECT_EQ(c.length(), 8);
}

}  // namespace
}  // namespace vauban
