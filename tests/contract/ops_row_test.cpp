/// The operations on rows and the activations beside them, against their formulas written out in f64 here; what they refuse;
/// and that a row does not depend on the rows beside it or on the thread count. Operands lie between guards of NaN.
#include <functional>

#include "base/result.h"
#include "contract/ops_bench.h"

namespace vauban::test {
namespace {

using Numbers = std::vector<double>;
constexpr double kExact = 0.0;
/// One to three roundings to f32.
constexpr double kElementBound = 1e-13;
/// exp within 2 ulp, a division and two products; sigmoid near 0 divides by large numbers.
constexpr double kExpBound = 1e-13;
constexpr std::int64_t kWidth = 43;
const std::array<std::int64_t, 5> kRows{0, 1, 2, 5, 19};

class OpRows : public testing::TestWithParam<Executor> {
 protected:
  Bench own_{GetParam(), 2};

  Tensor some(std::int64_t rows, std::int64_t width, std::uint64_t stream, double scale = 1.0) {
    return activation(*own_, {rows, width}, values(rows, width, stream, scale));
  }
  static Numbers values(std::int64_t rows, std::int64_t width, std::uint64_t stream, double scale = 1.0) {
    return normals(static_cast<std::size_t>(rows * width), stream, scale);
  }
  void expect_near(double bound, const Tensor& got, const Shape& shape, const Numbers& expected) {
    EXPECT_EQ(got.shape(), shape);
    EXPECT_LE(nmse(to_f64(got), expected), bound);
    own_.expect_clean();
    own_->begin_step();
  }
  template <class F>
  static Numbers mapped(Numbers values, const F& f) {
    for (double& value : values) value = f(value);
    return values;
  }
};
INSTANTIATE_TEST_SUITE_P(Executors, OpRows, testing::ValuesIn(all_executors()), executor_name);

TEST_P(OpRows, ScaleMultipliesByANumber) {
  for (const std::int64_t rows : kRows)
    for (const double factor : {0.0, 1.0, -0.3, 53.0})
      expect_near(kElementBound, own_->scale(some(rows, kWidth, 1), factor), {rows, kWidth},
                  mapped(values(rows, kWidth, 1), [&](double x) { return factor * x; }));
}

TEST_P(OpRows, ClampLimitsBothSides) {
  for (const std::int64_t rows : kRows)
    for (const double limit : {0.0, 0.5, 1e9})
      expect_near(kExact, own_->clamp(some(rows, kWidth, 1), limit), {rows, kWidth},
                  mapped(values(rows, kWidth, 1), [&](double x) { return x > limit ? limit : x < -limit ? -limit : x; }));
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_f64(own_->clamp(activation(*own_, {1, 3}, {-inf, inf, 2.0}), 8.0)), (Numbers{-8.0, 8.0, 2.0}));
}

TEST_P(OpRows, MultiplyTakesOneFactorPerColumn) {
  const Numbers factors = normals(kWidth, 2);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const StoredWeight weight = stored(dtype, {kWidth}, factors);
    const std::vector<float> held = decode_f32(weight.view).value();
    for (const std::int64_t rows : kRows) {
      Numbers expected = values(rows, kWidth, 1);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= static_cast<double>(held[i % kWidth]);
      expect_near(kElementBound, own_->multiply(some(rows, kWidth, 1), load(*own_, weight)), {rows, kWidth}, expected);
    }
  }
}

TEST_P(OpRows, JoinColumnsPutsPartsSideBySideAndZerosBehindThem) {
  for (const std::int64_t rows : kRows)
    for (const std::int64_t width : {5 + 17 + 1, 43}) {
      const std::array<std::int64_t, 3> widths{5, 17, 1};
      std::vector<Tensor> parts;
      Numbers expected(static_cast<std::size_t>(rows * width), 0.0);
      std::int64_t first = 0;
      for (std::size_t p = 0; p < 3; ++p) {
        const Numbers from = values(rows, widths[p], 3 + p);
        parts.push_back(activation(*own_, {rows, widths[p]}, from));
        for (std::int64_t t = 0; t < rows; ++t)
          for (std::int64_t i = 0; i < widths[p]; ++i)
            expected[static_cast<std::size_t>(t * width + first + i)] = from[static_cast<std::size_t>(t * widths[p] + i)];
        first += widths[p];
      }
      expect_near(kExact, own_->join_columns(parts, width), {rows, width}, expected);
    }
}

TEST_P(OpRows, JoinRowsPutsPartsOnTopOfEachOther) {
  std::vector<Tensor> parts;
  Numbers expected;
  for (const std::int64_t rows : {3, 0, 1, 19}) {
    const Numbers from = values(rows, kWidth, static_cast<std::uint64_t>(10 + rows));
    parts.push_back(activation(*own_, {rows, kWidth}, from));
    expected.insert(expected.end(), from.begin(), from.end());
  }
  expect_near(kExact, own_->join_rows(parts), {23, kWidth}, expected);
  expect_near(kExact, own_->join_rows(std::span(parts).first(2)), {3, kWidth}, values(3, kWidth, 13));
}

TEST_P(OpRows, BlendRowsSumsWeightedRows) {
  const Numbers from = values(7, kWidth, 1);
  for (const int each : {1, 2, 4})
    for (const std::int64_t count : {0, 1, 6}) {
      std::vector<std::int32_t> rows;
      for (std::int64_t pick = 0; pick < count * each; ++pick) rows.push_back(static_cast<std::int32_t>(pick * pick % 7));
      const Numbers weights = normals(rows.size(), 5);
      Numbers expected(static_cast<std::size_t>(count * kWidth), 0.0);
      for (std::size_t pick = 0; pick < rows.size(); ++pick)
        for (std::size_t i = 0; i < kWidth; ++i)
          expected[pick / static_cast<std::size_t>(each) * kWidth + i] +=
              weights[pick] * from[static_cast<std::size_t>(rows[pick]) * kWidth + i];
      expect_near(1e-12, own_->blend_rows(some(7, kWidth, 1), rows, weights, each), {count, kWidth}, expected);
    }
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

TEST_P(OpRows, SquaredReluAndSigmoidAreTheirFormulas) {
  for (const double scale : {0.01, 1.0, 8.0, 30.0}) {
    const Numbers x = values(5, kWidth, 1, scale);
    const auto squared = [](double v) { return v > 0.0 ? v * v : 0.0; };
    expect_near(kElementBound, own_->activation(some(5, kWidth, 1, scale), Activation::relu_squared), {5, kWidth},
                mapped(x, squared));
    expect_near(kExpBound, own_->activation(some(5, kWidth, 1, scale), Activation::sigmoid), {5, kWidth},
                mapped(x, sigmoid));
    Numbers gated = mapped(x, sigmoid), gated_squared = mapped(x, squared);
    const Numbers up = values(5, kWidth, 2);
    for (std::size_t i = 0; i < up.size(); ++i) gated[i] *= up[i], gated_squared[i] *= up[i];
    expect_near(kExpBound,
                own_->gated_activation(some(5, kWidth, 1, scale), some(5, kWidth, 2), Activation::sigmoid), {5, kWidth},
                gated);
    expect_near(kElementBound,
                own_->gated_activation(some(5, kWidth, 1, scale), some(5, kWidth, 2), Activation::relu_squared),
                {5, kWidth}, gated_squared);
  }
}

TEST_P(OpRows, ClampedSwigluIsItsFormulaOnBothSidesOfItsLimits) {
  for (const double scale : {0.1, 1.0, 6.0, 60.0}) {
    const Numbers gate = values(5, kWidth, 1, scale), up = values(5, kWidth, 2, scale);
    Numbers expected(gate.size());
    for (std::size_t i = 0; i < gate.size(); ++i) {
      const double g = gate[i] > 7.0 ? 7.0 : gate[i], u = up[i] > 7.0 ? 7.0 : up[i] < -7.0 ? -7.0 : up[i];
      expected[i] = g * sigmoid(1.702 * g) * (u + 1.0);
    }
    expect_near(kExpBound,
                own_->gated_activation(some(5, kWidth, 1, scale), some(5, kWidth, 2, scale), Activation::clamped_swiglu),
                {5, kWidth}, expected);
  }
}

TEST_P(OpRows, ActivationsOfMinusOneAndTwoAreKnownNumbers) {
  const auto of = [&](Activation act) { return to_f64(own_->activation(activation(*own_, {1, 2}, {-1.0, 2.0}), act)); };
  EXPECT_EQ(of(Activation::relu_squared), (Numbers{0.0, 4.0}));
  EXPECT_NEAR(of(Activation::sigmoid)[0], 0.2689414213699951, 1e-7);  // 1 / (1 + e)
  EXPECT_NEAR(of(Activation::sigmoid)[1], 0.8807970779778823, 1e-7);
  // Gate 0 gives 0; gate and up beyond their limits give 7 * sigmoid(11.914) * 8.
  const auto swiglu = to_f64(own_->gated_activation(activation(*own_, {1, 2}, {0.0, 90.0}),
                                                    activation(*own_, {1, 2}, {5.0, 90.0}), Activation::clamped_swiglu));
  EXPECT_EQ(swiglu[0], 0.0);
  EXPECT_NEAR(swiglu[1], 56.0 / (1.0 + std::exp(-11.914)), 1e-5);
}

/// One layer of all of them, of rows [begin, end) of 13.
std::string layer(Ops& ops, std::int64_t begin, std::int64_t end, std::int64_t width) {
  const Numbers all = normals(static_cast<std::size_t>(13 * width), 1);
  const Weight factors = load(ops, stored(DType::f32, {width}, normals(static_cast<std::size_t>(width), 2)));
  const Tensor x = activation(ops, {end - begin, width}, {all.begin() + begin * width, all.begin() + end * width});
  const Tensor scaled = ops.multiply(ops.clamp(ops.scale(x, 1.7), 0.9), factors);
  const Tensor wide = ops.join_columns(std::array{scaled, x}, 2 * width + 3);
  const Tensor both = ops.join_rows(std::array{wide, wide});
  std::vector<std::int32_t> rows;
  Numbers weights;
  for (auto t = static_cast<std::int32_t>(0); t < end - begin; ++t) {
    rows.insert(rows.end(), {t, static_cast<std::int32_t>(t + end - begin), t});
    weights.insert(weights.end(), {0.3, -1.1, 0.01 * static_cast<double>(t + begin)});
  }
  return bits(ops.gated_activation(ops.blend_rows(both, rows, weights, 3), wide, Activation::clamped_swiglu));
}

TEST_P(OpRows, ARowDoesNotDependOnTheRowsBesideItNorOnThreads) {
  if (!own_->invariant_bits()) GTEST_SKIP() << "this backend does not promise it, and says so";
  for (const std::int64_t width : {43, 7001}) {  // the second is worth several threads
    const std::string together = layer(*own_, 0, 13, width);
    std::string alone;
    for (std::int64_t row = 0; row < 13; ++row) alone += layer(*own_, row, row + 1, width);
    EXPECT_TRUE(together == alone) << "the bits differ at width " << width;
    Bench single(GetParam(), 1);
    EXPECT_TRUE(together == layer(*single, 0, 13, width)) << "the bits depend on threads at width " << width;
  }
}

TEST_P(OpRows, MismatchedOperandsAreFoundBeforeMemoryIsTouched) {
  const Weight nine = load(*own_, stored(DType::f32, {9}, normals(9, 1)));
  const Weight matrix = load(*own_, stored(DType::f32, {4, 7}, normals(28, 1)));
  const Tensor x = some(2, 7, 1);
  const std::vector<std::int32_t> rows{0, 1}, outside{0, 2}, negative{-1, 0};
  const Numbers weights{0.5, 0.5};
  const std::vector<std::function<void()>> wrong{
      [&] { own_->scale(Tensor(), 2.0); },
      [&] { own_->clamp(x, -1.0); },
      [&] { own_->clamp(x, std::nan("")); },
      [&] { own_->multiply(x, nine); },
      [&] { own_->multiply(x, matrix); },
      [&] { own_->multiply(x, Weight{}); },
      [&] { own_->join_columns({}, 7); },
      [&] { own_->join_columns(std::array{x, some(3, 7, 1)}, 14); },
      [&] { own_->join_columns(std::array{x, x}, 13); },
      [&] { own_->join_columns(std::array{x}, -1); },
      [&] { own_->join_columns(std::array{x}, INT64_MAX); },
      [&] { own_->join_columns(std::array{x, Tensor()}, 14); },
      [&] { own_->join_rows({}); },
      [&] { own_->join_rows(std::array{x, some(2, 6, 1)}); },
      [&] { own_->join_rows(std::array{x, Tensor()}); },
      [&] { own_->blend_rows(x, rows, weights, 0); },
      [&] { own_->blend_rows(x, rows, weights, 3); },
      [&] { own_->blend_rows(x, rows, Numbers{0.5}, 1); },
      [&] { own_->blend_rows(x, outside, weights, 1); },
      [&] { own_->blend_rows(x, negative, weights, 2); },
      [&] { own_->blend_rows(Tensor(), rows, weights, 1); },
      [&] { own_->activation(x, Activation::clamped_swiglu); },
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    own_->begin_step();
    wrong[i]();
    const Result<void> status = own_->end_step();
    ASSERT_FALSE(status.has_value()) << "case " << i;
    EXPECT_EQ(status.error().code, ErrorCode::internal) << "case " << i << ": " << describe(status.error());
  }
}

}  // namespace
}  // namespace vauban::test
