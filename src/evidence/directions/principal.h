/// Principal directions of a set of rows: the one place that uses Eigen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace vauban {

/// The `k` right singular vectors of `rows` (n, width), row-major, with the largest singular values, largest first; the
/// rows are taken as they are (not centred). Unit length, mutually orthogonal; their signs are arbitrary. (k, width).
/// Errors: invalid_input where the rows span fewer than k dimensions (singular values below 1e-6 of the largest count
/// as 0), internal where the solver does not converge.
/// Cost: an eigenvalue problem of min(n, width).
Result<std::vector<double>> principal_directions(std::span<const double> rows, std::int64_t width, std::int64_t k);

}  // namespace vauban
