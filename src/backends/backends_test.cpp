#include "backends/backends.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "backends/cpu/cpu_ops.h"
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

TEST_F(Backends, EachEntryMakesTheBackendThatItNames) {
  for (const BackendEntry& entry : all_backends()) {
    EXPECT_FALSE(entry.summary.empty());
    for (const std::string_view device : entry.devices) {
      const auto ops = make_backend(entry.id, context_, device);
      VB_ASSERT_OK(ops);
      EXPECT_EQ((*ops)->backend(), entry.id);
      EXPECT_EQ((*ops)->device_label(), device);
      EXPECT_EQ((*ops)->device_label().substr(0, (*ops)->device_kind().size()), (*ops)->device_kind());
    }
    VB_EXPECT_OK(make_backend(entry.id, context_));
    const auto absent = make_backend(entry.id, context_, "cuda:7");
    ASSERT_FALSE(absent.has_value());
    EXPECT_EQ(absent.error().code, ErrorCode::unsupported);
  }
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
