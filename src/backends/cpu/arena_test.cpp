#include "backends/cpu/arena.h"

#include <cmath>
#include <cstdint>
#include <gtest/gtest.h>

namespace vauban::cpu {
namespace {

TEST(Arena, TensorsAreAlignedAndDoNotOverlap) {
  Arena arena;
  arena.begin_step();
  const Tensor a = arena.make(DType::f32, {3, 5}), b = arena.make(DType::f32, {1});
  const auto address = [](const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.data()); };
  EXPECT_EQ(address(a) % Arena::kAlignment, 0u);
  EXPECT_EQ(address(b) % Arena::kAlignment, 0u);
  EXPECT_GE(address(b), address(a) + 60 + Arena::kGuardBytes);
}

TEST(Arena, AnEmptyShapeStillGivesATensor) {
  Arena arena;
  arena.begin_step();
  EXPECT_FALSE(arena.make(DType::f32, {0, 8}).empty());
}

TEST(Arena, AWriteBehindATensorIsSeen) {
  Arena arena;
  arena.begin_step();
  const Tensor a = arena.make(DType::f32, {3});
  arena.make(DType::f32, {3});
  EXPECT_TRUE(arena.guards_intact());
  a.as<float>()[3] = 0.0f;
  EXPECT_FALSE(arena.guards_intact());
  arena.begin_step();
  EXPECT_TRUE(arena.guards_intact());
}

TEST(Arena, ReadingBehindATensorGivesNaN) {
  Arena arena;
  arena.begin_step();
  const Tensor a = arena.make(DType::f32, {17});
  for (int i = 17; i < 33; ++i) EXPECT_TRUE(std::isnan(a.as<float>()[i]));
}

TEST(Arena, OneChunkServesAllStepsOnceItHasGrown) {
  Arena arena;
  const auto step = [&] {
    arena.begin_step();
    for (int i = 0; i < 7; ++i) arena.make(DType::f32, {300, 1000});
  };
  step();
  step();
  const std::size_t capacity = arena.capacity_bytes();
  const std::byte* first = arena.make(DType::f32, {1}).data();
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(arena.capacity_bytes(), capacity);
  EXPECT_EQ(arena.make(DType::f32, {1}).data(), first);
}

TEST(Arena, ATensorMayOutliveItsArena) {
  Tensor survivor;
  {
    Arena arena;
    arena.begin_step();
    survivor = arena.make(DType::f32, {4});
  }
  survivor.as<float>()[0] = 1.0f;
  EXPECT_EQ(survivor.as<float>()[0], 1.0f);
}

TEST(Arena, RefusedMemoryGivesAnEmptyTensorOfTheRightShape) {
  Arena arena;
  arena.begin_step();
  const Shape huge{std::int64_t{1} << 30, std::int64_t{1} << 29};  // 2 EiB
  const Tensor tensor = arena.make(DType::f32, huge);
  EXPECT_TRUE(tensor.empty());
  EXPECT_EQ(tensor.shape(), huge);
}

#ifndef NDEBUG
TEST(ArenaDeathTest, ReadingATensorOfAnEarlierStepIsCaught) {
  Arena arena;
  arena.begin_step();
  const Tensor a = arena.make(DType::f32, {4});
  arena.begin_step();
  EXPECT_DEATH(a.data(), "step has ended");
}
#endif

}  // namespace
}  // namespace vauban::cpu
