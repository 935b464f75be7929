/// Batched projection summaries for sweeps: many directions (all layers', n random controls), or many strengths of one
/// edit, from one pass over an activation; no row of projections is kept.
///
/// For rows h_t of x (T, D) and directions d_n (N, D), taken as they are, over the T rows that are named, in that
/// order:
///   p[t][n] = h_t . d_n         mean_n = (sum_t p[t][n]) / T, summed in f64 in ascending t         min_n, max_n
/// A dose a of a primitive takes the projections on its own direction or basis, and on its gate, and from them says, in
/// f64 and without rounding to the activation's type, what the edit of strength a would leave behind:
///   f[t][r] = g_t factor_a(p[t][r])      after[t][r] = p[t][r] + f[t][r] |d_r|^2      delta[t] = |sum_r f[t][r] d_r|
/// (trace-contract section 7; a basis is orthonormal, so that delta = sqrt(sum_r f^2)).
///
/// The reference computes p in f64. Another backend may compute it in f32 as its primitive does (Ops::project); then a
/// gate whose projection lies within that rounding of tau may fall on the other side. Cost: 2 T D N flop; x is read
/// once, the directions once per block of rows (cpu: 64 rows).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/ops.h"
#include "vauban/primitive.h"

namespace vauban {

/// count 0: mean, min and max are 0.
struct ProjectionSummary {
  std::int64_t count = 0;
  double mean = 0.0, min = 0.0, max = 0.0;
};

/// One summary per direction. Errors: those of Ops::project.
Result<std::vector<ProjectionSummary>> summarise_projections(Ops& ops, const Tensor& x,
                                                             std::span<const double> directions,
                                                             std::span<const std::int32_t> rows);

struct DoseSummary {
  double alpha = 0.0;
  ProjectionSummary after;  ///< over rows and directions of the basis
  ProjectionSummary delta;  ///< over rows: L2 length of the change
  std::int64_t gates_open = 0;
};

/// One summary per alpha, in place of primitive.alpha. `primitive` has passed validate_primitive for D.
/// Errors: those of Ops::project; invalid_input for an alpha that is not finite.
Result<std::vector<DoseSummary>> summarise_doses(Ops& ops, const Tensor& x, const Primitive& primitive,
                                                 std::span<const double> alphas, std::span<const std::int32_t> rows);

/// What every implementation of Ops::project checks first.
Result<void> check_projection(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows);

}  // namespace vauban
