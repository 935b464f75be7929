#include "data/shuffle.h"

#include <numeric>
#include <utility>

#include "base/rng.h"

namespace vauban {

std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed, ShuffleStream stream, std::uint64_t round) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(seed, (static_cast<std::uint64_t>(stream) << 32) | round);
  for (std::size_t left = count; left > 1; --left) std::swap(order[left - 1], order[rng.below(left)]);
  return order;
}

}  // namespace vauban
