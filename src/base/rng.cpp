#include "base/rng.h"

#include <cmath>
#include <numbers>

namespace vauban {
namespace {

// Source: Salmon et al. 2011, table 2 and section 3.3: multipliers, Weyl key increments and rounds of Philox4x32-10.
constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kKeyStep0 = 0x9E3779B9;
constexpr std::uint32_t kKeyStep1 = 0xBB67AE85;
constexpr int kRounds = 10;

/// Keeps the streams of Rng apart from the values of uniform(RngKey) under the same seed.
constexpr std::uint64_t kStreamDomain = 0x53'54'52'45'41'4D'53'00;

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

double to_unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1), high(product0) ^ counter[3] ^ key[1],
               low(product0)};
    key[0] += kKeyStep0;
    key[1] += kKeyStep1;
  }
  return counter;
}

double uniform(const RngKey& key) {
  const auto block =
      philox4x32({low(key.request), high(key.request), key.sample, key.position}, {low(key.seed), high(key.seed)});
  return to_unit(std::uint64_t{block[1]} << 32 | block[0]);
}

std::uint32_t Rng::next_u32() {
  if (used_ == 4) {
    const std::uint64_t key = seed_ ^ kStreamDomain;
    block_ = philox4x32({low(counter_), high(counter_), low(stream_), high(stream_)}, {low(key), high(key)});
    ++counter_;
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

std::uint64_t Rng::next_u64() {
  const std::uint64_t first = next_u32();
  return std::uint64_t{next_u32()} << 32 | first;
}

void Rng::seek(std::uint64_t draw) {
  counter_ = draw / 2;
  used_ = 4;
  if (draw % 2 == 1) next_u64();
}

double Rng::uniform() { return to_unit(next_u64()); }

double Rng::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 - u is never 0
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::uint64_t Rng::below(std::uint64_t bound) {
  if (bound < 2) return 0;
  const std::uint64_t excess = -bound % bound;  // 2^64 mod bound: that many values would be drawn once too often
  for (;;) {
    const std::uint64_t value = next_u64();
    if (value >= excess) return value % bound;
  }
}

}  // namespace vauban
