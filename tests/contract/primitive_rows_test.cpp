/// The vector kernels on rows in memory (backends/cpu/primitive.h): any address, any magnitude, each target.
#include "ops/primitive_rows.h"

#include <bit>
#include <gmock/gmock.h>

#include "backends/cpu/cpu_target.h"
#include "backends/cpu/primitive.h"
#include "base/result.h"
#include "contract/primitive_checks.h"

namespace vauban::test {
namespace {

using Mode = PrimitiveMode;

/// Rows at an odd address between guards of NaN patterns, and room for the output at another.
class OddRows {
 public:
  OddRows(cpu::RowType type, std::int64_t count, std::int64_t width, const std::vector<double>& values)
      : type_(type), count_(count), width_(width), in_(size(), 1), out_(size(), 3) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto narrow = static_cast<float>(values[i]);
      const std::uint16_t half = f32_to_bf16(narrow);
      if (type == cpu::RowType::f32)
        std::memcpy(in_.data() + 4 * i, &narrow, 4);
      else
        std::memcpy(in_.data() + 2 * i, &half, 2);
    }
  }
  cpu::PrimitiveRows view() {
    return {.type = type_, .input = in_.data(), .output = out_.data(), .count = count_, .width = width_};
  }
  std::string output() { return {reinterpret_cast<const char*>(out_.data()), size()}; }
  std::string input() { return {reinterpret_cast<const char*>(in_.data()), size()}; }

 private:
  std::size_t size() const { return static_cast<std::size_t>(count_ * width_) * (type_ == cpu::RowType::f32 ? 4 : 2); }
  cpu::RowType type_;
  std::int64_t count_, width_;
  GuardedStorage in_, out_;
};

class PrimitiveRowsTest : public testing::TestWithParam<CpuTarget> {
 protected:
  const cpu::PrimitiveKernels& kernels_ = cpu::primitive_kernels_of(GetParam());
  ThreadPool pool_{2};

  PrimitiveResult apply(OddRows& x, const Primitive& p, const std::vector<std::int32_t>& rows) {
    PrimitiveResult result;
    bad_row_ = cpu::apply_primitive(kernels_, pool_, p, x.view(), rows, result);
    return result;
  }
  std::int64_t bad_row_ = -1;
};
INSTANTIATE_TEST_SUITE_P(Targets, PrimitiveRowsTest, testing::ValuesIn(available_cpu_targets()),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST_P(PrimitiveRowsTest, OddAddressesGiveTheSameBitsAsAlignedOnes) {
  for (const cpu::RowType type : {cpu::RowType::f32, cpu::RowType::bf16}) {
    for (const std::int64_t width : {1, 7, 33, 897}) {
      const std::vector<double> h = normals(static_cast<std::size_t>(3 * width), 100);
      for (const Mode mode : {Mode::subtract, Mode::subspace_remove, Mode::conditional, Mode::clamp}) {
        const Primitive p = primitive_of(mode, width, 0.7);
        OddRows odd(type, 3, width, h);
        const PrimitiveResult got = apply(odd, p, {0, 2});
        const DType dtype = type == cpu::RowType::f32 ? DType::f32 : DType::bf16;
        Bench bench({"cpu", "cpu", GetParam(), PrimitivePath::simd});
        const std::vector<std::int32_t> rows{0, 2};
        const PrimitiveResult aligned = bench->primitive(stored_rows(dtype, {3, width}, h), p, rows);
        EXPECT_EQ(odd.output(), bits(aligned.output)) << to_string(mode) << " " << width;
        EXPECT_EQ(got.before, aligned.before);
        EXPECT_EQ(got.after, aligned.after);
      }
    }
  }
}

TEST_P(PrimitiveRowsTest, HalfwayBf16ElementsGoToTheEvenOne) {
  OddRows x(cpu::RowType::bf16, 1, 2, {1.0, 1.0 + 0x1p-7});
  const Primitive p{.mode = Mode::offset, .direction = {0x1p-8, 0x1p-8}};
  apply(x, validate_primitive(p, 2).value(), {0});
  std::array<std::uint16_t, 2> got{};
  const std::string bytes = x.output();
  std::memcpy(got.data(), bytes.data(), sizeof got);
  EXPECT_EQ(got, (std::array<std::uint16_t, 2>{0x3f80, 0x3f82}));
}

TEST_P(PrimitiveRowsTest, NothingIsWrittenWhereNothingCanChange) {
  OddRows x(cpu::RowType::f32, 2, 33, normals(66, 101));
  const std::string before = x.output();
  for (const Mode mode : all_primitive_modes()) apply(x, primitive_of(mode, 33, 0.0), {0, 1});
  apply(x, primitive_of(Mode::project, 33, 1.0), {0, 1});
  EXPECT_EQ(x.output(), before);
}

/// The scalar path is the reference where f32 sums cannot be trusted.
TEST_P(PrimitiveRowsTest, MagnitudesBeyondTheReachOfF32SumsGoThroughF64) {
  for (const double scale : {1e-40, 1e-25, 1e-16, 1e17, 1e30, 3e37}) {
    const std::vector<double> h = normals(2 * 48, 102, scale);
    for (const Mode mode : {Mode::subtract, Mode::subspace_remove, Mode::offset}) {
      const Primitive p = primitive_of(mode, 48, 1.0);
      OddRows fast(cpu::RowType::f32, 2, 48, h), slow(cpu::RowType::f32, 2, 48, h);
      const PrimitiveResult got = apply(fast, p, {0, 1});
      EXPECT_EQ(bad_row_, -1);
      PrimitiveResult expected;
      const std::vector<std::int32_t> rows{0, 1};
      cpu::apply_primitive_scalar(p, slow.view(), rows, expected);
      for (std::size_t row = 0; row < 2; ++row) {
        EXPECT_NEAR(got.delta_norm[row], expected.delta_norm[row], 1e-4 * expected.delta_norm[row]) << scale;
        EXPECT_EQ(got.delta_norm[row] > 0.0, expected.delta_norm[row] > 0.0) << scale;
        EXPECT_TRUE(std::isfinite(got.after[row])) << scale;
      }
    }
  }
}

TEST_P(PrimitiveRowsTest, VectorsThatDoNotFitF32GoThroughF64) {
  const std::vector<double> h = normals(48, 103);
  Primitive tiny = primitive_of(Mode::offset, 48, 1e45);  // together of ordinary size
  for (double& value : tiny.direction) value *= 1e-45;
  Primitive wide_gate = primitive_of(Mode::conditional, 48, 1.0);
  for (double& value : wide_gate.gate) value *= 1e60;
  for (const Primitive& p : {tiny, wide_gate}) {
    OddRows fast(cpu::RowType::f32, 1, 48, h), slow(cpu::RowType::f32, 1, 48, h);
    const PrimitiveResult got = apply(fast, p, {0});
    PrimitiveResult expected;
    const std::vector<std::int32_t> rows{0};
    cpu::apply_primitive_scalar(p, slow.view(), rows, expected);
    EXPECT_EQ(fast.output(), slow.output());
    EXPECT_EQ(got.before, expected.before);
    EXPECT_EQ(got.gates_open, expected.gates_open);
  }
}

TEST_P(PrimitiveRowsTest, ANonFiniteRowIsNamedAndTheOthersAreDone) {
  for (const cpu::RowType type : {cpu::RowType::f32, cpu::RowType::bf16}) {
    std::vector<double> h = normals(4 * 33, 104);
    h[2 * 33 + 32] = std::numeric_limits<double>::infinity();
    OddRows x(type, 4, 33, h);
    const PrimitiveResult got = apply(x, primitive_of(Mode::subtract, 33, 1.0), {3, 2, 0});
    EXPECT_EQ(bad_row_, 2);
    EXPECT_GT(got.delta_norm[0], 0.0);
    EXPECT_GT(got.delta_norm[2], 0.0);
  }
}

TEST(PrimitiveTargets, WithFmaGiveTheSameBits) {
  const auto targets = available_cpu_targets();
  if (std::ranges::find(targets, CpuTarget::avx512) == targets.end()) GTEST_SKIP() << "this processor has no AVX-512";
  ThreadPool pool(1);
  for (const Mode mode : all_primitive_modes()) {
    const Primitive p = primitive_of(mode, 897, 0.6);
    std::vector<std::string> outputs;
    std::vector<std::vector<double>> after;
    for (const CpuTarget target : {CpuTarget::avx2, CpuTarget::avx512}) {
      OddRows x(cpu::RowType::bf16, 5, 897, normals(5 * 897, 105));
      PrimitiveResult result;
      const std::vector<std::int32_t> rows{0, 1, 2, 4};
      cpu::apply_primitive(cpu::primitive_kernels_of(target), pool, p, x.view(), rows, result);
      outputs.push_back(x.output());
      after.push_back(result.after);
    }
    EXPECT_EQ(outputs[0], outputs[1]) << to_string(mode);
    EXPECT_EQ(after[0], after[1]) << to_string(mode);
  }
}

TEST(Bf16, RoundsADoubleOnceToNearestEven) {
  // 1 + 2^-8 lies halfway between two bf16 numbers; what is just above it in f64 must not be lost on the way.
  EXPECT_EQ(Bf16(1.0 + 0x1p-8).bits, 0x3f80);
  EXPECT_EQ(Bf16(1.0 + 0x1p-8 + 0x1p-40).bits, 0x3f81);
  EXPECT_EQ(Bf16(-(1.0 + 0x1p-8 + 0x1p-40)).bits, 0xbf81);
  EXPECT_EQ(Bf16(1.0 + 3 * 0x1p-8).bits, 0x3f82);
  EXPECT_EQ(Bf16(1.0 + 3 * 0x1p-8 - 0x1p-40).bits, 0x3f81);
  EXPECT_EQ(Bf16(1e300).bits, 0x7f80);
  EXPECT_EQ(Bf16(-0.0).bits, 0x8000);
  EXPECT_TRUE(std::isnan(static_cast<double>(Bf16(std::nan("")))));
}

TEST(PrimitivePaths, AProfileNamesTheOneThatRan) {
  const std::vector<std::int32_t> rows{0};
  for (const PrimitivePath path : {PrimitivePath::scalar, PrimitivePath::simd}) {
    Bench bench({"cpu", "cpu", CpuTarget::portable, path});
    EXPECT_EQ(bench->take_counters().kernel_path, "cpu/portable");
    const Tensor x = activation(*bench, {1, 33}, normals(33, 106));
    bench->primitive(x, primitive_of(Mode::subtract, 33, 1.0), rows);
    EXPECT_THAT(bench->take_counters().kernel_path,
                testing::StartsWith("cpu/portable primitive/" + std::string(to_string(path))));
    EXPECT_EQ(bench->take_counters().kernel_path, "cpu/portable");
  }
}

}  // namespace
}  // namespace vauban::test
