/// The backends that a contract test is run on: the list of the program, so that a new one is tested at once.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backends/backends.h"

namespace vauban::test {

inline std::vector<std::string> tested_backends() {
  std::vector<std::string> ids;
  for (const BackendEntry& entry : all_backends()) ids.emplace_back(entry.id);
  return ids;
}

/// One whose module is not on this machine; the reason is empty where it can be made.
inline std::string why_no_backend(const std::string& id) {
  ThreadPool pool(1);
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  const auto made = make_backend(id, {.pool = pool, .clock = clock, .progress = progress, .cancel = cancel});
  return made || made.error().code != ErrorCode::unsupported ? "" : describe(made.error());
}

}  // namespace vauban::test

/// Skips, with the reason, where a backend's module is absent.
#define VB_NEED_BACKEND(id)                                                                  \
  if (const std::string vb_reason = ::vauban::test::why_no_backend(id); !vb_reason.empty()) \
  GTEST_SKIP() << vb_reason
