#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "base/sha256.h"
#include "support/test_data.h"
#include "trace/artifact_store.h"
#include "trace/observe_spec.h"
#include "trace/recorder.h"

namespace vauban {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kHeads = 2, kTokens = 5;

/// A causal map of all tokens: an entry tells its head, query and key.
float entry(std::int64_t head, std::int64_t query, std::int64_t key, float fill) {
  return key > query ? fill : 0.5f + static_cast<float>(100 * head + 10 * query + key);
}

/// (heads, rows, past + rows) of the pass that computes the queries [begin, end).
std::vector<float> pass_values(std::int64_t begin, std::int64_t end, float fill) {
  std::vector<float> values;
  for (std::int64_t head = 0; head < kHeads; ++head)
    for (std::int64_t query = begin; query < end; ++query)
      for (std::int64_t key = 0; key < end; ++key) values.push_back(entry(head, query, key, fill));
  return values;
}

struct Outcome {
  TraceArtifact artifact;
  std::vector<float> values;  ///< of the payload
};

Outcome record(std::string_view observe, Site site, std::vector<std::int64_t> begins, std::size_t limit = 1 << 20) {
  RecorderSetup setup;
  setup.layers = 1;
  setup.prompt_rows = 3;
  setup.memory_limit_bytes = limit;
  Recorder recorder = Recorder::make(parse_observe(observe).value(), setup).value();
  const float fill = site == Site::attn_scores ? -kInfinity : 0;
  begins.push_back(kTokens);
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    const std::vector<float> values = pass_values(begins[i], begins[i + 1], fill);
    recorder.record(site, 0, Moment::after,
                    AttentionBlock{begins[i], kHeads, begins[i + 1] - begins[i], begins[i + 1], values});
  }
  MemoryStore store;
  Outcome outcome{recorder.finish(&store).value().artifacts.at(0), {}};
  if (!outcome.artifact.payload_path.empty())
    outcome.values = payload_values(store.payloads().at(outcome.artifact.payload_path)).value();
  return outcome;
}

TEST(AttentionMaps, AreAssembledHeadByHeadAndPaddedToTheFullWidth) {
  for (const Site site : {Site::attn_pattern, Site::attn_scores}) {
    const float fill = site == Site::attn_scores ? -kInfinity : 0;
    const std::string observe = std::string(to_string(site)) + ":0:payload";
    for (const auto& begins : {std::vector<std::int64_t>{0}, {0, 3, 4}, {0, 1, 2, 3, 4}}) {
      const Outcome outcome = record(observe, site, begins);
      EXPECT_EQ(outcome.artifact.shape, (std::vector<std::int64_t>{kHeads, kTokens, kTokens}));
      EXPECT_EQ(outcome.values, pass_values(0, kTokens, fill));
      EXPECT_EQ(outcome.artifact.digest, sha256_hex(std::as_bytes(std::span(outcome.values))));
      EXPECT_EQ(outcome.artifact.fire_count, static_cast<std::int64_t>(begins.size()));
    }
  }
}

TEST(AttentionMaps, SummariesAndDigestsDoNotDependOnThePassesOrOnSpilling) {
  const Outcome whole = record("attn_pattern:0:summary", Site::attn_pattern, {0});
  for (const std::size_t limit : {std::size_t{1} << 20, std::size_t{0}}) {
    const Outcome chunked = record("attn_pattern:0:payload", Site::attn_pattern, {0, 2, 3, 4}, limit);
    EXPECT_EQ(chunked.artifact.digest, whole.artifact.digest);
    EXPECT_EQ(chunked.artifact.summary.dump().value(), whole.artifact.summary.dump().value());
    EXPECT_EQ(chunked.values, pass_values(0, kTokens, 0));
  }
}

TEST(AttentionMaps, SummariesDescribeThePaddedMap) {
  const Outcome pattern = record("attn_pattern:0:payload", Site::attn_pattern, {0, 3});
  double sum = 0;
  for (const float value : pattern.values) sum += value;
  EXPECT_NEAR(pattern.artifact.summary.find("mean")->as_double(), sum / static_cast<double>(pattern.values.size()),
              1e-9);
  EXPECT_EQ(pattern.artifact.summary.find("count")->as_int(), kHeads * kTokens * kTokens);
  const Outcome scores = record("attn_scores:0:summary", Site::attn_scores, {0, 3});
  EXPECT_EQ(scores.artifact.summary.find("inf_count")->as_int(), kHeads * kTokens * (kTokens - 1) / 2);
  EXPECT_EQ(scores.artifact.summary.find("min")->as_double(), 0.5);
}

TEST(AttentionMaps, KeepTheQueriesOfTheirPositions) {
  const Outcome last = record("attn_pattern:0:payload@last", Site::attn_pattern, {0, 3, 4});
  EXPECT_EQ(last.artifact.shape, (std::vector<std::int64_t>{kHeads, 1, kTokens}));
  EXPECT_EQ(last.values, pass_values(4, 5, 0));
  const Outcome decode = record("attn_pattern:0:payload@decode", Site::attn_pattern, {0, 3, 4});
  EXPECT_EQ(decode.artifact.shape, (std::vector<std::int64_t>{kHeads, 2, kTokens}));
  EXPECT_EQ(decode.values, pass_values(3, 5, 0));
  const Outcome early = record("attn_pattern:0:payload@0-1", Site::attn_pattern, {0, 3, 4});
  EXPECT_EQ(early.artifact.shape, (std::vector<std::int64_t>{kHeads, 2, kTokens}));
  EXPECT_EQ(early.values[kTokens], entry(0, 1, 0, 0));
  EXPECT_EQ(early.values[2 * kTokens], entry(1, 0, 0, 0));
}

TEST(AttentionMaps, RefuseBlocksThatDoNotFit) {
  const std::vector<float> values(kHeads * 2 * 2);
  const std::vector<std::int64_t> shape{2};
  const auto outcome = [&](auto feed) {
    RecorderSetup setup;
    setup.layers = 1;
    Recorder recorder = Recorder::make(parse_observe("attn_pattern:0:summary").value(), setup).value();
    feed(recorder);
    return recorder.finish(nullptr);
  };
  EXPECT_FALSE(outcome([&](Recorder& r) {
    r.record(Site::attn_pattern, 0, Moment::after, RowBlock{0, {}, shape, values});
  }));
  EXPECT_FALSE(outcome([&](Recorder& r) {
    r.record(Site::attn_pattern, 0, Moment::after, AttentionBlock{0, kHeads, 2, 3, values});
  }));
  EXPECT_FALSE(outcome([&](Recorder& r) {
    r.record(Site::attn_pattern, 0, Moment::after, AttentionBlock{0, 2, 2, 2, values});
    r.record(Site::attn_pattern, 0, Moment::after, AttentionBlock{2, 1, 2, 4, values});
  }));
}

}  // namespace
}  // namespace vauban
