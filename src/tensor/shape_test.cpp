#include "tensor/shape.h"

#include <limits>

#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 40;

TEST(Shape, CountsElementsRowsAndWidth) {
  const Shape shape{4, 3, 128};
  EXPECT_EQ(shape.elements(), 1536);
  EXPECT_EQ(shape.rows(), 12);
  EXPECT_EQ(shape.width(), 128);
  EXPECT_EQ(shape.to_string(), "[4, 3, 128]");
}

TEST(Shape, AScalarIsOneRowOfOne) {
  const Shape scalar;
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_EQ(scalar.rows(), 1);
  EXPECT_EQ(scalar.width(), 1);
  EXPECT_EQ(scalar.to_string(), "[]");
}

TEST(Shape, AZeroDimensionHoldsNothing) {
  EXPECT_EQ((Shape{0, 5}).elements(), 0);
  EXPECT_EQ((Shape{5, 0}).elements(), 0);
}

TEST(Shape, RefusesHostileDimensions) {
  const std::int64_t negative[] = {2, -1};
  const std::int64_t overflow[] = {kHuge, kHuge};
  const std::int64_t overflow_before_zero[] = {kHuge, kHuge, 0};
  const std::int64_t nine[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_EQ(Shape::from(negative).error().code, ErrorCode::corrupt);
  EXPECT_EQ(Shape::from(overflow).error().code, ErrorCode::corrupt);
  EXPECT_EQ(Shape::from(overflow_before_zero).error().code, ErrorCode::corrupt);
  EXPECT_EQ(Shape::from(nine).error().code, ErrorCode::unsupported);
}

TEST(Shape, ProgrammerMadeShapesAreChecked) { EXPECT_DEATH((Shape{-1}), "negative"); }

TEST(SizeBytes, CountsElementsAndBlocks) {
  EXPECT_EQ(size_bytes(DType::f32, {3, 5}).value(), 60u);
  EXPECT_EQ(size_bytes(DType::f16, {}).value(), 2u);
  EXPECT_EQ(size_bytes(DType::f4, {2, 3}).value(), 3u);
  EXPECT_EQ(size_bytes(DType::q4_0, {2, 64}).value(), 72u);
  EXPECT_EQ(size_bytes(DType::q8_0, {0, 64}).value(), 0u);
}

TEST(SizeBytes, RefusesCutBlocksHalfBytesAndOverflow) {
  EXPECT_EQ(size_bytes(DType::q4_0, {64, 172}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(size_bytes(DType::f4, {3}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(size_bytes(DType::f6_e2m3, {2}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(size_bytes(DType::f64, {std::numeric_limits<std::int64_t>::max()}).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace vauban
