#include "evidence/weights/weight_change.h"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace vauban {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Index = Eigen::Index;

/// Squares of the singular values, the largest first.
Result<std::vector<double>> energies_of(const Matrix& m) {
  const bool wide = m.rows() < m.cols();
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(wide ? Matrix(m * m.transpose()) : Matrix(m.transpose() * m), Eigen::EigenvaluesOnly);
  if (solver.info() != Eigen::Success) return internal("the eigenvalue solver did not converge");
  std::vector<double> energies;
  for (Index i = solver.eigenvalues().size() - 1; i >= 0; --i) energies.push_back(std::max(0.0, solver.eigenvalues()[i]));
  return energies;
}

Matrix orthonormal(const Matrix& m) {
  return Eigen::HouseholderQR<Matrix>(m).householderQ() * Matrix::Identity(m.rows(), std::min(m.rows(), m.cols()));
}

/// Q^T M, where the columns of Q nearly span what the largest singular values of M act on.
Matrix sketched(const Matrix& m, std::int64_t k) {
  Rng rng(20111, 0);  // fixed: the same two models give the same bytes
  Matrix y(m.cols(), k);
  for (Index i = 0; i < y.size(); ++i) y.data()[i] = rng.normal();
  Matrix q = orthonormal(m * y);
  for (int iteration = 0; iteration < 2; ++iteration) q = orthonormal(m * orthonormal(m.transpose() * q));
  return q.transpose() * m;
}

Result<ChangeSpectrum> spectrum_of(const RowMatrix& delta, double squared_norm, const ChangeOptions& options) {
  const Matrix m = delta;
  const bool exact = std::min(m.rows(), m.cols()) <= options.exact_side;
  VB_TRY(const std::vector<double> energies, energies_of(exact ? m : sketched(m, std::min<std::int64_t>(options.sketch, std::min(m.rows(), m.cols())))));
  ChangeSpectrum out{.sigma_1 = std::sqrt(energies.front())};
  double found = 0.0, top_8 = 0.0;
  for (std::size_t i = 0; i < energies.size(); ++i) {
    found += energies[i];
    if (i < 8) top_8 += energies[i];
  }
  double entropy = 0.0;
  for (const double e : energies)
    if (e > 0.0) entropy -= e / found * std::log(e / found);
  out.effective_rank = std::exp(entropy);
  out.energy_top_1 = energies.front() / squared_norm;
  out.energy_top_8 = top_8 / squared_norm;
  out.energy_found = exact ? 1.0 : std::min(1.0, found / squared_norm);
  return out;
}

}  // namespace

Result<WeightChange> weight_change(std::span<const float> a, std::span<const float> b, std::int64_t rows, std::int64_t width,
                                   const ChangeOptions& options) {
  if (a.size() != b.size() || static_cast<std::int64_t>(a.size()) != rows * width)
    return invalid_input("expected two tensors of {} x {} values, found {} and {}", rows, width, a.size(), b.size());
  WeightChange out{.values = rows * width};
  double aa = 0.0, bb = 0.0, ab = 0.0, dd = 0.0;
  std::int64_t signed_values = 0, flipped = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    if (!std::isfinite(x) || !std::isfinite(y)) {
      ++out.nonfinite;
      continue;
    }
    const double d = y - x;
    aa += x * x, bb += y * y, ab += x * y, dd += d * d;
    out.changed += d != 0.0;
    out.max_abs = std::max(out.max_abs, std::abs(d));
    if (x == 0.0 || y == 0.0) continue;
    ++signed_values;
    flipped += (x < 0.0) != (y < 0.0);
  }
  out.norm_a = std::sqrt(aa), out.norm_b = std::sqrt(bb), out.norm_delta = std::sqrt(dd);
  if (aa > 0.0) out.relative = out.norm_delta / out.norm_a;
  if (aa > 0.0 && bb > 0.0) out.cosine = ab / (out.norm_a * out.norm_b);
  if (const std::int64_t counted = out.values - out.nonfinite; counted > 0) out.rms = std::sqrt(dd / static_cast<double>(counted));
  if (signed_values > 0) out.sign_flips = static_cast<double>(flipped) / static_cast<double>(signed_values);
  if (!options.spectrum || rows < 2 || width < 2 || dd == 0.0 || out.nonfinite > 0) return out;
  RowMatrix delta(rows, width);
  for (std::size_t i = 0; i < a.size(); ++i) delta.data()[i] = static_cast<double>(b[i]) - static_cast<double>(a[i]);
  VB_TRY(out.spectrum, spectrum_of(delta, dd, options));
  return out;
}

}  // namespace vauban
