#include "model/edits/weight_op.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/sha256.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using Values = std::vector<float>;

const EditTarget kMatrix{.name = "w", .shape = {2, 3}};
const Values kValues{1, 2, 3, 4, 5, 6};

Result<Values> apply(const WeightEdit& edit, const EditTarget& target = kMatrix, const Values& values = kValues) {
  VB_TRY(const WeightOp* op, find_weight_op(edit.op));
  return op->apply(edit, target, values);
}

void expect_refused(const WeightEdit& edit, std::string_view word, const EditTarget& target = kMatrix,
                    const Values& values = kValues) {
  const auto refused = apply(edit, target, values);
  ASSERT_FALSE(refused.has_value()) << edit.op;
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(refused.error()).find(word), std::string::npos) << describe(refused.error());
}

WeightEdit project_out(std::vector<double> direction, WeightSide side, double alpha = 1) {
  WeightEdit edit{.tensor = "w", .op = "project_out", .alpha = alpha, .side = side};
  edit.direction = std::move(direction);
  return edit;
}

WeightEdit with_operand(std::string op, std::vector<std::int64_t> shape, Values operand, double alpha = 1) {
  WeightEdit edit{.tensor = "w", .op = std::move(op), .alpha = alpha};
  edit.operand_shape = std::move(shape);
  edit.operand = std::move(operand);
  return edit;
}

TEST(WeightOps, EveryEntryIsNamedOnceAndFound) {
  std::set<std::string_view> ids;
  for (const WeightOp& op : all_weight_ops()) {
    EXPECT_TRUE(ids.insert(op.id).second) << op.id;
    EXPECT_FALSE(op.summary.empty());
    VB_ASSERT_OK(find_weight_op(op.id));
  }
  EXPECT_EQ(ids, (std::set<std::string_view>{"scale", "zero", "add_noise", "project_out", "add", "set"}));
}

TEST(WeightOps, AnUnknownOpNamesTheNearest) {
  expect_refused({.tensor = "w", .op = "projectout"}, "did you mean 'project_out'?");
}

TEST(WeightOps, ScaleZeroAddAndSetByHand) {
  EXPECT_EQ(*apply({.tensor = "w", .op = "scale", .alpha = -0.5}), (Values{-0.5F, -1, -1.5F, -2, -2.5F, -3}));
  EXPECT_EQ(*apply({.tensor = "w", .op = "zero"}), Values(6));
  EXPECT_EQ(*apply(with_operand("add", {2, 3}, {1, 0, 0, 0, 0, 1}, 2)), (Values{3, 2, 3, 4, 5, 8}));
  EXPECT_EQ(*apply(with_operand("set", {2, 3}, {6, 5, 4, 3, 2, 1})), (Values{6, 5, 4, 3, 2, 1}));
}

/// d = (3, 4) / 5: d^T W = (3.8, 5.2, 6.6), so row 0 loses 0.6 of it and row 1 loses 0.8.
TEST(WeightOps, ProjectOutOfTheRowsByHand) {
  const Values made = *apply(project_out({3, 4}, WeightSide::output));
  const Values expected{1 - 0.6F * 3.8F, 2 - 0.6F * 5.2F, 3 - 0.6F * 6.6F,
                        4 - 0.8F * 3.8F, 5 - 0.8F * 5.2F, 6 - 0.8F * 6.6F};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(made[i], expected[i], 1e-6) << i;
}

TEST(WeightOps, ProjectOutOfTheColumnsByHand) {
  EXPECT_EQ(*apply(project_out({0, 7, 0}, WeightSide::input)), (Values{1, 0, 3, 4, 0, 6}));
  EXPECT_EQ(*apply(project_out({0, 7, 0}, WeightSide::input, 0.5)), (Values{1, 1, 3, 4, 2.5F, 6}));
}

TEST(WeightOps, AVectorLosesItsComponentOnItsOneSide) {
  const EditTarget bias{.name = "b", .shape = {3}};
  EXPECT_EQ(*apply(project_out({0, 0, -2}, WeightSide::output), bias, {1, 2, 3}), (Values{1, 2, 0}));
  expect_refused(project_out({1, 0, 0}, WeightSide::input), "no input side", bias, {1, 2, 3});
}

/// On a large random matrix nothing is left but the rounding of f32.
TEST(WeightOps, AfterProjectOutNothingIsLeftAlongTheDirection) {
  const std::int64_t rows = 37, width = 53;
  const EditTarget target{.name = "w", .shape = {rows, width}};
  WeightEdit noise{.tensor = "w", .op = "add_noise", .sigma = 1, .seed = 5};
  const Values start = *apply(noise, target, Values(static_cast<std::size_t>(rows * width)));
  double norm = 0;
  for (const float value : start) norm += static_cast<double>(value) * value;
  for (const WeightSide side : {WeightSide::output, WeightSide::input}) {
    const std::int64_t length = side == WeightSide::output ? rows : width;
    std::vector<double> d;
    for (std::int64_t i = 0; i < length; ++i) d.push_back(std::cos(static_cast<double>(3 * i)) + 0.1);
    const Values made = *apply(project_out(d, side), target, start);
    double squares = 0;
    for (const double value : d) squares += value * value;
    for (std::int64_t other = 0; other < (side == WeightSide::output ? width : rows); ++other) {
      double dot = 0;
      for (std::int64_t i = 0; i < length; ++i) {
        const std::int64_t at = side == WeightSide::output ? i * width + other : other * width + i;
        dot += d[static_cast<std::size_t>(i)] / std::sqrt(squares) * made[static_cast<std::size_t>(at)];
      }
      EXPECT_LE(std::abs(dot), 1e-6 * std::sqrt(norm)) << to_string(side) << " " << other;
    }
  }
}

TEST(WeightOps, ADirectionIsTakenAtUnitLengthAndItsOwnIsRecorded) {
  const WeightEdit unit = project_out({0.6, 0.8}, WeightSide::output);
  const WeightEdit longer = project_out({30, 40}, WeightSide::output);
  const Values a = *apply(unit), b = *apply(longer);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6);
  const Json parameters = kProjectOutOfWeights.parameters(longer);
  EXPECT_DOUBLE_EQ(parameters.find("direction_norm_before")->as_double(), 50);
  EXPECT_EQ(parameters.find("direction_sha256")->as_string(), sha256_hex(std::as_bytes(std::span(longer.direction))));
}

TEST(WeightOps, NoiseIsSeededOfTheAskedSpreadAndItsOwnForEveryTensor) {
  const Values zeros(20'000);
  const auto noise = [&](std::string_view tensor, std::uint64_t seed) {
    WeightEdit edit{.tensor = "*", .op = "add_noise", .sigma = 0.25, .seed = seed};
    return *apply(edit, {.name = tensor, .shape = {200, 100}}, zeros);
  };
  const Values first = noise("a", 1);
  EXPECT_EQ(first, noise("a", 1));
  EXPECT_NE(first, noise("a", 2));
  EXPECT_NE(first, noise("b", 1));
  double sum = 0, squares = 0;
  for (const float value : first) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  EXPECT_NEAR(sum / 20'000, 0, 0.25 * 5 / std::sqrt(20'000.0));  // five standard errors
  EXPECT_NEAR(std::sqrt(squares / 20'000), 0.25, 0.25 * 5 / std::sqrt(40'000.0));
}

TEST(WeightOps, WhatDoesNotFitIsRefusedWithWhatToDo) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  expect_refused({.tensor = "w", .op = "scale", .alpha = nan}, "alpha");
  expect_refused({.tensor = "w", .op = "add_noise", .sigma = -1}, "sigma");
  expect_refused({.tensor = "w", .op = "add_noise", .sigma = inf}, "sigma");
  expect_refused(project_out({1, nan}, WeightSide::output), "element 1");
  expect_refused(project_out({0, 0}, WeightSide::output), "length above 0");
  expect_refused(project_out({}, WeightSide::output), "found 0");
  expect_refused(project_out({1, 0}, WeightSide::output, inf), "alpha");
  expect_refused(project_out({1, 0, 0}, WeightSide::output), "side = \"input\" has that many");
  expect_refused(project_out({1, 0}, WeightSide::input), "side = \"output\" has that many");
  expect_refused(project_out({1, 0, 0, 0}, WeightSide::input), "has 3 values, found 4");
  expect_refused(with_operand("add", {3, 2}, kValues), "[2, 3], found [3, 2]");
  expect_refused(with_operand("set", {2, 3}, {1, 2}), "2 values");
  expect_refused(with_operand("set", {2, 3}, {1, 2, std::nanf(""), 4, 5, 6}), "element 2");
}

TEST(WeightOps, ADirectionIsNotTakenOutOfATensorThatIsNoMatrix) {
  const EditTarget experts{.name = "experts", .shape = {2, 3, 1}};
  expect_refused(project_out({1, 0}, WeightSide::output), "vectors and matrices", experts);
}

}  // namespace
}  // namespace vauban
