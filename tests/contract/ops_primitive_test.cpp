/// The activation primitive on every executor, against closed forms (trace-contract section 7).
#include "base/result.h"
#include "contract/ops_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Mode = PrimitiveMode;
constexpr std::array kAllModes{Mode::project,         Mode::subtract,     Mode::add,   Mode::subspace_project,
                               Mode::subspace_remove, Mode::subspace_add, Mode::clamp, Mode::conditional,
                               Mode::offset};

bool has_basis(Mode mode) {
  return mode == Mode::subspace_project || mode == Mode::subspace_remove || mode == Mode::subspace_add;
}

/// A valid primitive of any mode for `width`.
Primitive some(Mode mode, std::int64_t width, double alpha) {
  const std::int64_t rows = has_basis(mode) ? 2 : 1;
  Primitive p{.mode = mode,
              .direction = normals(static_cast<std::size_t>(rows * width), 50),
              .basis_rows = rows,
              .alpha = alpha};
  if (mode == Mode::clamp) p.lo = -0.1, p.hi = 0.1;
  if (mode == Mode::conditional) p.gate = normals(static_cast<std::size_t>(width), 51);
  return validate_primitive(p, width).value();
}

class PrimitiveContract : public testing::TestWithParam<Executor> {
 protected:
  Bench bench_{GetParam()};

  /// h = [1, 2, 3] with d = e2 (index 1) unless `p` says otherwise.
  PrimitiveResult apply(Primitive p, std::vector<double> h = {1.0, 2.0, 3.0}) {
    if (p.direction.empty()) p.direction = {0.0, 1.0, 0.0};
    const auto valid = validate_primitive(p, 3);
    EXPECT_TRUE(valid.has_value()) << (valid ? "" : describe(valid.error()));
    const std::vector<std::int32_t> rows{0};
    return bench_->primitive(activation(*bench_, {1, 3}, h), *valid, rows);
  }
  void expect(const PrimitiveResult& result, std::vector<double> h, double before, double after, double delta) {
    EXPECT_EQ(to_f64(result.output), h);
    EXPECT_EQ(result.before, std::vector<double>{before});
    EXPECT_EQ(result.after, std::vector<double>{after});
    EXPECT_EQ(result.delta_norm, std::vector<double>{delta});
    bench_.expect_clean();
  }
};
INSTANTIATE_TEST_SUITE_P(Executors, PrimitiveContract, testing::ValuesIn(primitive_executors()), executor_name);

TEST_P(PrimitiveContract, ProjectReadsAndChangesNothing) { expect(apply({.mode = Mode::project}), {1, 2, 3}, 2, 2, 0); }
TEST_P(PrimitiveContract, SubtractRemovesTheComponent) { expect(apply({.mode = Mode::subtract}), {1, 0, 3}, 2, 0, 2); }
TEST_P(PrimitiveContract, SubtractScalesWithAlpha) {
  expect(apply({.mode = Mode::subtract, .alpha = 0.25}), {1, 1.5, 3}, 2, 1.5, 0.5);
}
TEST_P(PrimitiveContract, AddScalesTheComponentThatIsThere) {
  expect(apply({.mode = Mode::add, .alpha = 0.5}), {1, 3, 3}, 2, 3, 1);
}
TEST_P(PrimitiveContract, AddThenSubtractIsNotTheIdentity) {
  const auto added = to_f64(apply({.mode = Mode::add, .alpha = 0.5}).output);
  expect(apply({.mode = Mode::subtract, .alpha = 0.5}, added), {1, 1.5, 3}, 3, 1.5, 1.5);  // 2 * 1.5 * 0.5
}
TEST_P(PrimitiveContract, ADirectionOfAnyLengthIsNormalised) {
  expect(apply({.mode = Mode::subtract, .direction = {0.0, 7.0, 0.0}}), {1, 0, 3}, 2, 0, 2);
}
TEST_P(PrimitiveContract, ClampMovesOnlyWhatLiesOutside) {
  expect(apply({.mode = Mode::clamp, .lo = -1.0, .hi = 1.0}), {1, 1, 3}, 2, 1, 1);
  expect(apply({.mode = Mode::clamp, .lo = 2.5, .hi = 3.0}), {1, 2.5, 3}, 2, 2.5, 0.5);
  expect(apply({.mode = Mode::clamp, .lo = 0.0, .hi = 5.0}), {1, 2, 3}, 2, 2, 0);
  expect(apply({.mode = Mode::clamp, .alpha = 0.5, .lo = -1.0, .hi = 1.0}), {1, 1.5, 3}, 2, 1.5, 0.5);
}
TEST_P(PrimitiveContract, OffsetKeepsTheLengthOfItsVector) {
  expect(apply({.mode = Mode::offset, .direction = {0.0, 4.0, 0.0}, .alpha = 0.5}), {1, 4, 3}, 8, 16, 2);
}
TEST_P(PrimitiveContract, ConditionalActsOnlyWhereTheGateIsOpen) {
  const PrimitiveResult open = apply({.mode = Mode::conditional, .gate = {0, 0, 1}, .tau = 2.9});
  expect(open, {1, 0, 3}, 2, 0, 2);
  EXPECT_EQ(open.gates_open, 1);
  const PrimitiveResult closed = apply({.mode = Mode::conditional, .gate = {0, 0, 1}, .tau = 3.0});
  expect(closed, {1, 2, 3}, 2, 2, 0);  // strictly greater
  EXPECT_EQ(closed.gates_open, 0);
}
TEST_P(PrimitiveContract, SubspaceModesMatchTheirClosedForms) {
  const std::vector<double> basis{1, 0, 0, 0, 0, 2};  // e1, and e3 before normalisation
  const auto run = [&](Mode mode, double alpha) {
    return apply({.mode = mode, .direction = basis, .basis_rows = 2, .alpha = alpha});
  };
  const PrimitiveResult seen = run(Mode::subspace_project, 1.0);
  EXPECT_EQ(to_f64(seen.output), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(seen.before, (std::vector<double>{1, 3}));
  const PrimitiveResult removed = run(Mode::subspace_remove, 1.0);
  EXPECT_EQ(to_f64(removed.output), (std::vector<double>{0, 2, 0}));
  EXPECT_EQ(removed.after, (std::vector<double>{0, 0}));
  EXPECT_NEAR(removed.delta_norm.at(0), std::sqrt(10.0), 1e-6);  // f32 on some
  EXPECT_EQ(to_f64(run(Mode::subspace_add, 2.0).output), (std::vector<double>{3, 2, 9}));
}

TEST_P(PrimitiveContract, AlphaZeroIsTheIdentityInEveryMode) {
  std::vector<double> h = normals(3 * 43, 60);
  h[5] = -0.0;
  const std::vector<std::int32_t> rows{0, 1, 2};
  const Tensor x = activation(*bench_, {3, 43}, h);
  for (const Mode mode : kAllModes) {
    const PrimitiveResult result = bench_->primitive(x, some(mode, 43, 0.0), rows);
    EXPECT_EQ(bits(result.output), bits(x)) << to_string(mode);
    EXPECT_EQ(result.before, result.after) << to_string(mode);
    EXPECT_EQ(result.delta_norm, std::vector<double>(3, 0.0)) << to_string(mode);
  }
}

/// An edit that does nothing to a row must not turn its -0 into 0 either.
TEST_P(PrimitiveContract, ARowThatIsNotMovedKeepsItsBits) {
  std::vector<double> h = normals(2 * 43, 60);
  h[5] = h[50] = -0.0;
  const std::vector<std::int32_t> rows{0, 1};
  const Tensor x = activation(*bench_, {2, 43}, h);
  Primitive closed = some(Mode::conditional, 43, 1.0), within = some(Mode::clamp, 43, 1.0);
  closed.tau = 1e6;
  within.lo = -1e6, within.hi = 1e6;
  for (const Primitive& p : {closed, within}) {
    const PrimitiveResult result = bench_->primitive(x, p, rows);
    EXPECT_EQ(bits(result.output), bits(x)) << to_string(p.mode);
    EXPECT_EQ(result.delta_norm, (std::vector<double>{0.0, 0.0})) << to_string(p.mode);
  }
}

TEST_P(PrimitiveContract, AnEditCountsTheBytesThatItReadAndWrote) {
  const Tensor x = activation(*bench_, {4, 43}, normals(4 * 43, 60));
  const std::vector<std::int32_t> rows{0, 1, 2, 3};
  bench_->take_counters();
  bench_->primitive(x, some(Mode::subtract, 43, 1.0), rows);
  const OpCounters counters = bench_->take_counters();
  const std::int64_t size = x.shape().elements() * info(x.dtype()).bits / 8;
  EXPECT_GE(counters.bytes_read, size);
  EXPECT_GE(counters.bytes_written, size);
}

TEST_P(PrimitiveContract, OnlyTheNamedRowsChangeAndTheInputNever) {
  const Tensor x = activation(*bench_, {5, 43}, normals(5 * 43, 60));
  const std::string before = bits(x);
  const std::vector<std::int32_t> rows{1, 4};
  for (const Mode mode : {Mode::subtract, Mode::add, Mode::subspace_remove, Mode::clamp, Mode::offset}) {
    const PrimitiveResult result = bench_->primitive(x, some(mode, 43, 0.7), rows);
    EXPECT_EQ(bits(x), before);
    for (std::int64_t row = 0; row < 5; ++row)
      EXPECT_EQ(bits(result.output.rows(row, row + 1)) == bits(x.rows(row, row + 1)), row != 1 && row != 4)
          << to_string(mode) << " row " << row;
    EXPECT_EQ(result.delta_norm.size(), 2u);
    EXPECT_GT(result.delta_norm[0], 0.0);
  }
}

TEST_P(PrimitiveContract, SubtractAndRemoveAreIdempotentAndLeaveNoComponent) {
  const Tensor x = activation(*bench_, {4, 172}, normals(4 * 172, 61));
  const std::vector<std::int32_t> rows{0, 1, 2, 3};
  for (const Mode mode : {Mode::subtract, Mode::subspace_remove}) {
    const Primitive p = some(mode, 172, 1.0);
    const PrimitiveResult once = bench_->primitive(x, p, rows), twice = bench_->primitive(once.output, p, rows);
    for (const double left : once.after) EXPECT_LE(std::abs(left), 1e-5 * std::sqrt(172.0));
    EXPECT_LE(nmse(to_f64(twice.output), to_f64(once.output)), 1e-13);  // one rounding to f32
  }
}

TEST_P(PrimitiveContract, MatchesTheFormulaOnRandomRows) {
  const std::vector<double> h = normals(172, 62);
  const Primitive p = some(Mode::subtract, 172, 0.6);
  double projection = 0.0, length = 0.0;
  for (std::size_t i = 0; i < h.size(); ++i)
    projection += h[i] * p.direction[i], length += p.direction[i] * p.direction[i];
  EXPECT_NEAR(length, 1.0, 1e-14);
  std::vector<double> expected = h;
  for (std::size_t i = 0; i < h.size(); ++i) expected[i] -= 0.6 * projection * p.direction[i];
  const std::vector<std::int32_t> rows{0};
  const PrimitiveResult result = bench_->primitive(activation(*bench_, {1, 172}, h), p, rows);
  EXPECT_LE(nmse(to_f64(result.output), expected), 1e-14);
  // 172 terms in f32: each partial sum rounds by up to 2^-24 of its size, which is about |h| = sqrt(172).
  EXPECT_NEAR(result.before.at(0), projection, primitive_in_f64(GetParam()) ? 1e-12 : 1e-6 * std::sqrt(172.0));
}

TEST_P(PrimitiveContract, NonFiniteActivationsAreReportedNotRepaired) {
  const PrimitiveResult result = apply({.mode = Mode::subtract}, {1.0, std::nan(""), 3.0});
  EXPECT_TRUE(std::isnan(to_f64(result.output)[1]));
  const Result<void> status = bench_->end_step();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::invalid_input);
  EXPECT_NE(status.error().message.find("row 0"), std::string::npos);
}

TEST_P(PrimitiveContract, RowsOutsideTheActivationAreRefused) {
  const std::vector<std::int32_t> rows{3};
  bench_->primitive(activation(*bench_, {3, 4}, normals(12, 1)), some(Mode::subtract, 4, 1.0), rows);
  EXPECT_FALSE(bench_->end_step().has_value());
}

}  // namespace
}  // namespace vauban::test
