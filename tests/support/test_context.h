/// TestContext: what a Context points to, for fixtures that call what wants one.
#pragma once

#include "base/context.h"

namespace vauban::test {

struct TestContext {
  ThreadPool pool_{2};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_};
};

}  // namespace vauban::test
