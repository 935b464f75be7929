#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <mutex>
#include <new>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

namespace vauban {
namespace {

TEST(ThreadPool, RangesCoverEverythingOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const std::size_t count : {0u, 1u, 2u, 7u, 64u, 1000u, 4097u}) {
      for (const std::size_t grain : {0u, 1u, 3u, 64u, 100000u}) {
        std::vector<int> visits(count);
        pool.parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
          for (std::size_t i = begin; i < end; ++i) ++visits[i];
        });
        EXPECT_TRUE(std::all_of(visits.begin(), visits.end(), [](int n) { return n == 1; }))
            << threads << " threads, " << count << " items, grain " << grain;
      }
    }
  }
}

TEST(ThreadPool, RangesAreAtLeastAsLongAsTheGrain) {
  ThreadPool pool(4);
  std::mutex mutex;
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  pool.parallel_for(1003, 10, [&](std::size_t begin, std::size_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace_back(begin, end);
  });
  EXPECT_GT(ranges.size(), 1u);
  for (const auto& [begin, end] : ranges) EXPECT_TRUE(end - begin >= 10 || end == 1003);
}

TEST(ThreadPool, SizeOneRunsOnTheCaller) {
  ThreadPool pool(1);
  std::set<std::thread::id> ids;
  pool.parallel_for(1000, 1, [&](std::size_t, std::size_t) { ids.insert(std::this_thread::get_id()); });
  EXPECT_EQ(ids, std::set{std::this_thread::get_id()});
}

TEST(ThreadPool, ZeroMeansTheAvailableCoresAndNonsenseMeansOne) {
  EXPECT_GE(ThreadPool(0).size(), 1);
  EXPECT_EQ(ThreadPool(-5).size(), 1);
}

/// Both ranges wait for each other, so this ends only if two threads work at once.
TEST(ThreadPool, WorkersTakePart) {
  ThreadPool pool(2);
  std::atomic<int> arrived{0};
  pool.parallel_for(2, 1, [&](std::size_t, std::size_t) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST(ThreadPool, CallFromInsideABodyRunsInline) {
  ThreadPool pool(4), other(3);
  std::atomic<std::size_t> sum{0};
  std::atomic<int> moved{0};
  pool.parallel_for(64, 1, [&](std::size_t begin, std::size_t end) {
    const auto outer = std::this_thread::get_id();
    for (std::size_t i = begin; i < end; ++i)
      for (ThreadPool* inner : {&pool, &other})
        inner->parallel_for(100, 1, [&](std::size_t from, std::size_t to) {
          sum += to - from;
          moved += std::this_thread::get_id() != outer;
        });
  });
  EXPECT_EQ(sum, 64u * 100 * 2);
  EXPECT_EQ(moved, 0);
}

TEST(ThreadPool, ManySmallCallsEachFinishBeforeTheyReturn) {
  ThreadPool pool(4);
  std::vector<std::size_t> values(37);
  for (std::size_t round = 1; round <= 20000; ++round) {
    pool.parallel_for(values.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) values[i] += i;
    });
    ASSERT_EQ(values[36], round * 36);
    ASSERT_EQ(values[1], round);
  }
}

TEST(ThreadPool, CallersOnSeveralThreadsTakeTurns) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  std::array<std::size_t, 4> sums{};
  for (std::size_t caller = 0; caller < sums.size(); ++caller)
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 500; ++round) {
        std::atomic<std::size_t> sum{0};
        pool.parallel_for(50, 1, [&](std::size_t begin, std::size_t end) { sum += end - begin; });
        sums[caller] += sum;
      }
    });
  for (std::thread& caller : callers) caller.join();
  for (const std::size_t sum : sums) EXPECT_EQ(sum, 500u * 50);
}

TEST(ThreadPool, WhatABodyThrowsComesBackToTheCaller) {
  ThreadPool pool(4);
  for (int turn = 0; turn < 20; ++turn) {
    EXPECT_THROW(pool.parallel_for(64, 1, [](std::size_t begin, std::size_t) {
      if (begin >= 32) throw std::bad_alloc();
    }), std::bad_alloc);
    std::atomic<std::size_t> done{0};
    pool.parallel_for(64, 1, [&](std::size_t begin, std::size_t end) { done += end - begin; });
    EXPECT_EQ(done, 64u) << "the pool goes on";
  }
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int i = 0; i < 200; ++i) ThreadPool pool(4);
}

TEST(ThreadPool, MoreThreadsThanItemsIsFine) {
  ThreadPool pool(16);
  std::atomic<int> calls{0};
  for (int i = 0; i < 1000; ++i) pool.parallel_for(2, 1, [&](std::size_t, std::size_t) { ++calls; });
  EXPECT_EQ(calls, 2000);
}

}  // namespace
}  // namespace vauban
