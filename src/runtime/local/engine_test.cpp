#include "runtime/local/engine.h"

#include <gtest/gtest.h>

#include "backends/backends.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

using Ids = std::vector<std::int32_t>;

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path()));
    auto ops = make_backend("reference", context_);
    VB_ASSERT_OK(ops);
    ops_ = *std::move(ops);
    const auto source = ModelSource::open(folder_.path());
    VB_ASSERT_OK(source);
    auto model = Model::load(*source, *ops_, context_);
    VB_ASSERT_OK(model);
    model_ = *std::move(model);
    KvGeometry geometry = model_->network->kv_geometry();
    geometry.pages = 12;
    auto store = ops_->make_kv_store(geometry);
    VB_ASSERT_OK(store);
    kv_ = std::make_shared<KvMemory>(*std::move(store));
  }
  Engine make_engine(const EngineOptions& options) { return Engine(*model_, *ops_, kv_, context_, options); }
  static SequenceRequest request(int prompt, int max_tokens) {
    SequenceRequest out{.prompt = Ids(static_cast<std::size_t>(prompt), 260), .sampling = {}, .wants_logits = {}};
    out.sampling.max_tokens = max_tokens;
    out.sampling.ignore_eos = true;
    return out;
  }

  test::TempDir folder_;
  ThreadPool pool_{1};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_};
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  std::shared_ptr<KvMemory> kv_;
};

TEST_F(EngineTest, AStepNeverRunsMorePromptRowsThanTheChunk) {
  Engine engine = make_engine({.max_batch = 4, .prefill_chunk = 8});
  for (const int prompt : {3, 20, 11}) VB_ASSERT_OK(engine.submit(request(prompt, 6)));
  bool mixed = false;
  while (!engine.idle()) {
    const auto report = engine.step();
    VB_ASSERT_OK(report);
    int prompt_rows = 0, decode_rows = 0;
    for (const StepShare& share : report->shares) (share.prompt ? prompt_rows : decode_rows) += share.rows;
    EXPECT_LE(prompt_rows, 8);
    EXPECT_EQ(prompt_rows + decode_rows, report->cost.rows);
    mixed = mixed || (prompt_rows > 0 && decode_rows > 0);
  }
  EXPECT_TRUE(mixed) << "decoding goes on while another prompt is read";
  EXPECT_EQ(kv_->pool.used_pages(), 0);
}

TEST_F(EngineTest, NoMoreSequencesRunThanAllowedAndTheyStartInOrder) {
  Engine engine = make_engine({.max_batch = 2, .prefill_chunk = 64});
  for (int i = 0; i < 5; ++i) VB_ASSERT_OK(engine.submit(request(4, 3 + i)));
  std::vector<std::size_t> started;
  while (!engine.idle()) {
    const auto report = engine.step();
    VB_ASSERT_OK(report);
    EXPECT_LE(report->shares.size(), 2u);
    for (const StepShare& share : report->shares)
      if (share.prompt) started.push_back(share.sequence);
  }
  EXPECT_EQ(started, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

TEST_F(EngineTest, ASequenceWaitsUntilItsWholeRunFits) {
  Engine engine = make_engine({.max_batch = 4, .prefill_chunk = 256});
  VB_ASSERT_OK(engine.submit(request(100, 29)));  // 128 positions: 8 of 12 pages
  VB_ASSERT_OK(engine.submit(request(70, 11)));   // 80 positions: 5 pages
  const auto first = engine.step();
  VB_ASSERT_OK(first);
  EXPECT_EQ(first->shares.size(), 1u);
  EXPECT_EQ(first->cost.waiting, 1);
  while (!engine.idle()) VB_ASSERT_OK(engine.step());
  EXPECT_EQ(engine.sequence(1).new_ids().size(), 11u);

  const auto too_long = engine.submit(request(180, 20));
  ASSERT_FALSE(too_long.has_value());
  EXPECT_EQ(too_long.error().code, ErrorCode::resource);
}

TEST_F(EngineTest, PagesHeldElsewhereGiveAnErrorAndNotAHang) {
  Engine holder = make_engine({}), other = make_engine({});
  VB_ASSERT_OK(holder.submit(request(100, 60)));
  VB_ASSERT_OK(holder.step());
  VB_ASSERT_OK(other.submit(request(100, 2)));
  const auto report = other.step();
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::resource);
  EXPECT_TRUE(other.idle());
}

TEST_F(EngineTest, LogitsAreGivenForWantedPositionsOnly) {
  Engine engine = make_engine({.max_batch = 1, .prefill_chunk = 4});
  SequenceRequest wanted = request(10, 0);
  wanted.wants_logits = [](std::int64_t position) { return position % 3 == 1; };
  VB_ASSERT_OK(engine.submit(std::move(wanted)));
  std::vector<std::int64_t> positions;
  while (!engine.idle()) {
    const auto report = engine.step();
    VB_ASSERT_OK(report);
    for (const LogitRow& row : report->logits) positions.push_back(row.position);
  }
  EXPECT_EQ(positions, (std::vector<std::int64_t>{1, 4, 7}));
}

}  // namespace
}  // namespace vauban
