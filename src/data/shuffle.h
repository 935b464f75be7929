/// A random order that depends on its numbers alone, never on what was drawn before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vauban {

/// What an order is for: equal seeds must not give equal orders for different purposes.
enum class ShuffleStream : std::uint64_t { epochs = 1, held_out = 2 };

/// A permutation of 0 .. count-1 (Fisher-Yates over Philox), the same on every machine. `round` is below 2^32.
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed, ShuffleStream stream, std::uint64_t round);

}  // namespace vauban
