#include "train/schedule.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "base/config/reader.h"
#include "base/json_file.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

/// A case of torch_optim.json in our words: transformers' names differ where one schedule is an option of another.
ScheduleConfig config_of(const std::string& name, const Json& given) {
  ScheduleConfig config{.id = name};
  if (name == "constant_with_warmup") config.id = "constant";
  if (name == "cosine_with_min_lr") config.id = "cosine";
  config.warmup_steps = given.find("warmup")->as_int();
  const Json* options = given.find("scheduler_specific_kwargs");
  if (options == nullptr) return config;
  for (const auto& [key, value] : options->entries()) {
    if (key == "num_cycles") config.cycles = value.as_double();
    if (key == "lr_end" || key == "min_lr") config.min_lr = value.as_double();
    if (key == "power") config.power = value.as_double();
    if (key == "num_decay_steps") config.decay_steps = value.as_int();
    if (key == "min_lr_ratio") config.min_lr = value.as_double() * given.find("base_lr")->as_double();
  }
  return config;
}

double worst_difference(const ScheduleConfig& config, const Json& given) {
  const auto schedule = Schedule::make(config, given.find("base_lr")->as_double(), given.find("steps")->as_int());
  EXPECT_TRUE(schedule) << describe(schedule.error());
  if (!schedule) return INFINITY;
  double worst = 0;
  for (std::size_t step = 0; step < given.find("lr")->size(); ++step)
    worst = std::max(
        worst, std::abs(schedule->at(static_cast<std::int64_t>(step)) - given.find("lr")->items()[step].as_double()));
  return worst;
}

TEST(Schedule, EqualsTransformersOnEveryGoldenCase) {
  VB_NEED_SHARED("golden/torch_optim.json");
  const auto golden = read_json_file(test::shared_data() / "golden/torch_optim.json");
  VB_ASSERT_OK(golden);
  const auto& cases = golden->find("schedules")->find("cases")->entries();
  EXPECT_EQ(cases.size(), 8u);
  for (const auto& [name, given] : cases) {
    SCOPED_TRACE(name);
    ASSERT_EQ(given.find("lr")->size(), 30u);
    ScheduleConfig config = config_of(name, given);
    EXPECT_LE(worst_difference(config, given), 1e-16);  // an ulp of 0.01
    *config.warmup_steps += 1;
    EXPECT_GT(worst_difference(config, given), 1e-6);  // the comparison sees a wrong warm-up
  }
}

TEST(Schedule, CosineEqualsTheOneOfCs336BeyondItsEndToo) {
  VB_NEED_SHARED("golden/cs336_ops.json");
  const auto golden = read_json_file(test::shared_data() / "golden/cs336_ops.json");
  VB_ASSERT_OK(golden);
  const Json& run = *golden->find("cases")->find("lr_cosine");
  const auto schedule = Schedule::make({.id = "cosine", .warmup_steps = 7, .min_lr = 0.1}, 1.0, 21);
  VB_ASSERT_OK(schedule);
  ASSERT_EQ(run.find("expected")->size(), 25u);
  for (std::size_t step = 0; step < 25; ++step)
    EXPECT_NEAR(schedule->at(static_cast<std::int64_t>(step)), run.find("expected")->items()[step].as_double(), 1e-14);
}

TEST(Schedule, CosineGivesThePublishedVector) {
  const auto schedule = Schedule::make({.id = "cosine", .warmup_ratio = 0.1}, 1e-3, 100);
  VB_ASSERT_OK(schedule);
  const std::pair<int, double> expected[] = {{0, 0}, {5, 5e-4}, {10, 1e-3}, {55, 5e-4}, {100, 0}};
  for (const auto& [step, lr] : expected) EXPECT_NEAR(schedule->at(step), lr, 1e-18);
}

/// torch's OneCycleLR by hand: 10 steps rise from peak/25 for 30 % of them and end at peak/25/1e4.
TEST(Schedule, OneCycleRisesToThePeakAndFallsFarBelowItsStart) {
  const auto schedule = Schedule::make({.id = "one_cycle"}, 0.1, 10);
  VB_ASSERT_OK(schedule);
  EXPECT_NEAR(schedule->at(0), 0.004, 1e-15);
  EXPECT_NEAR(schedule->at(1), 0.004 + (0.1 - 0.004) / 2, 1e-15);
  EXPECT_NEAR(schedule->at(2), 0.1, 1e-15);
  EXPECT_NEAR(schedule->at(9), 4e-7, 1e-15);
  EXPECT_NEAR(schedule->at(50), 4e-7, 1e-15);
  for (int step = 3; step < 10; ++step) EXPECT_LT(schedule->at(step), schedule->at(step - 1));
  for (const std::int64_t total : {1, 2, 3}) {
    const auto small = Schedule::make({.id = "one_cycle"}, 0.1, total);
    VB_ASSERT_OK(small);
    for (int step = 0; step < 4; ++step) EXPECT_TRUE(std::isfinite(small->at(step)));
  }
}

TEST(Schedule, PlateauReducesAfterPatienceAndRests) {
  auto schedule = Schedule::make(
      {.id = "reduce_on_plateau", .min_lr = 2e-3, .factor = 0.5, .threshold = 0.01, .patience = 1, .cooldown = 2}, 1e-2,
      100);
  VB_ASSERT_OK(schedule);
  const auto after = [&](double loss) {
    schedule->observe(loss);
    return schedule->at(50);
  };
  EXPECT_EQ(after(1.0), 1e-2);
  EXPECT_EQ(after(0.995), 1e-2);  // less than the threshold better: not an improvement
  EXPECT_EQ(after(0.98), 1e-2);
  EXPECT_EQ(after(std::nan("")), 1e-2);
  EXPECT_EQ(after(0.98), 5e-3);  // the second in a row
  EXPECT_EQ(after(0.98), 5e-3);  // resting
  EXPECT_EQ(after(0.98), 5e-3);
  EXPECT_EQ(after(0.98), 5e-3);
  EXPECT_EQ(after(0.98), 2.5e-3);
  for (int i = 0; i < 20; ++i) schedule->observe(0.98);
  EXPECT_EQ(schedule->at(50), 2e-3);
}

TEST(Schedule, PlateauGoesOnFromItsState) {
  const ScheduleConfig config{.id = "reduce_on_plateau", .factor = 0.5, .patience = 1};
  auto whole = Schedule::make(config, 1e-2, 100), resumed = Schedule::make(config, 1e-2, 100);
  VB_ASSERT_OK(whole);
  VB_ASSERT_OK(resumed);
  for (int i = 0; i < 4; ++i) whole->observe(1.0);
  const auto text = whole->state().dump();
  VB_ASSERT_OK(text);
  VB_ASSERT_OK(resumed->restore(*Json::parse(*text)));
  for (int i = 0; i < 5; ++i) {
    whole->observe(1.0);
    resumed->observe(1.0);
    EXPECT_EQ(whole->at(9), resumed->at(9));
  }
  EXPECT_FALSE(resumed->restore(Json::object({{"bad", 1}})));
  EXPECT_FALSE(resumed->restore(Json::object({{"bad", -1}, {"resting", 0}, {"scale", 1.0}})));
}

TEST(Schedule, RefusesWhatItLacksAndWhatDoesNotFit) {
  const auto refused = [](const ScheduleConfig& config, double lr, std::int64_t total, const char* reason) {
    const auto made = Schedule::make(config, lr, total);
    ASSERT_FALSE(made);
    EXPECT_THAT(describe(made.error()), HasSubstr(reason));
  };
  refused({.id = "cosin"}, 1, 10, "did you mean 'cosine'?");
  refused({.id = "linear", .power = 2}, 1, 10, "schedule 'linear' has no 'power'");
  refused({.id = "cosine", .warmup_steps = 11}, 1, 10, "do not fit in 10 steps");
  refused({.id = "warmup_stable_decay", .warmup_steps = 5, .decay_steps = 6}, 1, 10, "6 of decay do not fit");
  refused({.id = "cosine", .warmup_steps = 1, .warmup_ratio = 0.1}, 1, 10, "found both");
  refused({.id = "cosine", .min_lr = 2}, 1, 10, "min_lr 2 is above");
  refused({.id = "cosine", .warmup_ratio = 1.5}, 1, 10, "from 0 to 1");
  refused({.id = "cosine"}, 0, 10, "above 0");
  refused({.id = "cosine"}, 1, 0, "at least 1 step");
}

TEST(Schedule, EveryEntryIsUsableByItsDefaults) {
  for (const ScheduleEntry& entry : all_schedules()) {
    SCOPED_TRACE(entry.id);
    const auto schedule = Schedule::make({.id = std::string(entry.id)}, 1e-3, 20);
    VB_ASSERT_OK(schedule);
    for (int step = 0; step < 25; ++step) {
      EXPECT_GE(schedule->at(step), 0);
      EXPECT_LE(schedule->at(step), 1e-3 * (1 + 1e-15));
    }
  }
  const auto read = read_toml<ScheduleConfig>("id = \"polynomial\"\npower = 2\nwarmup_ratio = 0.1\n", "c.toml");
  VB_ASSERT_OK(read);
  EXPECT_EQ(read->power, 2);
}

}  // namespace
}  // namespace vauban
