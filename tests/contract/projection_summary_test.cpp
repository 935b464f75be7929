/// Batched projection summaries and doses (ops/projection_summary.h) on every executor.
#include "ops/projection_summary.h"

#include <gmock/gmock.h>

#include "base/result.h"
#include "contract/primitive_checks.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Mode = PrimitiveMode;

class ProjectionSummaries : public testing::TestWithParam<Executor> {
 protected:
  Bench bench_{GetParam()};
  double slack() const { return primitive_in_f64(GetParam()) ? 1e-13 : 2e-6; }
};
INSTANTIATE_TEST_SUITE_P(Executors, ProjectionSummaries, testing::ValuesIn(primitive_executors()), executor_name);

std::vector<std::int32_t> all_rows(std::size_t count) {
  std::vector<std::int32_t> rows(count);
  for (std::size_t i = 0; i < count; ++i) rows[i] = static_cast<std::int32_t>(i);
  return rows;
}

TEST_P(ProjectionSummaries, MatchF64ForEveryDirectionAtOnce) {
  // More rows than one block, numbers of directions and widths that fill no tile.
  for (const auto& [width, count] : {std::pair<std::size_t, std::size_t>{1, 1}, {7, 5}, {33, 11}, {897, 3}}) {
    const std::size_t rows_of_x = 139;
    const std::vector<double> h = normals(rows_of_x * width, 110), d = normals(count * width, 111);
    std::vector<std::int32_t> rows = all_rows(rows_of_x);
    rows.erase(rows.begin() + 40);  // two runs of neighbours
    const Tensor x = activation(*bench_, {static_cast<std::int64_t>(rows_of_x), static_cast<std::int64_t>(width)}, h);
    const auto got = summarise_projections(*bench_, x, d, rows);
    VB_ASSERT_OK(got);
    ASSERT_EQ(got->size(), count);
    for (std::size_t n = 0; n < count; ++n) {
      double sum = 0.0, low = 1e300, high = -1e300;
      for (const std::int32_t row : rows) {
        double p = 0.0;
        for (std::size_t i = 0; i < width; ++i) p += h[static_cast<std::size_t>(row) * width + i] * d[n * width + i];
        sum += p, low = std::min(low, p), high = std::max(high, p);
      }
      const double bound = slack() * static_cast<double>(width) * 2.0;  // |h| |d| is about the width
      EXPECT_EQ((*got)[n].count, 138);
      EXPECT_NEAR((*got)[n].mean, sum / 138.0, bound);
      EXPECT_NEAR((*got)[n].min, low, bound);
      EXPECT_NEAR((*got)[n].max, high, bound);
    }
  }
}

TEST_P(ProjectionSummaries, ReadBf16RowsToo) {
  const std::vector<double> h = normals(70 * 33, 112), d = normals(4 * 33, 113);
  const Tensor x = stored_rows(DType::bf16, {70, 33}, h);
  if (bench_->backend() != "cpu") GTEST_SKIP() << "this backend has no bf16 activations";
  const std::vector<double> stored = to_f64(x);
  const auto got = summarise_projections(*bench_, x, d, all_rows(70));
  VB_ASSERT_OK(got);
  for (std::size_t n = 0; n < 4; ++n) {
    double sum = 0.0;
    for (std::size_t i = 0; i < stored.size(); ++i) sum += stored[i] * d[n * 33 + i % 33];
    EXPECT_NEAR((*got)[n].mean, sum / 70.0, slack() * 66.0);
  }
}

TEST_P(ProjectionSummaries, AgreeWithThePrimitiveBitByBitAndDoNotDependOnThreads) {
  if (!bench_->invariant_bits()) GTEST_SKIP() << "this backend promises closeness, not bits";
  const std::vector<double> h = normals(139 * 897, 114);
  Primitive p = primitive_of(Mode::subspace_project, 897, 1.0);
  const Tensor x = activation(*bench_, {139, 897}, h);
  const std::vector<std::int32_t> rows = all_rows(139);
  const PrimitiveResult seen = bench_->primitive(x, p, rows);
  Bench many(GetParam(), 4);
  const auto one = summarise_projections(*bench_, x, p.direction, rows),
             four = summarise_projections(*many, x, p.direction, rows);
  VB_ASSERT_OK(one);
  VB_ASSERT_OK(four);
  for (std::size_t n = 0; n < 3; ++n) {
    double sum = 0.0, low = 1e300, high = -1e300;
    for (std::size_t t = 0; t < 139; ++t) {
      const double value = seen.before[t * 3 + n];
      sum += value, low = std::min(low, value), high = std::max(high, value);
    }
    EXPECT_EQ((*one)[n].mean, sum / 139.0);
    EXPECT_EQ((*one)[n].min, low);
    EXPECT_EQ((*one)[n].max, high);
    EXPECT_EQ((*four)[n].mean, (*one)[n].mean);
  }
}

TEST_P(ProjectionSummaries, ADoseSaysWhatTheEditOfThatStrengthDoes) {
  const std::vector<double> alphas{0.0, 0.25, 1.0, 2.0, -1.0};
  const Tensor x = activation(*bench_, {9, 897}, normals(9 * 897, 115));
  const std::vector<std::int32_t> rows{0, 1, 2, 4, 5, 8};
  for (const Mode mode : {Mode::subtract, Mode::add, Mode::clamp, Mode::conditional, Mode::offset,
                          Mode::subspace_remove, Mode::project}) {
    Primitive p = primitive_of(mode, 897, 1.0);
    const auto doses = summarise_doses(*bench_, x, p, alphas, rows);
    VB_ASSERT_OK(doses);
    ASSERT_EQ(doses->size(), alphas.size());
    for (std::size_t a = 0; a < alphas.size(); ++a) {
      p.alpha = alphas[a];
      const PrimitiveResult done = bench_->primitive(x, p, rows);
      const DoseSummary& dose = (*doses)[a];
      const double scale = mode == Mode::offset ? 30.0 * 30.0 : 30.0;  // |h| |d|; an offset keeps its length
      const double bound = scale * 2e-6;  // the edit rounds its rows to the activation's type
      const auto [low, high] = std::minmax_element(done.after.begin(), done.after.end());
      double mean = 0.0, longest = 0.0;
      for (const double value : done.after) mean += value / static_cast<double>(done.after.size());
      for (const double value : done.delta_norm) longest = std::max(longest, value);
      EXPECT_EQ(dose.alpha, alphas[a]);
      EXPECT_EQ(dose.gates_open, done.gates_open) << to_string(mode);
      EXPECT_EQ(dose.after.count, std::ssize(done.after));
      EXPECT_EQ(dose.delta.count, 6);
      EXPECT_NEAR(dose.after.mean, mean, bound) << to_string(mode) << " " << alphas[a];
      EXPECT_NEAR(dose.after.min, *low, bound) << to_string(mode) << " " << alphas[a];
      EXPECT_NEAR(dose.after.max, *high, bound) << to_string(mode) << " " << alphas[a];
      EXPECT_NEAR(dose.delta.max, longest, bound) << to_string(mode) << " " << alphas[a];
    }
  }
}

TEST_P(ProjectionSummaries, TakeDirectionsOfAnyLength) {
  const Tensor x = activation(*bench_, {2, 33}, normals(2 * 33, 118));
  for (const double scale : {1e-300, 1e-42, 1e42, 1e300}) {
    std::vector<double> d = normals(2 * 33, 119);
    const std::vector<std::int32_t> rows{0, 1};
    const auto plain = summarise_projections(*bench_, x, d, rows);
    for (std::size_t i = 33; i < d.size(); ++i) d[i] *= scale;  // the second of two
    const auto scaled = summarise_projections(*bench_, x, d, rows);
    VB_ASSERT_OK(plain);
    VB_ASSERT_OK(scaled);
    EXPECT_NEAR((*scaled)[0].mean, (*plain)[0].mean, slack() * 66.0);
    EXPECT_NEAR((*scaled)[1].max / scale, (*plain)[1].max, slack() * 66.0);
  }
}

TEST_P(ProjectionSummaries, RefuseWhatCannotBeSummed) {
  std::vector<double> h = normals(5 * 33, 116);
  h[3 * 33 + 32] = std::nan("");
  const Tensor x = activation(*bench_, {5, 33}, h);
  const std::vector<double> d = normals(2 * 33, 117);
  const auto message = [&](std::span<const double> directions, const std::vector<std::int32_t>& rows) {
    const auto got = summarise_projections(*bench_, x, directions, rows);
    return got ? std::string() : describe(got.error());
  };
  EXPECT_EQ(message(d, {0, 1, 2, 4}), "");
  EXPECT_THAT(message(d, {0, 4, 3}), testing::HasSubstr("row 3"));
  EXPECT_THAT(message(std::span(d).first(40), {0}), testing::HasSubstr("directions of 33 values each, found 40"));
  EXPECT_NE(message({}, {0}), "");
  EXPECT_NE(message(d, {5}), "");
  std::vector<double> bad = d;
  bad[34] = std::numeric_limits<double>::infinity();
  EXPECT_THAT(message(bad, {0}), testing::HasSubstr("direction 1 must be finite, element 1"));
  const std::vector<double> alphas{std::nan("")};
  const std::vector<std::int32_t> rows{0};
  EXPECT_FALSE(summarise_doses(*bench_, x, primitive_of(Mode::subtract, 33, 1.0), alphas, rows).has_value());
}

}  // namespace
}  // namespace vauban::test
