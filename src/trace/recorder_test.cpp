#include "trace/recorder.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "base/sha256.h"
#include "support/test_data.h"
#include "trace/artifact_store.h"
#include "trace/observe_spec.h"
#include "trace/trace_samples.h"

namespace vauban {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kWidth = 6;
const std::vector<std::int64_t> kRowShape{2, 3};

std::vector<float> random_values(std::size_t count, unsigned seed = 7) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.5f, 2);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

Recorder recorder_for(std::string_view observe, RecorderSetup setup = {}) {
  if (setup.layers == 0) setup.layers = 2;
  return Recorder::make(parse_observe(observe).value(), std::move(setup)).value();
}

/// Rows 0 .. n-1 of `values`, cut into passes that begin at the given rows.
void feed(Recorder& recorder, Site site, int layer, std::span<const float> values, std::vector<std::int64_t> begins,
          std::int64_t width = kWidth, std::span<const std::int64_t> row_shape = kRowShape) {
  begins.push_back(static_cast<std::int64_t>(values.size()) / width);
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    const auto rows = values.subspan(static_cast<std::size_t>(begins[i] * width),
                                     static_cast<std::size_t>((begins[i + 1] - begins[i]) * width));
    recorder.record(site, layer, Moment::after, RowBlock{begins[i], {}, row_shape, rows});
  }
}

std::string digest_of(std::span<const float> values) { return sha256_hex(std::as_bytes(values)); }

double number(const TraceArtifact& artifact, std::string_view key) { return artifact.summary.find(key)->as_double(); }

TEST(Recorder, WantsOnlyWhatWasAsked) {
  const Recorder recorder = recorder_for("q:1:summary,logits:payload");
  for (const SiteInfo& site : all_sites())
    for (int layer = 0; layer < 3; ++layer) {
      const bool asked = (site.id == Site::q && layer == 1) || (site.id == Site::logits && layer == 0);
      EXPECT_EQ(recorder.wants(site.id, layer, Moment::after), asked) << site.name << layer;
      EXPECT_FALSE(recorder.wants(site.id, layer, Moment::before));
    }
}

TEST(Recorder, SummariesAgreeWithDirectComputation) {
  Recorder recorder = recorder_for("q:0:summary");
  const std::vector<float> values = random_values(5 * kWidth);
  feed(recorder, Site::q, 0, values, {0, 3, 4});
  const Recording recording = recorder.finish(nullptr).value();
  ASSERT_EQ(recording.artifacts.size(), 1u);
  const TraceArtifact& artifact = recording.artifacts[0];
  EXPECT_EQ(artifact.artifact_id, "activation.q.layer_0");
  EXPECT_EQ(artifact.shape, (std::vector<std::int64_t>{5, 2, 3}));
  EXPECT_EQ(artifact.digest, digest_of(values));
  EXPECT_EQ(artifact.fire_count, 3);
  EXPECT_EQ(artifact.level, SupportLevel::full);
  EXPECT_TRUE(artifact.payload_path.empty());

  double sum = 0, squares = 0, norms = 0, highest_norm = 0;
  for (const float value : values) sum += value, squares += double{value} * value;
  const double mean = sum / static_cast<double>(values.size());
  double deviations = 0;
  for (const float value : values) deviations += (value - mean) * (value - mean);
  for (std::size_t row = 0; row < 5; ++row) {
    double norm = 0;
    for (std::size_t i = 0; i < kWidth; ++i) norm += std::pow(double{values[row * kWidth + i]}, 2);
    norms += std::sqrt(norm);
    highest_norm = std::max(highest_norm, std::sqrt(norm));
  }
  const double count = static_cast<double>(values.size());
  EXPECT_EQ(number(artifact, "count"), count);
  EXPECT_NEAR(number(artifact, "mean"), mean, 1e-12);
  EXPECT_NEAR(number(artifact, "std"), std::sqrt(deviations / count), 1e-12);
  EXPECT_NEAR(number(artifact, "rms"), std::sqrt(squares / count), 1e-12);
  EXPECT_NEAR(number(artifact, "row_norm_mean"), norms / 5, 1e-12);
  EXPECT_NEAR(number(artifact, "row_norm_max"), highest_norm, 1e-12);
  EXPECT_EQ(number(artifact, "min"), *std::min_element(values.begin(), values.end()));
  EXPECT_EQ(number(artifact, "max"), *std::max_element(values.begin(), values.end()));
  EXPECT_EQ(number(artifact, "abs_max"), std::max(std::abs(number(artifact, "min")), number(artifact, "max")));
}

TEST(Recorder, CountsNonFiniteValuesApart) {
  Recorder recorder = recorder_for("resid_post:0:summary");
  const std::vector<float> values{1, std::nanf(""), 3, kInfinity, -kInfinity, 2};
  feed(recorder, Site::resid_post, 0, values, {0, 1}, 3, std::vector<std::int64_t>{3});
  const TraceArtifact artifact = recorder.finish(nullptr).value().artifacts.at(0);
  EXPECT_EQ(number(artifact, "count"), 6);
  EXPECT_EQ(number(artifact, "nan_count"), 1);
  EXPECT_EQ(number(artifact, "inf_count"), 2);
  EXPECT_EQ(number(artifact, "mean"), 2);
  EXPECT_EQ(number(artifact, "max"), 3);
  EXPECT_NEAR(number(artifact, "row_norm_max"), std::sqrt(10), 1e-15);
}

TEST(Recorder, ARowOfNothingFiniteHasNoMean) {
  Recorder recorder = recorder_for("resid_post:0:summary");
  feed(recorder, Site::resid_post, 0, std::vector<float>{kInfinity, kInfinity}, {0}, 2, std::vector<std::int64_t>{2});
  const TraceArtifact artifact = recorder.finish(nullptr).value().artifacts.at(0);
  EXPECT_TRUE(artifact.summary.find("mean")->is_null());
  EXPECT_TRUE(artifact.summary.find("min")->is_null());
  VB_EXPECT_OK(artifact.summary.dump());
}

TEST(Recorder, TheMeanOfLargeOffsetsIsNotLost) {
  // A naive sum of squares in f32 would give a std of 0 or NaN here.
  Recorder recorder = recorder_for("resid_post:0:summary");
  std::vector<float> values(4096);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1e6f + static_cast<float>(i % 2);
  feed(recorder, Site::resid_post, 0, values, {0, 1}, 2048, std::vector<std::int64_t>{2048});
  const TraceArtifact artifact = recorder.finish(nullptr).value().artifacts.at(0);
  EXPECT_NEAR(number(artifact, "mean"), 1e6 + 0.5, 1e-6);
  EXPECT_NEAR(number(artifact, "std"), 0.5, 1e-9);
}

TEST(Recorder, ChunkedEqualsWholeByteForByte) {
  const std::vector<float> values = random_values(9 * kWidth);
  std::string whole;
  for (const auto& begins : {std::vector<std::int64_t>{0}, {0, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8}}) {
    Recorder recorder = recorder_for("q:0:payload");
    MemoryStore store;
    feed(recorder, Site::q, 0, values, begins);
    TraceArtifact artifact = recorder.finish(&store).value().artifacts.at(0);
    EXPECT_EQ(payload_values(store.payloads().at(artifact.payload_path)).value(), values);
    const std::string text = artifact.digest + artifact.payload_digest + artifact.summary.dump().value();
    if (whole.empty()) whole = text;
    EXPECT_EQ(text, whole);
  }
}

TEST(Recorder, SpillingChangesNothingAndLeavesNoFile) {
  const test::TempDir folder;
  const std::vector<float> q = random_values(9 * kWidth, 1), z = random_values(9 * kWidth, 2);
  std::vector<std::string> digests;
  for (const std::size_t limit : {std::size_t{1} << 20, std::size_t{100}, std::size_t{0}}) {
    RecorderSetup setup;
    setup.memory_limit_bytes = limit;
    setup.spill_folder = folder.path();
    Recorder recorder = recorder_for("q:0:payload,z:0:payload", setup);
    for (std::int64_t row = 0; row < 9; ++row) {
      const auto at = static_cast<std::size_t>(row * kWidth);
      recorder.record(Site::q, 0, Moment::after, RowBlock{row, {}, kRowShape, std::span(q).subspan(at, kWidth)});
      recorder.record(Site::z, 0, Moment::after, RowBlock{row, {}, kRowShape, std::span(z).subspan(at, kWidth)});
    }
    EXPECT_EQ(std::filesystem::is_empty(folder.path()), limit > 1000);
    MemoryStore store;
    const Recording recording = recorder.finish(&store).value();
    for (const TraceArtifact& artifact : recording.artifacts) digests.push_back(artifact.payload_digest);
    EXPECT_EQ(payload_values(store.payloads().at(recording.artifacts[1].payload_path)).value(), z);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  ASSERT_EQ(digests.size(), 6u);
  EXPECT_EQ(digests[0], digests[2]);
  EXPECT_EQ(digests[0], digests[4]);
  EXPECT_EQ(digests[1], digests[5]);
}

TEST(Recorder, OneFlippedValueChangesTheDigest) {
  std::vector<float> values = random_values(4 * kWidth);
  std::vector<std::string> digests;
  for (int run = 0; run < 2; ++run) {
    Recorder recorder = recorder_for("q:0:summary");
    feed(recorder, Site::q, 0, values, {0});
    digests.push_back(recorder.finish(nullptr).value().artifacts.at(0).digest);
    values[13] = std::nextafter(values[13], 100.0f);
  }
  EXPECT_NE(digests[0], digests[1]);
}

TEST(Recorder, LastIsTheRowThatTheCallerNames) {
  const std::vector<float> values = random_values(6 * kWidth);
  RecorderSetup setup;
  setup.last_position = 3;
  Recorder recorder = recorder_for("q:0:summary@last", setup);
  feed(recorder, Site::q, 0, values, {0, 4, 5});
  const Recording recording = recorder.finish(nullptr).value();
  ASSERT_EQ(recording.artifacts.size(), 1u);
  EXPECT_EQ(recording.artifacts[0].digest, digest_of(std::span(values).subspan(3 * kWidth, kWidth)));
  EXPECT_EQ(recording.artifacts[0].positions, "last");
  EXPECT_EQ(recording.artifacts[0].fire_count, 1);
  EXPECT_EQ(recording.artifacts[0].level, SupportLevel::full);
}

TEST(Recorder, KeepsTheRowsOfItsPositionsOnly) {
  const std::vector<float> values = random_values(6 * kWidth);
  const auto rows = [&](std::size_t begin, std::size_t count) {
    return digest_of(std::span(values).subspan(begin * kWidth, count * kWidth));
  };
  RecorderSetup setup;
  setup.prompt_rows = 4;
  Recorder recorder = recorder_for("q:0:summary@1-2,k:0:summary@last,v:0:summary@decode,z:0:summary@5", setup);
  for (const Site site : {Site::q, Site::k, Site::v, Site::z}) feed(recorder, site, 0, values, {0, 4, 5});
  const Recording recording = recorder.finish(nullptr).value();
  ASSERT_EQ(recording.artifacts.size(), 4u);
  EXPECT_EQ(recording.artifacts[0].digest, rows(1, 2));
  EXPECT_EQ(recording.artifacts[1].digest, rows(5, 1));
  EXPECT_EQ(recording.artifacts[2].digest, rows(4, 2));
  EXPECT_EQ(recording.artifacts[3].digest, rows(5, 1));
  EXPECT_EQ(recording.artifacts[2].fire_count, 2);
  EXPECT_EQ(recording.artifacts[1].metadata.find("first_position")->as_int(), 5);
  for (const TraceArtifact& artifact : recording.artifacts) EXPECT_EQ(artifact.level, SupportLevel::full);
}

TEST(Recorder, APositionThatNeverCameMakesTheArtifactPartial) {
  Recorder recorder = recorder_for("q:0:summary@2-5,k:0:summary");
  const std::vector<float> values = random_values(4 * kWidth);
  feed(recorder, Site::q, 0, values, {0});
  recorder.record(Site::k, 0, Moment::after, RowBlock{2, {}, kRowShape, values});  // a cached prefix was skipped
  const Recording recording = recorder.finish(nullptr).value();
  ASSERT_EQ(recording.artifacts.size(), 2u);
  EXPECT_EQ(recording.artifacts[0].level, SupportLevel::partial);
  EXPECT_EQ(recording.artifacts[0].metadata.find("level_reason")->as_string(),
            "2 of 4 positions asked for were computed");
  EXPECT_EQ(recording.artifacts[1].metadata.find("level_reason")->as_string(),
            "4 of 6 positions asked for were computed");
}

TEST(Recorder, TakesRowsOfPositionsThatAreNotConsecutive) {
  Recorder recorder = recorder_for("logits:summary@1-3");
  const std::vector<float> values = random_values(4);
  const std::vector<std::int64_t> positions{0, 3}, shape{2};
  recorder.record(Site::logits, 0, Moment::after, RowBlock{0, positions, shape, values});
  const TraceArtifact artifact = recorder.finish(nullptr).value().artifacts.at(0);
  EXPECT_EQ(artifact.artifact_id, "logits");
  EXPECT_EQ(artifact.digest, digest_of(std::span(values).last(2)));
  EXPECT_FALSE(artifact.layer);
}

TEST(Recorder, KeepsTheBestLogprobsOfEachPosition) {
  Recorder recorder = recorder_for("logprobs:top3");
  const std::vector<float> values{-4, -1,         -1,         -0.5f,     std::nanf(""), /**/ -kInfinity,
                                  -2, -kInfinity, -kInfinity, -kInfinity};
  feed(recorder, Site::logprobs, 0, values, {0, 1}, 5, std::vector<std::int64_t>{5});
  const TraceArtifact artifact = recorder.finish(nullptr).value().artifacts.at(0);
  EXPECT_EQ(artifact.shape, (std::vector<std::int64_t>{2, 5}));
  EXPECT_EQ(artifact.summary.find("rows")->dump().value(),
            R"([{"position":0,"top":[{"id":3,"value":-0.5},{"id":1,"value":-1.0},{"id":2,"value":-1.0}]},)"
            R"({"position":1,"top":[{"id":1,"value":-2.0},{"id":0,"value":null},{"id":2,"value":null}]}])");
  EXPECT_EQ(artifact.summary.find("top_k")->as_int(), 3);
  EXPECT_EQ(artifact.digest, digest_of(values));
}

TEST(Recorder, HalfPrecisionPayloadsAreRoundedAndDigestedAsSuch) {
  Recorder recorder = recorder_for("resid_post:0:payload_f16");
  const std::vector<float> values{1, 0.333333f, -2, 70000};
  feed(recorder, Site::resid_post, 0, values, {0}, 4, std::vector<std::int64_t>{4});
  MemoryStore store;
  const TraceArtifact artifact = recorder.finish(&store).value().artifacts.at(0);
  const Payload& payload = store.payloads().at(artifact.payload_path);
  EXPECT_EQ(artifact.dtype, "f16");
  EXPECT_EQ(artifact.digest, sha256_hex(payload.bytes));
  EXPECT_EQ(payload_values(payload).value(), (std::vector<float>{1, 0.33325195f, -2, kInfinity}));
  EXPECT_EQ(number(artifact, "max"), 70000);  // the summary describes what was observed
}

TEST(Recorder, StoresThePayloadUnderSiteAndLayer) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  Recorder recorder = recorder_for("q:all:payload,logits:payload@last");
  const std::vector<float> values = random_values(3 * kWidth);
  for (int layer = 0; layer < 2; ++layer) feed(recorder, Site::q, layer, values, {0, 2});
  feed(recorder, Site::logits, 0, values, {0, 2}, 6, std::vector<std::int64_t>{6});
  const Recording recording = recorder.finish(store.get()).value();
  ASSERT_EQ(recording.artifacts.size(), 3u);
  const std::vector<std::string> names{"q.0", "q.1", "logits"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const TraceArtifact& artifact = recording.artifacts[i];
    VB_EXPECT_OK(store->verify(artifact.payload_path, artifact.payload_digest));
    const auto payload = store->read(artifact.payload_path);
    VB_ASSERT_OK(payload);
    EXPECT_EQ(payload->tensor_name, names[i]);
    EXPECT_EQ(payload->shape, artifact.shape);
    EXPECT_EQ(sha256_hex(payload->bytes), artifact.digest);
  }
  EXPECT_EQ(recording.artifacts[2].shape, (std::vector<std::int64_t>{1, 6}));
}

TEST(Recorder, NamesArtifactsAsTheContractDoes) {
  std::vector<Want> wants =
      parse_observe("resid_post:1:summary,final_norm_out:summary,logprobs:top2,logprobs:summary").value();
  wants.push_back(wants[0]);
  wants.back().moment = Moment::before;
  RecorderSetup setup;
  setup.layers = 2;
  setup.metadata = Json::object({{"numerics", "exact"}});
  Recorder recorder = Recorder::make(wants, setup).value();
  const std::vector<float> values = random_values(4);
  const std::vector<std::int64_t> shape{4};
  for (const Site site : {Site::final_norm_out, Site::logprobs})
    recorder.record(site, 0, Moment::after, RowBlock{0, {}, shape, values});
  for (const Moment moment : {Moment::before, Moment::after})
    recorder.record(Site::resid_post, 1, moment, RowBlock{0, {}, shape, values});
  const Recording recording = recorder.finish(nullptr).value();
  std::vector<std::string> ids;
  for (const TraceArtifact& artifact : recording.artifacts) ids.push_back(artifact.artifact_id);
  EXPECT_EQ(ids, (std::vector<std::string>{"activation.resid_post.layer_1", "activation.final_norm_out", "logprobs",
                                           "logprobs.2", "activation.resid_post.layer_1.before"}));
  EXPECT_EQ(recording.artifacts[0].metadata.find("alias")->as_string(), "activation.layer_1");
  EXPECT_EQ(recording.artifacts[0].metadata.find("numerics")->as_string(), "exact");
  EXPECT_EQ(recording.artifacts[4].metadata.find("moment")->as_string(), "before");
  EXPECT_EQ(recording.artifacts[4].metadata.find("alias"), nullptr);
}

TEST(Recorder, WithoutAStoreAPayloadStaysASummaryAndSaysSo) {
  Recorder recorder = recorder_for("q:0:payload");
  feed(recorder, Site::q, 0, random_values(kWidth), {0});
  const TraceArtifact artifact = recorder.finish(nullptr).value().artifacts.at(0);
  EXPECT_TRUE(artifact.payload_path.empty());
  EXPECT_FALSE(artifact.digest.empty());
  EXPECT_NE(artifact.metadata.find("payload")->as_string().find("no artifact store"), std::string::npos);
}

TEST(Recorder, EveryWantWithoutAnArtifactIsMissingWithItsReason) {
  Capability capability = test::full_capability();
  capability.site_limits[Site::attn_scores] = {SupportLevel::unsupported, "fused attention path has no scores"};
  capability.site_limits[Site::z] = {SupportLevel::partial, "prefill only"};
  RecorderSetup setup;
  setup.capability = &capability;
  Recorder recorder =
      recorder_for("attn_scores:0:summary,gate:0:summary,up:0:summary,k:0:summary@9,q:7:summary,z:0:summary", setup);
  EXPECT_FALSE(recorder.wants(Site::attn_scores, 0));
  EXPECT_FALSE(recorder.wants(Site::q, 7));
  recorder.cannot_see(Site::up, 0, "this architecture has no gated MLP");
  feed(recorder, Site::k, 0, random_values(2 * kWidth), {0});
  feed(recorder, Site::z, 0, random_values(2 * kWidth), {0});
  const Recording recording = recorder.finish(nullptr).value();
  ASSERT_EQ(recording.artifacts.size(), 1u);
  EXPECT_EQ(recording.artifacts[0].level, SupportLevel::partial);
  EXPECT_EQ(recording.artifacts[0].metadata.find("level_reason")->as_string(), "prefill only");
  ASSERT_EQ(recording.missing.size(), 5u);
  const std::vector<std::string> reasons{
      "fused attention path has no scores", "the forward pass never reached this site",
      "this architecture has no gated MLP", "no computed position is among '9': the last one was 1",
      "the model has 2 layers, counted from 0"};
  for (std::size_t i = 0; i < reasons.size(); ++i) EXPECT_EQ(recording.missing[i].reason, reasons[i]);
  EXPECT_TRUE(recording.missing[0].unsupported);
  EXPECT_FALSE(recording.missing[1].unsupported);
  EXPECT_EQ(recording.missing[4].layer, 7);
}

TEST(Recorder, FaultsOfTheCallerAreReturnedByFinish) {
  const std::vector<float> values = random_values(2 * kWidth);
  const std::vector<std::int64_t> other_shape{6}, two{0, 1}, three{0, 1, 2};
  const std::vector<std::vector<RowBlock>> faults{
      {{0, {}, kRowShape, values}, {2, {}, other_shape, values}},  // the shape changes
      {{0, {}, kRowShape, values}, {1, {}, kRowShape, values}},    // a position comes twice
      {{0, {}, kRowShape, std::span(values).first(7)}},            // a torn row
      {{0, three, kRowShape, values}},                             // three positions for two rows
  };
  for (const auto& blocks : faults) {
    Recorder recorder = recorder_for("q:0:summary");
    for (const RowBlock& block : blocks) recorder.record(Site::q, 0, Moment::after, block);
    const auto recording = recorder.finish(nullptr);
    ASSERT_FALSE(recording);
    EXPECT_EQ(recording.error().code, ErrorCode::internal);
    EXPECT_NE(describe(recording.error()).find("activation.q.layer_0"), std::string::npos);
  }
}

TEST(Recorder, RefusesWantsThatAreNotValid) {
  Want want = test::want(ArtifactKind::logits, Site::resid_post);
  EXPECT_FALSE(Recorder::make(std::span(&want, 1), {}));
}

}  // namespace
}  // namespace vauban
