/// TestContext: what a Context points to, for fixtures and harnesses that call what wants one.
#pragma once

#include <cstdint>

#include "base/context.h"

namespace vauban::test {

struct TestContext {
  explicit TestContext(int threads = 2, std::uint64_t seed = 0)
      : pool_(threads), context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_, .seed = seed} {}
  TestContext(const TestContext&) = delete;
  TestContext& operator=(const TestContext&) = delete;

  ThreadPool pool_;
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_;
};

}  // namespace vauban::test
