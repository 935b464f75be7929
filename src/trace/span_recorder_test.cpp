#include "trace/span_recorder.h"

#include <gtest/gtest.h>

#include "trace/trace_samples.h"

namespace vauban {
namespace {

/// Stands still unless told to move.
class ManualClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override { return now; }
  std::chrono::system_clock::time_point utc() const override { return {}; }
  std::chrono::nanoseconds now{0};
};

using std::chrono::milliseconds;

TEST(SpanRecorder, NumbersSpansInTheOrderInWhichTheyOpen) {
  ManualClock clock;
  SpanRecorder spans(clock);
  {
    auto outer = spans.open("forward");
    auto inner = spans.open("emit evidence");
  }
  spans.open("decode").stop();
  const auto taken = spans.take();
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken[0].span_id, "span.0.forward");
  EXPECT_EQ(taken[1].span_id, "span.1.emit_evidence");
  EXPECT_EQ(taken[1].name, "emit evidence");
  EXPECT_EQ(taken[2].span_id, "span.2.decode");
}

TEST(SpanRecorder, TimesAScopeByTheInjectedClock) {
  ManualClock clock;
  SpanRecorder spans(clock);
  {
    auto scope = spans.open("prefill");
    clock.now += milliseconds(250);
    scope.profile().token_count = 9;
  }
  clock.now += milliseconds(500);
  const auto taken = spans.take();
  EXPECT_DOUBLE_EQ(taken[0].profile->duration_s, 0.25);
  EXPECT_EQ(taken[0].profile->token_count, 9);
  EXPECT_EQ(taken[0].profile->name, "prefill");
}

TEST(SpanRecorder, AddsUpThePiecesOfAGatheredSpan) {
  ManualClock clock;
  SpanRecorder spans(clock);
  auto observe = spans.gather("observe");
  for (int pass = 0; pass < 3; ++pass) {
    auto piece = observe.measure();
    clock.now += milliseconds(10);
    piece.stop();
    clock.now += milliseconds(100);
  }
  EXPECT_DOUBLE_EQ(spans.take()[0].profile->duration_s, 0.03);
}

TEST(SpanRecorder, StoppingTwiceCountsOnce) {
  ManualClock clock;
  SpanRecorder spans(clock);
  {
    auto scope = spans.open("load");
    clock.now += milliseconds(5);
    scope.stop();
    clock.now += milliseconds(5);
    scope.stop();
  }
  EXPECT_DOUBLE_EQ(spans.take()[0].profile->duration_s, 0.005);
}

TEST(SpanRecorder, LinksArtifactsSoThatTheTraceIsValid) {
  ManualClock clock;
  SpanRecorder spans(clock);
  TraceParts parts;
  parts.trace_id = "t";
  parts.device = {"cpu", "cpu:0"};
  parts.artifacts = {test::artifact("tokens", ArtifactKind::tokens, "")};
  {
    auto tokenize = spans.open("tokenize");
    tokenize.produces(parts.artifacts[0]);
    tokenize.produces(parts.artifacts[0]);
    auto prefill = spans.open("prefill");
    prefill.consumes("tokens");
  }
  parts.spans = spans.take();
  EXPECT_EQ(parts.artifacts[0].producer_span_id, "span.0.tokenize");
  EXPECT_TRUE(Trace::make(std::move(parts)).has_value());
}

}  // namespace
}  // namespace vauban
