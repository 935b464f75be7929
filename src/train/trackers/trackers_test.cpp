#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/faulty_file_ops.h"
#include "base/strings.h"
#include "support/test_data.h"
#include "train/trackers/crc32c.h"
#include "train/trackers/metrics_log.h"
#include "train/trackers/tensorboard.h"
#include "train/trackers/tracker.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

class FixedClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override { return {}; }
  std::chrono::system_clock::time_point utc() const override {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  }
};

class TrackersTest : public ::testing::Test {
 protected:
  TrackerTarget target(std::optional<std::int64_t> resumed = {}) const {
    return {.folder = folder_.path(), .resumed_step = resumed, .clock = clock_};
  }
  void log_steps(const TrackerTarget& where, const std::vector<std::int64_t>& steps) {
    for (const TrackerEntry& entry : all_trackers()) {
      auto tracker = make_tracker(entry.id, where);
      VB_ASSERT_OK(tracker);
      for (const std::int64_t step : steps)
        VB_ASSERT_OK((*tracker)->log({step, 1.5, {{"loss", 1.0 / static_cast<double>(step)}, {"lr", 1e-3}}}));
      VB_ASSERT_OK((*tracker)->sync());
    }
  }
  std::string text(std::string_view name) const { return test::read_text(folder_ / name); }

  test::TempDir folder_;
  FixedClock clock_;
};

TEST_F(TrackersTest, LogsOneObjectPerRowAndReadsItBack) {
  log_steps(target(), {1, 2, 4});
  EXPECT_EQ(text("metrics.jsonl"),
            "{\"loss\":1.0,\"lr\":0.001,\"step\":1,\"wall_time_s\":1.5}\n"
            "{\"loss\":0.5,\"lr\":0.001,\"step\":2,\"wall_time_s\":1.5}\n"
            "{\"loss\":0.25,\"lr\":0.001,\"step\":4,\"wall_time_s\":1.5}\n");
  const auto rows = read_metrics_log(folder_ / "metrics.jsonl");
  VB_ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[2].step, 4);
  EXPECT_EQ((*rows)[2].metrics.at("loss"), 0.25);
  EXPECT_EQ(text("metrics.csv"),
            "step,wall_time_s,metric,value\n1,1.5,loss,1\n1,1.5,lr,0.001\n2,1.5,loss,0.5\n2,1.5,lr,0.001\n"
            "4,1.5,loss,0.25\n4,1.5,lr,0.001\n");
}

TEST_F(TrackersTest, ResumedRunDropsWhatComesAfterItsStep) {
  log_steps(target(), {1, 2, 3, 4});
  std::ofstream(folder_ / "metrics.jsonl", std::ios::app) << "{\"step\":5,\"wa";  // torn by the kill
  const std::string before = text("metrics.jsonl");
  log_steps(target(2), {3, 4});
  const auto rows = read_metrics_log(folder_ / "metrics.jsonl");
  VB_ASSERT_OK(rows);
  EXPECT_EQ(text("metrics.jsonl"), before.substr(0, before.rfind('\n') + 1));
  EXPECT_EQ(rows->size(), 4u);
  EXPECT_THAT(text("metrics.csv"), ::testing::EndsWith("4,1.5,loss,0.25\n4,1.5,lr,0.001\n"));
  EXPECT_EQ(split(text("metrics.csv"), '\n').size(), 10u);
  log_steps(target(0), {});
  EXPECT_EQ(text("metrics.jsonl"), "");
  EXPECT_EQ(text("metrics.csv"), "step,wall_time_s,metric,value\n");
}

TEST_F(TrackersTest, NewRunRefusesTheRowsOfAnEarlierOne) {
  log_steps(target(), {1});
  EXPECT_THAT(describe(make_tracker("jsonl", target()).error()), HasSubstr("rows of an earlier run"));
  EXPECT_THAT(describe(make_tracker("csv", target()).error()), HasSubstr("lines of an earlier run"));
}

TEST_F(TrackersTest, ResumeRefusesALogThatIsNotOne) {
  std::ofstream(folder_ / "metrics.jsonl") << "{\"step\":1,\"wall_time_s\":1.5}\nnonsense\n";
  EXPECT_THAT(describe(make_tracker("jsonl", target(5)).error()), HasSubstr("line 2"));
  std::ofstream(folder_ / "metrics.jsonl") << "{\"step\":3,\"wall_time_s\":1}\n{\"step\":2,\"wall_time_s\":1}\n";
  EXPECT_THAT(describe(make_tracker("jsonl", target(5)).error()), HasSubstr("step 2 follows step 3"));
}

TEST_F(TrackersTest, NumbersThatAreNotFiniteAreWrittenAsText) {
  {
    auto tracker = make_tracker("jsonl", target());
    VB_ASSERT_OK(tracker);
    VB_ASSERT_OK((*tracker)->log({1, 0, {{"a", std::nan("")}, {"b", INFINITY}, {"c", -INFINITY}}}));
  }
  EXPECT_EQ(text("metrics.jsonl"), "{\"a\":\"nan\",\"b\":\"inf\",\"c\":\"-inf\",\"step\":1,\"wall_time_s\":0.0}\n");
  const auto rows = read_metrics_log(folder_ / "metrics.jsonl");
  VB_ASSERT_OK(rows);
  EXPECT_TRUE(std::isnan(rows->at(0).metrics.at("a")));
  EXPECT_EQ(rows->at(0).metrics.at("c"), -INFINITY);
}

TEST_F(TrackersTest, RefusesReservedNamesAndStepsThatFall) {
  auto log = make_tracker("jsonl", target());
  VB_ASSERT_OK(log);
  EXPECT_FALSE((*log)->log({1, 0, {{"step", 1}}}));
  VB_ASSERT_OK((*log)->log({3, 0, {}}));
  VB_ASSERT_OK((*log)->log({3, 0, {{"eval/loss", 1}}}));
  EXPECT_THAT(describe((*log)->log({2, 0, {}}).error()), HasSubstr("at least 3, found 2"));
  auto csv = make_tracker("csv", target());
  VB_ASSERT_OK(csv);
  EXPECT_FALSE((*csv)->log({1, 0, {{"a\nb", 1}}}));
  VB_ASSERT_OK((*csv)->log({1, 0, {{"a,\"b\"", 1}}}));
  EXPECT_THAT(text("metrics.csv"), HasSubstr("1,0,\"a,\"\"b\"\"\",1\n"));
  EXPECT_THAT(describe(make_tracker("wandb", target()).error()), HasSubstr("known: jsonl, tensorboard, csv"));
}

TEST_F(TrackersTest, FullDiskIsReportedAndNothingFollowsATornRecord) {
  for (const char* id : {"jsonl", "tensorboard", "csv"}) {
    SCOPED_TRACE(id);
    const test::TempDir folder;
    test::FaultyFileOps ops({.call = "write", .nth = id == std::string("jsonl") ? 0 : 1, .error_number = ENOSPC});
    auto tracker = make_tracker(id, {.folder = folder.path(), .clock = clock_, .ops = ops});
    VB_ASSERT_OK(tracker);
    const auto logged = (*tracker)->log({1, 0, {{"loss", 1}}});
    ASSERT_FALSE(logged);
    EXPECT_EQ(logged.error().code, ErrorCode::resource);
    EXPECT_FALSE((*tracker)->log({2, 0, {{"loss", 1}}}));
  }
}

TEST(Crc32c, GivesThePublishedValues) {
  const std::tuple<std::string, std::uint32_t, std::uint32_t> vectors[] = {
      {"123456789", 0xe3069283, 0xc78ab0e5},
      {"", 0, 0xa282ead8},
      {std::string(32, '\0'), 0x8a9136aa, 0x0fd7fffa},
      {std::string(32, '\xff'), 0x62a8ab43, 0xf909b029}};
  for (const auto& [text, plain, masked] : vectors) {
    EXPECT_EQ(crc32c(text), plain);
    EXPECT_EQ(masked_crc32c(text), masked);
  }
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

TEST(TensorBoard, WritesThePublishedRecords) {
  EXPECT_EQ(hex(tensorboard::record(tensorboard::version_event(0))),
            "1800000000000000"
            "a37f4b22"
            "0900000000000000001a0d627261696e2e4576656e743a32"
            "eedf28a3");
  EXPECT_EQ(hex(tensorboard::record(tensorboard::scalar_event({7, 1.0, {{"loss", 0.5}}}))),
            "1a00000000000000"
            "129bd82d"
            "09000000000000f03f10072a0d0a0b0a046c6f7373150000003f"
            "862c9a2f");
}

TEST_F(TrackersTest, EachTensorBoardRunIsAFileOfItsOwn) {
  log_steps(target(), {1});
  log_steps(target(1), {2});
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "tensorboard"))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  ASSERT_EQ(names.size(), 2u);
  EXPECT_THAT(names[0], ::testing::StartsWith("events.out.tfevents.1700000000."));
  const std::string second = text("tensorboard/" + names[1]);
  const std::string start = tensorboard::record(tensorboard::version_event(1.7e9)) +
                            tensorboard::record(tensorboard::restart_event(1.7e9, 2));
  EXPECT_THAT(second, ::testing::StartsWith(start));
}

}  // namespace
}  // namespace vauban
