/// Cosines and sines of the positions of one step: a forward pass asks for the same ones in every layer.
///
/// Angles are f64; each cosine and sine is rounded once to f32. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/ops.h"

namespace vauban::cpu {

class RopeCache {
 public:
  /// (positions, pairs, {cos, sin}). Valid until the next call.
  std::span<const float> turns(std::span<const std::int32_t> positions, const RopeTable& table);

 private:
  struct Entry {
    std::vector<std::int32_t> positions;
    std::vector<double> inverse_frequency;
    double attention_factor = 0.0;
    std::vector<float> turns;
  };
  // An architecture has at most a few tables (global and local layers); the oldest entry is reused.
  std::vector<Entry> entries_ = std::vector<Entry>(4);
  std::size_t oldest_ = 0;
};

}  // namespace vauban::cpu
