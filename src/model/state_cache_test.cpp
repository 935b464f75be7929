// Which recurrent states a sequence keeps: one, where it ends, and those that a fork still needs.
#include <gtest/gtest.h>

#include "model/kv_cache.h"
#include "support/test_data.h"

namespace vauban {
namespace {

class StateStore final : public KvStore {
 public:
  StateStore()
      : KvStore({.layers = 2, .kv_heads = 0, .head_dim = 1, .page_tokens = 4, .pages = 8, .state = {.conv = 3, .scan = 0}}) {}
  Result<void> copy_keys_and_values(std::int32_t, std::int32_t) override { return ok(); }
  std::int64_t size_bytes() const override { return 0; }
};
constexpr std::int64_t kOne = 2 * 3 * 8;  // bytes of one state: layers, numbers

/// A step that writes `value` as the state of both layers; what stood there before.
Result<double> step(StateStore& store, SequenceState& sequence, std::int32_t rows, double value) {
  VB_CHECK(sequence.reserve(rows));
  Batch batch;
  batch.sequences = {{.first_row = 0, .rows = rows, .past = sequence.length(), .pages = sequence.pages()}};
  double before = 0.0;
  for (const int layer : {0, 1}) {
    VB_CHECK(store.states().begin(StatePart::conv, layer, batch));
    double* state = store.states().of(StatePart::conv, layer, batch.sequences.front());
    before = state[2];
    state[2] = value;
  }
  sequence.advance(rows);
  return before;
}

TEST(RecurrentState, IsCarriedFromPageToPageAndKeptOnce) {
  StateStore store;
  PagePool pool(store);
  {
    SequenceState sequence(pool);
    EXPECT_EQ(step(store, sequence, 3, 1.0).value_or(-1), 0.0);
    EXPECT_EQ(step(store, sequence, 1, 2.0).value_or(-1), 1.0);
    EXPECT_EQ(step(store, sequence, 9, 3.0).value_or(-1), 2.0);
    EXPECT_EQ(step(store, sequence, 1, 4.0).value_or(-1), 3.0);
    EXPECT_EQ(store.states().size_bytes(), kOne);
  }
  EXPECT_EQ(store.states().size_bytes(), 0);
}

TEST(RecurrentState, ForksDiverge) {
  for (const std::int32_t length : {4, 6}) {  // at the end of a page, and inside one
    StateStore store;
    PagePool pool(store);
    SequenceState parent(pool);
    VB_ASSERT_OK(step(store, parent, length, 1.0));
    SequenceState child = parent.fork();
    EXPECT_EQ(step(store, child, 5, 2.0).value_or(-1), 1.0);
    EXPECT_EQ(step(store, parent, 5, 3.0).value_or(-1), 1.0);
    EXPECT_EQ(step(store, child, 1, 4.0).value_or(-1), 2.0);
    EXPECT_EQ(step(store, parent, 1, 5.0).value_or(-1), 3.0);
  }
}

TEST(RecurrentState, ATrimmedSequenceIsRefusedUnlessItBeginsAnew) {
  StateStore store;
  PagePool pool(store);
  SequenceState other(pool);
  VB_ASSERT_OK(step(store, other, 2, 9.0));
  other = SequenceState(pool);  // its page, which held a state after 2 positions, is taken next
  SequenceState sequence(pool);
  VB_ASSERT_OK(step(store, sequence, 7, 1.0));
  sequence.trim(2);
  const auto refused = step(store, sequence, 1, 2.0);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  sequence.trim(0);
  EXPECT_EQ(step(store, sequence, 3, 3.0).value_or(-1), 0.0);
}

}  // namespace
}  // namespace vauban
