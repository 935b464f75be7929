#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <sched.h>
#include <system_error>
#include <thread>
#include <vector>

namespace vauban {
namespace {

constexpr int kMaxThreads = 1024;
constexpr std::size_t kChunksPerThread = 4;  // so that a slow core does not keep the others waiting
constexpr int kSpins = 512;                  // some 20 us, the gap between two operations of a decode step

/// Set while this thread runs a body: a nested call then runs inline, whichever pool it asks.
thread_local bool is_inside_body = false;

void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int available_cores() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

using Body = std::function<void(std::size_t, std::size_t)>;

/// One parallel_for, on the stack of its caller.
struct Job {
  const Body& body;
  std::size_t count;
  std::size_t chunk;
  std::size_t n_chunks;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> has_failed{false};
  std::exception_ptr failure{};  ///< the first; written by who set `has_failed`, read when all have left

  /// A body that throws (no memory) ends the job; run() throws it again in the thread of the caller.
  void work() noexcept {
    is_inside_body = true;
    try {
      for (std::size_t i = next.fetch_add(1); i < n_chunks && !has_failed; i = next.fetch_add(1))
        body(i * chunk, std::min(count, (i + 1) * chunk));
    } catch (...) {
      if (!has_failed.exchange(true)) failure = std::current_exception();
    }
    is_inside_body = false;
  }
};

}  // namespace

/// A worker joins a job only under the mutex and only while `job` is set, so one that wakes late finds nothing and
/// the caller need not wait for it. `generation` and `joined` are atomics only so that they can be spun on.
struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex one_call;  // held by the caller of parallel_for
  std::mutex mutex;
  std::condition_variable work_ready, work_done;
  Job* job = nullptr;
  bool stopping = false;
  std::atomic<unsigned> generation{0};
  std::atomic<int> joined{0};
  int spins = 0;

  explicit State(int threads) {
    // A spinning thread on a core that another one needs only delays it.
    spins = threads <= available_cores() ? kSpins : 0;
    workers.reserve(static_cast<std::size_t>(threads - 1));
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
      // The system has no more threads: go on with those that started; size() tells.
    }
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
      ++generation;
    }
    work_ready.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void serve() {
    unsigned seen = 0;
    for (;;) {
      for (int i = 0; i < spins && generation.load(std::memory_order_relaxed) == seen; ++i) pause_core();
      std::unique_lock lock(mutex);
      work_ready.wait(lock, [&] { return generation != seen; });
      seen = generation;
      if (stopping) return;
      if (!job) continue;
      Job& mine = *job;
      ++joined;
      lock.unlock();
      mine.work();
      leave();
    }
  }

  void leave() {
    const std::lock_guard lock(mutex);
    if (--joined == 0) work_done.notify_one();
  }

  void run(Job& mine) {
    {
      const std::lock_guard lock(mutex);
      job = &mine;
      ++generation;
    }
    work_ready.notify_all();
    mine.work();
    std::unique_lock lock(mutex);
    job = nullptr;
    lock.unlock();
    for (int i = 0; i < spins && joined.load(std::memory_order_relaxed) > 0; ++i) pause_core();
    lock.lock();
    work_done.wait(lock, [&] { return joined == 0; });
    lock.unlock();
    if (mine.failure) std::rethrow_exception(mine.failure);
  }
};

ThreadPool::ThreadPool(int threads)
    : state_(std::make_unique<State>(std::clamp(threads == 0 ? available_cores() : threads, 1, kMaxThreads))) {}
ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::parallel_for(std::size_t count, std::size_t grain, const Body& body) {
  if (count == 0) return;
  const std::size_t share = count / (static_cast<std::size_t>(size()) * kChunksPerThread);
  const std::size_t chunk = std::max<std::size_t>({1, grain, share});
  if (size() == 1 || is_inside_body || chunk >= count) return body(0, count);
  Job job{.body = body, .count = count, .chunk = chunk, .n_chunks = count / chunk + (count % chunk != 0)};
  const std::lock_guard one_at_a_time(state_->one_call);
  state_->run(job);
}

}  // namespace vauban
