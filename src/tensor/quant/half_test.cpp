#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include "base/result.h"
#include "support/test_data.h"
#include "tensor/quant/format.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vauban {
namespace {

TEST(Half, EveryBinary16ValueRoundTrips) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const bool signalling = (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0 && !(bits & 0x200);
    const auto expected = static_cast<std::uint16_t>(signalling ? bits | 0x200 : bits);
    ASSERT_EQ(f32_to_f16(f16_to_f32(static_cast<std::uint16_t>(bits))), expected) << bits;
  }
}

TEST(Half, KnownValuesOfTheStandard) {
  EXPECT_EQ(f16_to_f32(0x3c00), 1.0f);
  EXPECT_EQ(f16_to_f32(0x7bff), 65504.0f);
  EXPECT_EQ(f16_to_f32(0x0001), 0x1p-24f);
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);         // a tie, to even
  EXPECT_EQ(f32_to_f16(0x1.000002p-25f), 0x0001);  // just above it
  EXPECT_EQ(f32_to_f16(-0.0f), 0x8000);
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3c00);  // a tie, to even
  EXPECT_EQ(f32_to_f16(1.0f + 0x3p-11f), 0x3c02);  // a tie, to even
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, Bfloat16RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x3p-8f), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7f800001u)), 0x7fc0);
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const float value = bf16_to_f32(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(f32_to_bf16(value), bits);
  }
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) std::uint16_t by_hardware(float value) {
  return static_cast<std::uint16_t>(_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), 0), 0));
}
__attribute__((target("f16c"))) float by_hardware(std::uint16_t bits) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

TEST(Half, AgreesWithTheHardwareBitForBit) {
  if (!__builtin_cpu_supports("f16c")) GTEST_SKIP() << "this processor has no F16C";
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(f16_to_f32(half)), std::bit_cast<std::uint32_t>(by_hardware(half))) << bits;
  }
  constexpr std::uint32_t kSeed = 20240607;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  for (int i = 0; i < 2'000'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    ASSERT_EQ(f32_to_f16(value), by_hardware(value)) << std::bit_cast<std::uint32_t>(value);
  }
}
#endif

}  // namespace
}  // namespace vauban
