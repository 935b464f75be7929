#include "vauban/primitive.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <set>

#include "base/result.h"
#include "ops/ops.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using Mode = PrimitiveMode;

/// The error of validating `p` for width 3, or "" when it is accepted.
std::string refusal(Primitive p) {
  const auto valid = validate_primitive(std::move(p), 3);
  if (valid) return "";
  EXPECT_EQ(valid.error().code, ErrorCode::invalid_input);
  return describe(valid.error());
}

double dot(const std::vector<double>& v, std::size_t a, std::size_t b, std::size_t width) {
  double sum = 0.0;
  for (std::size_t i = 0; i < width; ++i) sum += v[a * width + i] * v[b * width + i];
  return sum;
}

TEST(Primitive, NamesOfModesGoBothWays) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Mode::offset); ++i) {
    const auto mode = static_cast<Mode>(i);
    const auto back = primitive_mode_from(to_string(mode));
    VB_ASSERT_OK(back);
    EXPECT_EQ(*back, mode);
    names.insert(to_string(mode));
  }
  EXPECT_EQ(names.size(), 9u);
  const auto unknown = primitive_mode_from("substract");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message.find("subtract"), std::string::npos);
}

TEST(Primitive, NamesOfOperationsAreDistinctAndInTheOrderOfTheEnum) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < all_ops().size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(all_ops()[i]), i);
    names.insert(to_string(all_ops()[i]));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Op::gated_delta) + 1);
}

TEST(Primitive, NormalisesADirectionAndRecordsItsLength) {
  const auto valid = validate_primitive({.mode = Mode::subtract, .direction = {0.0, 3.0, 4.0}}, 3);
  VB_ASSERT_OK(valid);
  EXPECT_EQ(valid->direction, (std::vector<double>{0.0, 0.6, 0.8}));
  EXPECT_EQ(valid->norms_before, std::vector<double>{5.0});
}

TEST(Primitive, NormalisesVeryLongAndVeryShortDirections) {
  for (const double scale : {1e300, 1e-300, 5e-324}) {
    const auto valid = validate_primitive({.mode = Mode::add, .direction = {scale, -scale, scale}}, 3);
    VB_ASSERT_OK(valid);
    EXPECT_NEAR(dot(valid->direction, 0, 0, 3), 1.0, 1e-14) << scale;
  }
}

TEST(Primitive, LeavesAnOffsetAsItIs) {
  const auto valid = validate_primitive({.mode = Mode::offset, .direction = {0.0, 3.0, 4.0}}, 3);
  VB_ASSERT_OK(valid);
  EXPECT_EQ(valid->direction, (std::vector<double>{0.0, 3.0, 4.0}));
  EXPECT_EQ(valid->norms_before, std::vector<double>{5.0});
}

TEST(Primitive, OrthonormalisesABasisWithTheSameSpan) {
  const std::vector<double> basis{1, 1, 0, 0, 1, 1.0001, 0, 0, 0, 0, 3, 4};  // rows 0 and 1 nearly equal
  const auto valid = validate_primitive({.mode = Mode::subspace_remove, .direction = basis, .basis_rows = 3}, 4);
  VB_ASSERT_OK(valid);
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b) EXPECT_NEAR(dot(valid->direction, a, b, 4), a == b ? 1.0 : 0.0, 1e-14);
  EXPECT_NEAR(valid->norms_before.at(0), std::sqrt(2.0), 1e-15);
  EXPECT_NEAR(valid->norms_before.at(2), 5.0, 1e-15);
  // Each original row is its own projection on the new basis.
  for (std::size_t row = 0; row < 3; ++row) {
    double squares = 0.0, own = 0.0;
    for (std::size_t b = 0; b < 3; ++b) {
      double p = 0.0;
      for (std::size_t i = 0; i < 4; ++i) p += basis[row * 4 + i] * valid->direction[b * 4 + i];
      squares += p * p;
    }
    for (std::size_t i = 0; i < 4; ++i) own += basis[row * 4 + i] * basis[row * 4 + i];
    EXPECT_NEAR(squares, own, 1e-10);
  }
}

TEST(Primitive, RefusesValuesThatAreNotFinite) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(refusal({.direction = {0, 1, 0}}), "");
  EXPECT_NE(refusal({.direction = {0, nan, 0}}).find("element 1"), std::string::npos);
  EXPECT_NE(refusal({.direction = {inf, 1, 0}}), "");
  EXPECT_NE(refusal({.direction = {0, 1, 0}, .alpha = nan}).find("alpha"), std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::clamp, .direction = {0, 1, 0}, .lo = -inf, .hi = 1}).find("lo"), std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::clamp, .direction = {0, 1, 0}, .lo = 0, .hi = inf}).find("hi"), std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::conditional, .direction = {0, 1, 0}, .gate = {0, 1, 0}, .tau = nan}).find("tau"),
            std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::conditional, .direction = {0, 1, 0}, .gate = {0, nan, 0}}).find("gate"),
            std::string::npos);
}

TEST(Primitive, RefusesVectorsOfTheWrongLength) {
  EXPECT_NE(refusal({}).find("expected a direction of [1, 3] = 3 values, found 0"), std::string::npos);
  EXPECT_NE(refusal({.direction = {0, 1}}), "");
  EXPECT_NE(refusal({.direction = {0, 1, 0, 0}}), "");
  EXPECT_NE(refusal({.direction = {0, 1, 0, 1, 0, 0}, .basis_rows = 2}).find("takes one direction"), std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::subspace_add, .direction = {0, 1, 0}, .basis_rows = 2}), "");
  EXPECT_NE(refusal({.mode = Mode::subspace_add, .direction = {}, .basis_rows = 0}), "");
  EXPECT_NE(refusal({.mode = Mode::subspace_add, .direction = std::vector<double>(12, 1.0), .basis_rows = 4}), "");
  EXPECT_NE(refusal({.mode = Mode::conditional, .direction = {0, 1, 0}, .gate = {0, 1}}), "");
  EXPECT_FALSE(validate_primitive({.direction = {}}, 0).has_value());
}

TEST(Primitive, RefusesZeroVectorsAndDependentBases) {
  EXPECT_NE(refusal({.direction = {0, 0, 0}}).find("zero vector"), std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::offset, .direction = {0, 0, 0}}).find("zero vector"), std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::conditional, .direction = {0, 1, 0}, .gate = {0, 0, 0}}).find("zero"),
            std::string::npos);
  EXPECT_NE(
      refusal({.mode = Mode::subspace_remove, .direction = {1, 2, 3, 2, 4, 6}, .basis_rows = 2}).find("rank-deficient"),
      std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::subspace_remove, .direction = {1, 2, 3, 0, 0, 0}, .basis_rows = 2}), "");
}

TEST(Primitive, RefusesContradictoryModes) {
  EXPECT_NE(refusal({.mode = Mode::clamp, .direction = {0, 1, 0}, .lo = 2, .hi = 1}).find("lo <= hi"),
            std::string::npos);
  EXPECT_EQ(refusal({.mode = Mode::clamp, .direction = {0, 1, 0}, .lo = 1, .hi = 1}), "");
  EXPECT_NE(refusal({.mode = Mode::conditional, .direction = {0, 1, 0}, .gate = {0, 1, 0}, .inner = Mode::conditional}),
            "");
  EXPECT_NE(refusal({.mode = Mode::subtract, .direction = {0, 1, 0}, .gate = {0, 1, 0}}).find("has no gate"),
            std::string::npos);
  EXPECT_NE(refusal({.mode = Mode::conditional,
                     .direction = {0, 1, 0},
                     .lo = 2,
                     .hi = 1,
                     .gate = {0, 1, 0},
                     .inner = Mode::clamp}),
            "");
  EXPECT_EQ(refusal({.mode = Mode::conditional,
                     .direction = {0, 1, 0, 1, 0, 0},
                     .basis_rows = 2,
                     .gate = {0, 1, 0},
                     .inner = Mode::subspace_remove}),
            "");
}

}  // namespace
}  // namespace vauban
