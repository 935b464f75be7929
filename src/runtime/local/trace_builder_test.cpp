#include <gtest/gtest.h>

#include "backends/backends.h"
#include "runtime/local/local_runtime.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

class TraceBuilderTest : public testing::Test {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path()));
    auto ops = make_backend("reference", context_);
    VB_ASSERT_OK(ops);
    const auto source = ModelSource::open(folder_.path());
    VB_ASSERT_OK(source);
    auto model = Model::load(*source, **ops, context_);
    VB_ASSERT_OK(model);
    auto runtime = LocalRuntime::make(*std::move(model), *std::move(ops), context_, {});
    VB_ASSERT_OK(runtime);
    runtime_ = *std::move(runtime);
  }

  test::TempDir folder_;
  ThreadPool pool_{1};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_};
  std::unique_ptr<LocalRuntime> runtime_;
};

/// Position 3 is the last prompt row: both wants see it, and each says how it was asked for.
TEST_F(TraceBuilderTest, PositionsAreWrittenAsEachWantAskedForThem) {
  TraceRequest request;
  request.trace_id = "positions";
  request.prompt_ids = {1, 72, 104, 260};
  request.sampling.max_tokens = 3;
  request.sampling.ignore_eos = true;
  for (const char* positions : {"3", "last"}) {
    Want want;
    want.site = Site::resid_post;
    want.layers = {0};
    want.positions = *positions_from(positions);
    request.want.push_back(want);
  }
  const Result<Trace> trace = runtime_->trace(request);
  VB_ASSERT_OK(trace);
  const TraceArtifact* by_number = trace->find("activation.resid_post.layer_0");
  const TraceArtifact* last = trace->find("activation.resid_post.layer_0.2");
  ASSERT_TRUE(by_number && last);
  EXPECT_EQ(by_number->positions, "3");
  EXPECT_EQ(last->positions, "last");
  EXPECT_EQ(by_number->digest, last->digest);
  EXPECT_EQ(last->metadata.find("last_position")->as_int(), 3);
}

}  // namespace
}  // namespace vauban
