/// Every mode of the activation primitive against f64, on every executor, in f32 and bf16 storage; and planted faults.
#include <gmock/gmock.h>

#include "base/result.h"
#include "contract/primitive_checks.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Mode = PrimitiveMode;
/// Every kind of tail of a kernel that takes 2 x 16 elements at a time.
constexpr std::array<std::int64_t, 9> kWidths{1, 7, 16, 33, 48, 55, 64, 896, 2049};

ApplyPrimitive apply_with(Ops& ops) {
  return [&ops](const Tensor& x, const Primitive& p, std::span<const std::int32_t> rows) {
    return ops.primitive(x, p, rows);
  };
}

class PrimitiveModes : public testing::TestWithParam<Executor> {
 protected:
  Bench bench_{GetParam()};
  PrimitiveBounds bounds(DType storage) const {
    return primitive_in_f64(GetParam()) ? exact_bounds(storage) : f32_bounds(storage);
  }
};
INSTANTIATE_TEST_SUITE_P(Executors, PrimitiveModes, testing::ValuesIn(primitive_executors()), executor_name);

TEST_P(PrimitiveModes, MatchTheirFormulas) {
  const DType storage = bench_->activation_dtype();
  EXPECT_THAT(violations(apply_with(*bench_), storage, bounds(storage), kWidths), testing::IsEmpty());
  bench_.expect_clean();
}

TEST_P(PrimitiveModes, MatchTheirFormulasInBf16) {
  if (bench_->backend() != "cpu") GTEST_SKIP() << "this backend has no bf16 activations";
  EXPECT_THAT(violations(apply_with(*bench_), DType::bf16, bounds(DType::bf16), kWidths), testing::IsEmpty());
  bench_.expect_clean();
}

TEST_P(PrimitiveModes, SubtractLeavesNoComponentAndIsIdempotent) {
  const std::vector<std::int32_t> rows{0, 1, 2, 3};
  for (const std::int64_t width : {33, 896, 2049}) {
    const Tensor x = activation(*bench_, {4, width}, normals(static_cast<std::size_t>(4 * width), 71, 3.0));
    for (const Mode mode : {Mode::subtract, Mode::subspace_remove}) {
      const Primitive p = primitive_of(mode, width, 1.0);
      const PrimitiveResult once = bench_->primitive(x, p, rows), twice = bench_->primitive(once.output, p, rows);
      for (const double left : once.after)
        EXPECT_LE(std::abs(left), 1e-5 * 3.0 * std::sqrt(static_cast<double>(width)));
      EXPECT_LE(nmse(to_f64(twice.output), to_f64(once.output)), 1e-13);  // one more rounding to f32
    }
  }
}

TEST_P(PrimitiveModes, AddThenSubtractFollowsTheClosedForm) {
  const std::vector<std::int32_t> rows{0};
  const std::vector<double> h = normals(896, 72);
  const Primitive add = primitive_of(Mode::add, 896, 0.5), subtract = primitive_of(Mode::subtract, 896, 0.5);
  const PrimitiveResult added = bench_->primitive(activation(*bench_, {1, 896}, h), add, rows);
  const PrimitiveResult back = bench_->primitive(added.output, subtract, rows);
  const double p = added.before.at(0);
  std::vector<double> expected = h;  // (1 + a)(1 - a) p = p - a^2 p along d
  for (std::size_t i = 0; i < h.size(); ++i) expected[i] -= 0.25 * p * add.direction[i];
  EXPECT_LE(nmse(to_f64(back.output), expected), 1e-13);
  EXPECT_GT(nmse(to_f64(back.output), h), 1e-7);
}

TEST_P(PrimitiveModes, ARandomDirectionIsAControl) {
  // Rows lie mostly along d; removing d empties that component, removing a random direction r leaves p_d - p_r (r . d).
  const Primitive along = primitive_of(Mode::subtract, 896, 1.0, 80),
                  random = primitive_of(Mode::subtract, 896, 1.0, 90);
  std::vector<double> h = normals(4 * 896, 73);
  for (std::size_t i = 0; i < h.size(); ++i) h[i] = static_cast<float>(h[i] + 40.0 * along.direction[i % 896]);
  const std::vector<std::int32_t> rows{0, 1, 2, 3};
  const Tensor x = activation(*bench_, {4, 896}, h);
  const PrimitiveResult removed = bench_->primitive(x, along, rows), control = bench_->primitive(x, random, rows);
  Primitive look = along;
  look.mode = Mode::project;
  const PrimitiveResult seen = bench_->primitive(control.output, look, rows);
  double overlap = 0.0;
  for (std::size_t i = 0; i < 896; ++i) overlap += along.direction[i] * random.direction[i];
  for (std::size_t row = 0; row < 4; ++row) {
    EXPECT_LT(std::abs(removed.after[row]), 1e-3);
    EXPECT_NEAR(seen.before[row], removed.before[row] - control.before[row] * overlap, 1e-3);
    EXPECT_GT(seen.before[row], 30.0);
  }
}

TEST_P(PrimitiveModes, GatesAreCountedWhereTheyOpen) {
  std::vector<double> h = normals(8 * 33, 74);
  for (std::size_t row = 0; row < 8; ++row) h[row * 33 + 32] = row % 3 == 0 ? 5.0 : -5.0;  // the last element gates
  Primitive p = primitive_of(Mode::conditional, 33, 1.0);
  p.gate.assign(33, 0.0);
  p.gate.back() = 1.0;
  const std::vector<std::int32_t> rows{0, 1, 2, 3, 4, 6, 6};
  const PrimitiveResult result = bench_->primitive(activation(*bench_, {8, 33}, h), p, rows);
  EXPECT_EQ(result.gates_open, 4);  // rows 0, 3, and 6 twice
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(result.delta_norm[i] > 0.0, rows[i] % 3 == 0) << rows[i];
  EXPECT_EQ(result.after[5], result.after[6]);
}

TEST_P(PrimitiveModes, TheFirstNamedRowThatIsNotFiniteIsReported) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    std::vector<double> h = normals(5 * 33, 75);
    h[3 * 33 + 32] = h[1 * 33] = bad;
    const Tensor x = activation(*bench_, {5, 33}, h);
    const std::vector<std::int32_t> rows{0, 3, 1}, good{0, 2};
    for (const Mode mode : all_primitive_modes()) {
      bench_->begin_step();
      bench_->primitive(x, primitive_of(mode, 33, 1.0), good);
      bench_.expect_clean();
      for (const double alpha : {0.0, 1.0}) {
        bench_->begin_step();
        bench_->primitive(x, primitive_of(mode, 33, alpha), rows);
        const Result<void> status = bench_->end_step();
        ASSERT_FALSE(status.has_value()) << to_string(mode) << " " << alpha;
        EXPECT_EQ(status.error().code, ErrorCode::invalid_input);
        EXPECT_NE(status.error().message.find("row 3"), std::string::npos) << describe(status.error());
      }
    }
  }
}

TEST_P(PrimitiveModes, BitsDoNotDependOnThreadsOrOnTheOtherRows) {
  if (!bench_->invariant_bits()) GTEST_SKIP() << "this backend promises closeness, not bits";
  constexpr std::int64_t kRows = 150, kWidth = 897;
  const std::vector<double> h = normals(kRows * kWidth, 76);
  std::vector<std::int32_t> rows(kRows);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
  Bench many(GetParam(), 4);
  const Tensor x = activation(*bench_, {kRows, kWidth}, h);
  for (const Mode mode : all_primitive_modes()) {
    const Primitive p = primitive_of(mode, kWidth, 0.6);
    const PrimitiveResult one = bench_->primitive(x, p, rows), four = many->primitive(x, p, rows);
    EXPECT_EQ(bits(one.output), bits(four.output)) << to_string(mode);
    EXPECT_EQ(one.before, four.before) << to_string(mode);
    EXPECT_EQ(one.after, four.after) << to_string(mode);
    EXPECT_EQ(one.delta_norm, four.delta_norm) << to_string(mode);
    for (const std::int32_t row : {0, 73, 149}) {
      const std::vector<double> alone(h.begin() + row * kWidth, h.begin() + (row + 1) * kWidth);
      const std::vector<std::int32_t> only{0};
      const PrimitiveResult single = bench_->primitive(activation(*bench_, {1, kWidth}, alone), p, only);
      EXPECT_EQ(bits(single.output), bits(one.output.rows(row, row + 1))) << to_string(mode);
      EXPECT_EQ(single.delta_norm.at(0), one.delta_norm[static_cast<std::size_t>(row)]) << to_string(mode);
    }
  }
}

// ---- planted faults: each must be seen by violations() ----

/// The reference with something wrong about it.
struct Mutant {
  std::string name;
  std::function<void(Primitive&)> before;                                              ///< changes what is asked
  std::function<void(const Tensor& x, PrimitiveResult&)> after = [](auto&, auto&) {};  ///< changes what came out
};

Tensor host_copy(const Tensor& x) {
  Tensor copy = make_host_tensor(x.dtype(), x.shape());
  std::copy_n(x.as<double>(), x.shape().elements(), copy.as<double>());
  return copy;
}

std::vector<Mutant> mutants() {
  const auto same = [](Primitive&) {};
  const auto row_width = [](const Tensor& x) { return x.shape().width(); };
  return {
      {"wrong sign", [](Primitive& p) { p.alpha = -p.alpha; }},
      {"alpha is not used", [](Primitive& p) { p.alpha = p.alpha == 0.0 ? 0.0 : 1.0; }},
      {"alpha 0 is not used", [](Primitive& p) { p.alpha = p.alpha == 0.0 ? 1.0 : p.alpha; }},
      {"gate opens at its threshold", [](Primitive& p) { p.tau = std::nextafter(p.tau, -1e300); }},
      {"the gate is its own direction",
       [](Primitive& p) {
         if (p.mode == Mode::conditional) p.gate = p.direction;
       }},
      {"clamp forgets its lower bound", [](Primitive& p) { p.lo = -1e30; }},
      {"one basis row is forgotten",
       [](Primitive& p) {
         for (std::size_t i = p.direction.size() / static_cast<std::size_t>(p.basis_rows); i < p.direction.size(); ++i)
           p.direction[i] *= p.basis_rows == 3 && i >= 2 * p.direction.size() / 3 ? 0.0 : 1.0;
       }},
      {"the last element is dropped", same,
       [=](const Tensor& x, PrimitiveResult& r) {
         for (std::int64_t i = row_width(x) - 1; i < x.shape().elements(); i += row_width(x))
           r.output.as<double>()[i] = x.as<double>()[i];
       }},
      {"minus zero loses its sign", same,
       [](const Tensor& x, PrimitiveResult& r) {
         if (r.output.storage() == x.storage()) r.output = host_copy(x);
         for (std::int64_t i = 0; i < x.shape().elements(); ++i) r.output.as<double>()[i] += 0.0;
       }},
      {"an unnamed row is edited", same,
       [=](const Tensor& x, PrimitiveResult& r) {
         if (x.shape().rows() == 6) r.output.as<double>()[row_width(x)] += 1e-9;
       }},
      {"the effect is not measured", same, [](const Tensor&, PrimitiveResult& r) { r.after = r.before; }},
      {"the change is not measured", same,
       [](const Tensor&, PrimitiveResult& r) { std::fill(r.delta_norm.begin(), r.delta_norm.end(), 0.0); }},
      {"the input is not measured", same,
       [](const Tensor&, PrimitiveResult& r) { std::fill(r.input_norm.begin(), r.input_norm.end(), 0.0); }},
      {"gates are not counted", same, [](const Tensor&, PrimitiveResult& r) { r.gates_open = 0; }},
  };
}

TEST(PrimitiveFaults, EachPlantedFaultIsSeen) {
  Bench bench({"reference", "reference", {}});
  for (const Mutant& mutant : mutants()) {
    const ApplyPrimitive faulty = [&](const Tensor& x, const Primitive& asked, std::span<const std::int32_t> rows) {
      Primitive p = asked;
      mutant.before(p);
      PrimitiveResult result = bench->primitive(x, p, rows);
      mutant.after(x, result);
      return result;
    };
    EXPECT_THAT(violations(faulty, DType::f64, f32_bounds(DType::f64), kWidths), testing::Not(testing::IsEmpty()))
        << mutant.name;
  }
  EXPECT_THAT(violations(apply_with(*bench), DType::f64, exact_bounds(DType::f64), kWidths), testing::IsEmpty());
}

}  // namespace
}  // namespace vauban::test
