#include "model/row_order.h"

#include <cstring>
#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TensorView view_of(const std::vector<float>& values, Shape shape) {
  return {.dtype = DType::f32, .shape = shape, .bytes = std::as_bytes(std::span(values))};
}

std::vector<float> floats(const OwnedView& owned) {
  std::vector<float> out(owned.view.bytes.size() / sizeof(float));
  std::memcpy(out.data(), owned.view.bytes.data(), owned.view.bytes.size());
  return out;
}

TEST(PairsToHalves, SplitsThePairsOfEachHead) {
  // Two heads of four rows of one column: rows (a0 b0 a1 b1) become (a0 a1 b0 b1).
  const std::vector<float> stored = {0, 10, 1, 11, 2, 12, 3, 13};
  const auto matrix = rows_to_canonical(view_of(stored, {8, 1}), RowOrder::interleaved_heads, 2);
  VB_ASSERT_OK(matrix);
  EXPECT_EQ(floats(*matrix), (std::vector<float>{0, 1, 10, 11, 2, 3, 12, 13}));
  const auto bias = rows_to_canonical(view_of(stored, {8}), RowOrder::interleaved_heads, 1);
  VB_ASSERT_OK(bias);
  EXPECT_EQ(floats(*bias), (std::vector<float>{0, 1, 2, 3, 10, 11, 12, 13}));
}

TEST(PairsToHalves, MovesPackedRowsWhole) {
  constexpr std::size_t kRowBytes = 18;  // one q4_0 block of 32 values
  std::vector<std::byte> stored;
  for (int row = 0; row < 4; ++row) stored.insert(stored.end(), kRowBytes, std::byte(row));
  const auto moved = rows_to_canonical({.dtype = DType::q4_0, .shape = {4, 32}, .bytes = stored}, RowOrder::interleaved_heads, 1);
  VB_ASSERT_OK(moved);
  for (const auto& [position, row] : {std::pair{0, 0}, {1, 2}, {2, 1}, {3, 3}})
    EXPECT_EQ(moved->view.bytes[static_cast<std::size_t>(position) * kRowBytes + 5], std::byte(row));
  EXPECT_EQ(moved->view.dtype, DType::q4_0);
}

TEST(PairsToHalves, RefusesRowsThatAreNoHeads) {
  const std::vector<float> stored(6);
  for (const int heads : {0, 2, 4, 6, -1})  // 2 heads would have an odd width
    EXPECT_FALSE(rows_to_canonical(view_of(stored, {6, 1}), RowOrder::interleaved_heads, heads).has_value()) << heads;
  EXPECT_FALSE(rows_to_canonical({.dtype = DType::f32, .shape = {}, .bytes = {}}, RowOrder::interleaved_heads, 1).has_value());
}

TEST(GroupedQkv, GathersQueriesThenKeysThenValuesAndGoesBack) {
  // Two groups of [two queries, a key, a value], heads of one row: values say what they are.
  const std::vector<float> stored = {0, 1, 20, 30, 2, 3, 21, 31};
  const auto canonical = rows_to_canonical(view_of(stored, {8, 1}), RowOrder::grouped_qkv, 4, 2);
  VB_ASSERT_OK(canonical);
  EXPECT_EQ(floats(*canonical), (std::vector<float>{0, 1, 2, 3, 20, 21, 30, 31}));
  const auto back = rows_from_canonical(canonical->view, RowOrder::grouped_qkv, 4, 2);
  VB_ASSERT_OK(back);
  EXPECT_EQ(floats(*back), stored);
  EXPECT_FALSE(rows_to_canonical(view_of(stored, {8, 1}), RowOrder::grouped_qkv, 3, 2).has_value());
  EXPECT_FALSE(rows_to_canonical(view_of(stored, {8, 1}), RowOrder::grouped_qkv, 2, 0).has_value());
}

TEST(GroupedQkvz, GathersEachKindAndGoesBack) {
  // Two key heads with two value heads each: [query, key, two values, two gates].
  const std::vector<float> stored = {0, 10, 20, 21, 30, 31, 1, 11, 22, 23, 32, 33};
  const auto canonical = rows_to_canonical(view_of(stored, {12, 1}), RowOrder::grouped_qkvz, 4, 2);
  VB_ASSERT_OK(canonical);
  EXPECT_EQ(floats(*canonical), (std::vector<float>{0, 1, 10, 11, 20, 21, 22, 23, 30, 31, 32, 33}));
  const auto back = rows_from_canonical(canonical->view, RowOrder::grouped_qkvz, 4, 2);
  VB_ASSERT_OK(back);
  EXPECT_EQ(floats(*back), stored);
  EXPECT_FALSE(rows_to_canonical(view_of(stored, {12, 1}), RowOrder::grouped_qkvz, 3, 2).has_value());
  EXPECT_FALSE(rows_to_canonical(view_of(stored, {12, 1}), RowOrder::grouped_qkvz, 4, 0).has_value());
}

}  // namespace
}  // namespace vauban
