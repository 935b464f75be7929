/// PairTable: which two neighbouring ids merge, and to what. Built once; open addressing over one array.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "text/models/merge.h"

namespace vauban {

class PairTable {
 public:
  void reserve(std::size_t count) { slots_.resize(std::bit_ceil(count * 2 + 2)); }

  /// Of equal pairs the last one stays, as in the reference. At most as many as reserved.
  void set(std::int32_t left, std::int32_t right, Merge merge) { slots_[place(key_of(left, right))] = {key_of(left, right), merge}; }

  /// Null when the two do not merge.
  const Merge* find(std::int32_t left, std::int32_t right) const {
    const Slot& slot = slots_[place(key_of(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // (-1, -1), which is no pair
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t place(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t hash = key * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    std::size_t at = hash & mask;
    while (slots_[at].key != key && slots_[at].key != kEmpty) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(2);
};

}  // namespace vauban
