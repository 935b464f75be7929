#include "backends/cpu/rope_cache.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace vauban::cpu {

std::span<const float> RopeCache::turns(std::span<const std::int32_t> positions, const RopeTable& table) {
  for (const Entry& entry : entries_) {
    if (std::ranges::equal(entry.positions, positions) && entry.inverse_frequency == table.inverse_frequency &&
        entry.attention_factor == table.attention_factor)
      return entry.turns;
  }
  Entry& entry = entries_[oldest_];
  oldest_ = (oldest_ + 1) % entries_.size();
  entry.positions.assign(positions.begin(), positions.end());
  entry.inverse_frequency = table.inverse_frequency;
  entry.attention_factor = table.attention_factor;
  entry.turns.resize(positions.size() * table.inverse_frequency.size() * 2);
  float* out = entry.turns.data();
  for (const std::int32_t position : positions)
    for (const double frequency : table.inverse_frequency) {
      *out++ = static_cast<float>(std::cos(position * frequency) * table.attention_factor);
      *out++ = static_cast<float>(std::sin(position * frequency) * table.attention_factor);
    }
  return entry.turns;
}

}  // namespace vauban::cpu
