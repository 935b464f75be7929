#include "data/batches.h"

#include <set>

#include "data/data_test.h"
#include "data/shuffle.h"

namespace vauban::test {
namespace {

using Batch = std::vector<std::size_t>;

std::vector<std::int64_t> some_lengths(std::size_t count) {
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 0; i < count; ++i) lengths.push_back(2 + static_cast<std::int64_t>((i * 7) % 11));
  return lengths;
}

std::vector<Batch> take(BatchOrder& order, std::size_t count) {
  std::vector<Batch> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(order.next());
  return out;
}

/// The batches of one epoch, from its beginning.
std::vector<Batch> take_epoch(BatchOrder& order) {
  std::vector<Batch> out;
  const std::int64_t epoch = order.epoch();
  while (order.epoch() == epoch) out.push_back(order.next());
  return out;
}

Batch joined(const std::vector<Batch>& batches) {
  Batch out;
  for (const Batch& batch : batches) out.insert(out.end(), batch.begin(), batch.end());
  return out;
}

Batch sorted(Batch batch) {
  std::ranges::sort(batch);
  return batch;
}

std::string start_error(std::vector<std::int64_t> lengths, const BatchOptions& options) {
  const auto order = BatchOrder::start(std::move(lengths), options);
  return order ? "no error" : describe(order.error());
}

const Batch kTen{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

TEST(BatchOrder, KeepsTheOrderOfTheFilesAndTheShortLastBatch) {
  auto order = BatchOrder::start(some_lengths(10), {.batch_size = 4, .shuffle = false});
  VB_ASSERT_OK(order);
  EXPECT_EQ(order->batches_in_epoch(), 3);
  const std::vector<Batch> wanted{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}};
  EXPECT_EQ(take_epoch(*order), wanted);
  EXPECT_EQ(order->epoch(), 1);
  EXPECT_TRUE(order->at_epoch_start());
  EXPECT_EQ(take_epoch(*order), wanted);
}

TEST(BatchOrder, HasEveryExampleOnceInEachEpochInAnotherOrder) {
  auto order = BatchOrder::start(some_lengths(10), {.batch_size = 3, .seed = 5});
  VB_ASSERT_OK(order);
  std::set<Batch> orders;
  for (int epoch = 0; epoch < 5; ++epoch) {
    const Batch all = joined(take_epoch(*order));
    EXPECT_EQ(sorted(all), kTen);
    orders.insert(all);
  }
  EXPECT_EQ(orders.size(), 5u);
}

TEST(BatchOrder, DependsOnTheSeedAlone) {
  const auto first = [](std::uint64_t seed) { return joined({BatchOrder::start(some_lengths(40), {.batch_size = 40, .seed = seed}).value().next()}); };
  EXPECT_EQ(first(1), first(1));
  EXPECT_NE(first(1), first(2));
}

TEST(BatchOrder, FillsMicroBatchesWithWholeExamples) {
  auto order = BatchOrder::start({4, 4, 3, 9, 1, 10}, {.batch_tokens = 10, .shuffle = false});
  VB_ASSERT_OK(order);
  EXPECT_EQ(order->batches_in_epoch(), 4);
  EXPECT_EQ(take_epoch(*order), (std::vector<Batch>{{0, 1}, {2}, {3, 4}, {5}}));
}

TEST(BatchOrder, NeverExceedsTheTokensOfAMicroBatch) {
  const auto lengths = some_lengths(100);
  auto order = BatchOrder::start(lengths, {.batch_tokens = 25, .seed = 3});
  VB_ASSERT_OK(order);
  const auto batches = take_epoch(*order);
  for (const Batch& batch : batches) {
    std::int64_t tokens = 0;
    for (const std::size_t example : batch) tokens += lengths[example];
    EXPECT_LE(tokens, 25);
    EXPECT_FALSE(batch.empty());
  }
  EXPECT_EQ(sorted(joined(batches)).size(), 100u);
}

TEST(BatchOrder, RefusesAnExampleThatFitsNoMicroBatch) {
  EXPECT_THAT(start_error({3, 12, 13}, {.batch_tokens = 10}), testing::HasSubstr("example 1 has 12 tokens, more than batch_tokens = 10"));
  EXPECT_EQ(start_error({3, 10}, {.batch_tokens = 10}), "no error");
}

TEST(BatchOrder, RefusesOptionsOutOfRange) {
  EXPECT_THAT(start_error({}, {}), testing::HasSubstr("at least one example"));
  EXPECT_THAT(start_error({3}, {.batch_size = 0}), testing::HasSubstr("batch_size"));
  EXPECT_THAT(start_error({3}, {.batch_tokens = -1}), testing::HasSubstr("batch_tokens"));
  EXPECT_THAT(start_error({std::int64_t{1} << 30}, {.batch_size = 4}), testing::HasSubstr("exceeds"));
}

/// Resumes before each of the batches of three epochs and compares all that follow.
void expect_resumes_everywhere(const BatchOptions& options) {
  constexpr std::size_t kBatches = 24;
  const auto lengths = some_lengths(17);
  auto undisturbed = BatchOrder::start(lengths, options).value();
  const auto wanted = take(undisturbed, 2 * kBatches);
  auto order = BatchOrder::start(lengths, options).value();
  for (std::size_t at = 0; at < kBatches; ++at) {
    const Json position = Json::parse(order.position().dump().value()).value();
    auto resumed = BatchOrder::resume(lengths, options, position);
    VB_ASSERT_OK(resumed);
    EXPECT_EQ(resumed->epoch(), order.epoch());
    EXPECT_EQ(take(*resumed, kBatches), std::vector<Batch>(wanted.begin() + static_cast<std::ptrdiff_t>(at),
                                                           wanted.begin() + static_cast<std::ptrdiff_t>(at + kBatches)))
        << "at batch " << at;
    order.next();
  }
}

TEST(BatchOrder, ResumesAtEveryPositionAsIfUndisturbed) {
  expect_resumes_everywhere({.batch_size = 3, .seed = 9});
  expect_resumes_everywhere({.batch_size = 3, .shuffle = false});
  expect_resumes_everywhere({.batch_size = 50, .seed = 9});
  expect_resumes_everywhere({.batch_tokens = 20, .seed = 9});
}

TEST(BatchOrder, RefusesAPositionOfOtherDataOrOptions) {
  const BatchOptions options{.batch_tokens = 20, .seed = 9};
  auto lengths = some_lengths(17);
  auto order = BatchOrder::start(lengths, options).value();
  order.next();
  const Json position = order.position();
  EXPECT_TRUE(BatchOrder::resume(lengths, options, position));
  EXPECT_FALSE(BatchOrder::resume(lengths, {.batch_tokens = 20, .seed = 8}, position));
  EXPECT_FALSE(BatchOrder::resume(lengths, {.batch_tokens = 21, .seed = 9}, position));
  EXPECT_FALSE(BatchOrder::resume(lengths, {.batch_size = 4, .seed = 9}, position));
  ++lengths[3];
  EXPECT_FALSE(BatchOrder::resume(lengths, options, position));
}

TEST(BatchOrder, RefusesADamagedPosition) {
  const BatchOptions options{.batch_size = 3, .seed = 9};
  const auto order = BatchOrder::start(some_lengths(17), options).value();
  const auto refused = [&](std::string_view key, const Json& value) {
    Json position = order.position();
    position[key] = value;
    const auto resumed = BatchOrder::resume(some_lengths(17), options, position);
    return !resumed && resumed.error().code == ErrorCode::corrupt;
  };
  EXPECT_TRUE(refused("taken", 17));
  EXPECT_TRUE(refused("taken", 4));
  EXPECT_TRUE(refused("taken", -3));
  EXPECT_TRUE(refused("taken", "3"));
  EXPECT_TRUE(refused("epoch", -1));
  EXPECT_TRUE(refused("epoch", std::int64_t{1} << 40));
  EXPECT_TRUE(refused("order", nullptr));
  EXPECT_FALSE(BatchOrder::resume(some_lengths(17), options, Json()));
}

TEST(BatchOptions, AreDeclaredWithoutContradiction) { VB_EXPECT_OK(check_declaration<BatchOptions>()); }

TEST(Shuffled, GivesEveryOrderAboutEquallyOften) {
  std::map<Batch, int> seen;
  for (std::uint64_t round = 0; round < 6000; ++round) ++seen[shuffled(3, 11, ShuffleStream::epochs, round)];
  ASSERT_EQ(seen.size(), 6u);
  for (const auto& [order, count] : seen) EXPECT_NEAR(count, 1000, 150);  // 5 standard deviations of 29
}

TEST(Shuffled, DiffersByPurpose) {
  EXPECT_NE(shuffled(20, 1, ShuffleStream::epochs, 0), shuffled(20, 1, ShuffleStream::held_out, 0));
}

TEST(PackedRows, StandOneAfterTheOtherWithoutPadding) {
  const Example a{.ids = {1, 5, 6, 2}, .is_target = {0, 0, 1, 1}}, b{.ids = {1, 7}, .is_target = {0, 1}};
  const std::vector<const Example*> examples{&a, &b};
  const PackedRows packed = pack(examples);
  EXPECT_EQ(packed.ids, (std::vector<std::int32_t>{1, 5, 6, 1}));
  EXPECT_EQ(packed.positions, (std::vector<std::int32_t>{0, 1, 2, 0}));
  EXPECT_EQ(packed.documents, (std::vector<PackedRows::Document>{{0, 3}, {3, 1}}));
  EXPECT_EQ(packed.output_rows, (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(packed.targets, (std::vector<std::int32_t>{6, 2, 7}));
}

TEST(PackedRows, NeverPredictAcrossDocuments) {
  std::vector<Example> examples;
  for (std::int32_t i = 0; i < 20; ++i) {
    Example example;
    for (std::int32_t at = 0; at < 2 + i % 5; ++at) {
      example.ids.push_back(100 * (i + 1) + at);
      example.is_target.push_back(at > 0 && (i + at) % 3 != 0);
    }
    examples.push_back(example);
  }
  std::vector<const Example*> pointers;
  for (const Example& example : examples) pointers.push_back(&example);
  const PackedRows packed = pack(pointers);
  ASSERT_EQ(packed.documents.size(), examples.size());
  std::int32_t next_row = 0;
  for (const auto& document : packed.documents) {
    EXPECT_EQ(document.first_row, next_row);
    next_row += document.rows;
    for (std::int32_t row = 0; row < document.rows; ++row) {
      const auto at = static_cast<std::size_t>(document.first_row + row);
      EXPECT_EQ(packed.positions[at], row);
      EXPECT_EQ(packed.ids[at] / 100, packed.ids[static_cast<std::size_t>(document.first_row)] / 100);
    }
  }
  EXPECT_EQ(static_cast<std::size_t>(next_row), packed.ids.size());
  for (std::size_t i = 0; i < packed.targets.size(); ++i)
    EXPECT_EQ(packed.targets[i], packed.ids[static_cast<std::size_t>(packed.output_rows[i])] + 1);
  EXPECT_TRUE(std::ranges::is_sorted(packed.output_rows));
}

TEST(PackedRows, AreNoneForExamplesWithoutAnythingToPredict) {
  const Example one{.ids = {1}, .is_target = {0}}, none;
  const std::vector<const Example*> examples{&one, &none};
  EXPECT_TRUE(pack(examples).ids.empty());
  EXPECT_TRUE(pack(examples).documents.empty());
}

}  // namespace
}  // namespace vauban::test
