/// ThreadPool: the one pool of the process. Workers sleep when idle; the caller takes part in the work.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace vauban {

class ThreadPool {
 public:
  /// `threads` counts the caller too: 1 means that everything runs inline. 0 means one per available core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /// Calls `body(begin, end)` on disjoint ranges that cover [0, count), each at least `grain` long (but the last).
  /// Returns when all are done. The ranges depend on timing, so `body` must not let them influence results.
  /// Not reentrant: a call from inside `body` runs inline. Calls from several threads take turns. What `body`
  /// throws (std::bad_alloc) comes out here, once every thread has left it; ranges not begun then are left out.
  void parallel_for(std::size_t count, std::size_t grain, const std::function<void(std::size_t, std::size_t)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vauban
