/// TextTable: a set of texts with a number each, built once and then looked up many times. It keeps views: the texts must
/// outlive it. Open addressing over one array, which costs one or two cache misses a look-up.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace vauban {

/// Not for data that an attacker may choose to be slow: equal hashes cost a linear search.
inline std::uint64_t hash_of(std::string_view text) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15u, kB = 0xD6E8FEB86659FD93u;
  const auto mix = [](std::uint64_t x) { return (x ^ (x >> 32)) * kB; };
  std::uint64_t hash = text.size() * kA;
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    hash = mix(hash ^ word * kA);
  }
  std::uint64_t word = 0;
  if (at < text.size()) std::memcpy(&word, text.data() + at, text.size() - at);
  hash = mix(hash ^ word * kA);
  return hash ^ hash >> 29;
}

class TextTable {
 public:
  void reserve(std::size_t count) { grow(std::bit_ceil(count * 2 + 2)); }
  std::size_t size() const { return size_; }

  /// Of equal texts the first one stays.
  void insert(std::string_view text, std::int32_t value) {
    if (size_ * 2 + 2 > slots_.size()) grow(std::bit_ceil(size_ * 4 + 4));
    Slot& slot = slots_[place(text, slots_)];
    if (slot.value >= 0) return;
    slot = {text, value};
    ++size_;
  }

  std::optional<std::int32_t> find(std::string_view text) const {
    if (slots_.empty()) return std::nullopt;
    const Slot& slot = slots_[place(text, slots_)];
    if (slot.value < 0) return std::nullopt;
    return slot.value;
  }

 private:
  struct Slot {
    std::string_view text;
    std::int32_t value = -1;
  };

  static std::size_t place(std::string_view text, const std::vector<Slot>& slots) {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = hash_of(text) & mask;
    while (slots[at].value >= 0 && slots[at].text != text) at = (at + 1) & mask;
    return at;
  }

  void grow(std::size_t capacity) {
    if (capacity <= slots_.size()) return;
    std::vector<Slot> bigger(capacity);
    for (const Slot& slot : slots_)
      if (slot.value >= 0) bigger[place(slot.text, bigger)] = slot;
    slots_ = std::move(bigger);
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace vauban
