/// Encoding on a point set: from real coordinates to the index of a near point, and the search for a group's scale around
/// it. Shared by IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S; the IQ1 formats use the sets only.
///
/// Source of the method: ggml-quants.c (iq2xs_init_impl, iq3xs_init_impl, quantize_row_iq2_*_impl, quantize_row_iq3_*_impl).
#pragma once

#include <array>
#include <vector>

#include "tensor/quant/iq_grids.h"
#include "tensor/quant/super_block.h"

namespace vauban::quant {

/// For every packed code: its index if it is a point, else the points nearest to it. Built on first use, then immutable.
class GridSearch {
 public:
  /// Neighbours are those at the `shells` smallest distances, ordered by distance, then by index.
  GridSearch(const GridPoints& points, int shells);

  const GridPoints& points() const { return points_; }
  int packed(int index) const { return points_.packed[static_cast<std::size_t>(index)]; }
  /// Index of the point `code`, or -1.
  int find(int code) const { return index_[static_cast<std::size_t>(code)]; }
  /// At least one, for every code that is no point.
  std::span<const std::uint16_t> neighbours(int code) const;

 private:
  void add_neighbours(int code, int shells);

  const GridPoints& points_;
  std::vector<std::int16_t> index_;
  std::vector<std::uint32_t> begin_;  ///< of each code's neighbours; they end where the next code's begin
  std::vector<std::uint16_t> neighbours_;
};

const GridSearch& iq2_xxs_search();
const GridSearch& iq2_xs_search();
const GridSearch& iq2_s_search();
const GridSearch& iq3_xxs_search();
const GridSearch& iq3_s_search();
const GridSearch& iq1_search();

/// How one format looks for the scale of a group.
struct LatticeMethod {
  const GridSearch& grid;
  int candidates;    ///< on either side of the plain scale
  float step;        ///< between candidates, in codes
  float negligible;  ///< groups whose largest magnitude is below this count as zero
  bool even_signs;   ///< the signs of eight have even parity: where they do not, the least important weight gives way
  enum class Settle { points_off_grid, all_if_any_off_grid, always } settle;  ///< which points move to the final scale
  bool start_from_fit = false;  ///< the plain scale is a least-squares one, not largest / (2 levels - 1)
};

struct LatticeGroup {
  float scale = 0.0f;  ///< x ~ scale * (2 code + 1), never negative
  bool zero = true;    ///< nothing found: index 0 and no signs
  std::array<int, 8> index{};
  std::array<int, 4> signs{};  ///< bit i: element i of eight is negative
};

/// `weights` has as many values as x (see scale_search.h).
LatticeGroup fit_lattice(std::span<const float> x, const float* weights, const LatticeMethod& method);

/// A group's scale as four bits, in units of d:  d (2 code + 1).
inline int lattice_scale_code(float inverse_d, float scale) {
  return clamp_code(nearest(0.5f * (inverse_d * scale - 1)), 0, 15);
}

}  // namespace vauban::quant
