/// What became of one tensor between two models: size, direction and spectrum of the change.
///
/// Source: audit.md section 8. Sums in f64. Effective rank: Roy and Vetterli 2007, here of the energies,
/// exp(H(p)) with p_i = sigma_i^2 / sum sigma^2: k equal singular values give k.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace vauban {

/// Of B - A, a matrix.
struct ChangeSpectrum {
  double sigma_1 = 0.0;          ///< the largest singular value
  double effective_rank = 0.0;   ///< of the part that was found
  double energy_top_1 = 0.0, energy_top_8 = 0.0;  ///< share of the squared norm in the largest 1 and 8
  double energy_found = 1.0;     ///< share of the squared norm that the singular values account for; below 1: a sketch
};

struct WeightChange {
  std::int64_t values = 0, changed = 0;  ///< elements; that differ
  std::int64_t nonfinite = 0;            ///< elements that are NaN or infinite on either side; left out of all sums
  double norm_a = 0.0, norm_b = 0.0, norm_delta = 0.0;  ///< Frobenius
  std::optional<double> relative;  ///< norm_delta / norm_a; none for a zero A
  std::optional<double> cosine;    ///< none where a side is zero
  double max_abs = 0.0, rms = 0.0;
  /// Among the elements that are not zero on either side, those whose sign changed: a share; none where there are none.
  std::optional<double> sign_flips;
  std::optional<ChangeSpectrum> spectrum;  ///< none for vectors, for no change, and where elements are not finite
};

struct ChangeOptions {
  /// The smaller side up to which the spectrum is exact (eigenvalues of a Gram matrix); beyond, a randomised range finder
  /// with two power iterations: Halko, Martinsson and Tropp 2011 (arXiv 0909.4061).
  std::int64_t exact_side = 768;
  std::int64_t sketch = 96;  ///< singular values that it looks for
  bool spectrum = true;
};

/// `a`, `b`: row-major (rows, width), of equal size. Errors: invalid_input for other sizes; internal where the solver does not
/// converge. Cost: one pass, and rows * width * min(rows, width) flop for an exact spectrum.
Result<WeightChange> weight_change(std::span<const float> a, std::span<const float> b, std::int64_t rows, std::int64_t width,
                                   const ChangeOptions& options = {});

}  // namespace vauban
