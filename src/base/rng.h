/// Counter-based random numbers: a value depends only on its key and counter, never on what was drawn before, so a
/// sampled sequence does not depend on its batch.
/// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10),
/// doi 10.1145/2063384.2063405.
#pragma once

#include <array>
#include <cstdint>

namespace vauban {

/// The raw Philox4x32-10 block function.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

struct RngKey {
  std::uint64_t seed = 0;
  std::uint64_t request = 0;   ///< which request of the batch (its stable number, not its slot)
  std::uint32_t sample = 0;    ///< which of several samples of that request
  std::uint32_t position = 0;  ///< token position, or any counter
};

/// Uniform in [0, 1) with 53 bits. The same key gives the same value on every machine.
double uniform(const RngKey& key);

/// A stream on top, for code that needs many values (tests, initialisers, bootstraps).
class Rng {
 public:
  explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  std::uint32_t next_u32();
  std::uint64_t next_u64();
  /// The next next_u64() or uniform() is number `draw` of the stream, as if `draw` of them had been taken.
  void seek(std::uint64_t draw);
  double uniform();                          ///< [0, 1)
  double normal();                           ///< mean 0, variance 1 (Box-Muller)
  std::uint64_t below(std::uint64_t bound);  ///< unbiased in [0, bound); bound > 0

 private:
  std::uint64_t seed_, stream_, counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace vauban
