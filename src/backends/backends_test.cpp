#include "backends/backends.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/cpu/cpu_ops.h"
#include "backends/torch_loader.h"
#include "support/test_data.h"

namespace vauban {
namespace {

class Backends : public testing::Test {
 protected:
  ThreadPool pool_{1};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_, .seed = 0};
};

TEST_F(Backends, EachEntryRunsOnADeviceOfTheKindsItNames) {
  for (const BackendEntry& entry : all_backends()) {
    EXPECT_FALSE(entry.summary.empty());
    const auto ops = make_backend(entry.id, context_);
    if (!ops && ops.error().code == ErrorCode::unsupported) continue;  // a module that is not built here
    VB_ASSERT_OK(ops);
    EXPECT_EQ((*ops)->backend(), entry.id);
    EXPECT_EQ((*ops)->device_label().substr(0, (*ops)->device_kind().size()), (*ops)->device_kind());
    EXPECT_NE(std::ranges::find(entry.devices, (*ops)->device_kind()), entry.devices.end());
    VB_EXPECT_OK(make_backend(entry.id, context_, {.device = (*ops)->device_label()}));
    const auto absent = make_backend(entry.id, context_, {.device = "cuda:77"});
    ASSERT_FALSE(absent.has_value());
    EXPECT_EQ(absent.error().code, ErrorCode::unsupported);
  }
}

TEST_F(Backends, OnlyANamedListFallsBack) {
  const auto ops = make_backend("cpu", context_, {.device = "cuda:77, cpu"});
  VB_ASSERT_OK(ops);
  EXPECT_EQ((*ops)->device_label(), "cpu:0");
  const auto none = make_backend("cpu", context_, {.device = "cuda:77,mps"});
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message, testing::AllOf(testing::HasSubstr("cuda:77"), testing::HasSubstr("mps")));
}

TEST_F(Backends, AnEmptyNameInAListIsRefused) {
  for (const char* list : {"cuda:77,", ",cpu", "cuda:77,,cpu", ", "}) {
    const auto made = make_backend("cpu", context_, {.device = list}), trainer = make_training_backend("cpu", context_, list, "f32");
    for (const auto* refused : {&made, &trainer}) {
      ASSERT_FALSE(refused->has_value()) << list;
      EXPECT_EQ(refused->error().code, ErrorCode::invalid_input) << list;
      EXPECT_THAT(refused->error().message, testing::HasSubstr(list));
    }
  }
}

TEST_F(Backends, EveryNameInAListIsADevice) {
  for (const char* list : {"nonsense,cpu", "cpu,nonsense", "cuda:,cpu", "cuda:x,cpu", "cpu,cpux:0"}) {
    const auto made = make_backend("cpu", context_, {.device = list}), trainer = make_training_backend("cpu", context_, list, "f32");
    for (const auto* refused : {&made, &trainer}) {
      ASSERT_FALSE(refused->has_value()) << list;
      EXPECT_EQ(refused->error().code, ErrorCode::invalid_input) << list;
      EXPECT_THAT(refused->error().message, testing::HasSubstr("cpu, cuda, mps"));
    }
  }
}

TEST_F(Backends, TrainingFallsBackPastAbsentDevicesAndNoFurther) {
  VB_EXPECT_OK(make_training_backend("cpu", context_, "cuda:77,cpu", "f32"));
  const auto refused = make_training_backend("cpu", context_, "cpu,cpu:0", "int8");
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, testing::HasSubstr("int8")) << "what a device that is there answers is the answer";
  EXPECT_FALSE(make_training_backend("cpu", context_, "cuda:77", "f32").has_value()) << "no list was named";
}

TEST_F(Backends, NameTheDevicesOfThisMachineAndWhatTheyStandOn) {
  for (const BackendEntry& entry : all_backends()) {
    const auto devices = entry.devices_here();
    if (!devices && devices.error().code == ErrorCode::unsupported) continue;  // a module that is not built here
    VB_ASSERT_OK(devices);
    ASSERT_FALSE(devices->empty());
    VB_EXPECT_OK(make_backend(entry.id, context_, {.device = devices->front()}));
    VB_EXPECT_OK(entry.versions());
  }
}

/// The list is there without the module, for those who only list; the module says what it looks for.
TEST_F(Backends, TheKindsOfTorchAreThoseOfItsModule) {
  const auto info = torch_info();
  if (!info && info.error().code == ErrorCode::unsupported) GTEST_SKIP() << "this build has no torch module";
  VB_ASSERT_OK(info);
  const auto entry = std::ranges::find(all_backends(), "torch", &BackendEntry::id);
  ASSERT_NE(entry, all_backends().end());
  EXPECT_EQ(std::vector<std::string>(entry->devices.begin(), entry->devices.end()), info->kinds);
  for (const std::string& device : info->devices)
    EXPECT_NE(std::ranges::find(info->kinds, device.substr(0, device.find(':'))), info->kinds.end()) << device;
}

TEST_F(Backends, NumericsThatABackendLacksAreRefusedByName) {
  const auto made = make_backend("cpu", context_, {.device = {}, .numerics = "fast"});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::unsupported);
  EXPECT_THAT(made.error().message, testing::HasSubstr("'fast'"));
}

TEST_F(Backends, PrimitivePathsThatABackendLacksAreRefusedByName) {
  const auto unknown = make_backend("cpu", context_, {.primitive = "fast"});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, testing::AllOf(testing::HasSubstr("'fast'"), testing::HasSubstr("scalar, simd")));
  EXPECT_FALSE(make_backend("reference", context_, {.primitive = "simd"}).has_value());
  for (const char* path : {"auto", "scalar", "simd"}) VB_EXPECT_OK(make_backend("cpu", context_, {.primitive = path}));
}

TEST_F(Backends, AnUnknownIdIsAnErrorThatListsTheKnownOnes) {
  const auto made = make_backend("cuda", context_);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::not_found);
  EXPECT_NE(made.error().message.find("reference, cpu"), std::string::npos);
}

TEST_F(Backends, ATargetThatTheProcessorLacksIsRefused) {
  const std::vector<CpuTarget> available = available_cpu_targets();
  ASSERT_EQ(available.front(), CpuTarget::portable);
  for (const CpuTarget target : {CpuTarget::portable, CpuTarget::avx2, CpuTarget::avx512}) {
    const auto made = make_cpu_ops(context_, target);
    if (std::find(available.begin(), available.end(), target) != available.end()) {
      VB_ASSERT_OK(made);
      EXPECT_EQ((*made)->take_counters().kernel_path, format("cpu/{}", to_string(target)));
    } else {
      ASSERT_FALSE(made.has_value());
      EXPECT_NE(made.error().message.find("portable"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace vauban
