/// Context: the services of one process, made in `main` and passed on. There are no globals.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/thread_pool.h"

namespace vauban {

/// Set by Ctrl-C (app installs the handler); long loops poll it and return `cancelled`.
class CancelToken {
 public:
  void cancel() { flag_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return flag_.load(std::memory_order_relaxed); }
  /// The error `cancelled` when set, else ok.
  Result<void> check() const;

 private:
  std::atomic<bool> flag_{false};
};

/// Time, injectable so that tests and resumed runs are reproducible.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::nanoseconds monotonic() const = 0;         ///< for durations
  virtual std::chrono::system_clock::time_point utc() const = 0;  ///< for time stamps
};
class SystemClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override;
  std::chrono::system_clock::time_point utc() const override;
};
/// The clock of the machine.
const Clock& system_clock();
/// "2026-01-02T03:04:05Z"
std::string iso8601(std::chrono::system_clock::time_point time);

/// Receives the progress of long work. Implementations must be callable from any thread.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// `total` 0 means unknown. `unit` is plural: "prompts", "tokens".
  virtual void update(std::string_view task, std::uint64_t done, std::uint64_t total, std::string_view unit) = 0;
  virtual void finish(std::string_view task) = 0;
};
class SilentProgress final : public ProgressSink {
 public:
  void update(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override {}
  void finish(std::string_view) override {}
};

struct Context {
  ThreadPool& pool;
  const Clock& clock;
  ProgressSink& progress;
  const CancelToken& cancel;
  std::uint64_t seed = 0;
};

}  // namespace vauban
