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

/// B - A in f64, a block at a time: it is never held whole beside the two tensors it is made of.
class Change {
 public:
  Change(std::span<const float> a, std::span<const float> b, Index rows, Index width) : a_(a.data(), rows, width), b_(b.data(), rows, width) {}
  Index rows() const { return a_.rows(); }
  Index cols() const { return a_.cols(); }

  Matrix times(const Matrix& right) const {
    Matrix out(rows(), right.cols());
    for_blocks(rows(), cols(), [&](Index first, Index n) { out.middleRows(first, n).noalias() = rows_from(first, n) * right; });
    return out;
  }
  Matrix transposed_times(const Matrix& right) const {
    Matrix out = Matrix::Zero(cols(), right.cols());
    for_blocks(rows(), cols(), [&](Index first, Index n) { out.noalias() += rows_from(first, n).transpose() * right.middleRows(first, n); });
    return out;
  }
  /// M M^T or M^T M, the smaller one.
  Matrix gram() const {
    const bool wide = rows() < cols();
    Matrix out = Matrix::Zero(std::min(rows(), cols()), std::min(rows(), cols()));
    for_blocks(wide ? cols() : rows(), wide ? rows() : cols(), [&](Index first, Index n) {
      if (wide) {
        const RowMatrix part = b_.middleCols(first, n).cast<double>() - a_.middleCols(first, n).cast<double>();
        out.noalias() += part * part.transpose();
      } else {
        const RowMatrix part = rows_from(first, n);
        out.noalias() += part.transpose() * part;
      }
    });
    return out;
  }

 private:
  using Stored = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  static constexpr Index kBlockElements = Index{1} << 18;  // 2 MiB

  RowMatrix rows_from(Index first, Index n) const { return b_.middleRows(first, n).cast<double>() - a_.middleRows(first, n).cast<double>(); }
  template <class F>
  static void for_blocks(Index lines, Index line, const F& f) {
    const Index most = std::max<Index>(1, kBlockElements / line);
    for (Index first = 0; first < lines; first += most) f(first, std::min(most, lines - first));
  }

  Stored a_, b_;
};

/// Squares of the singular values, the largest first, of a matrix with this Gram matrix.
Result<std::vector<double>> energies_of(const Matrix& gram) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(gram, Eigen::EigenvaluesOnly);
  if (solver.info() != Eigen::Success) return internal("the eigenvalue solver did not converge");
  std::vector<double> energies;
  for (Index i = solver.eigenvalues().size() - 1; i >= 0; --i) energies.push_back(std::max(0.0, solver.eigenvalues()[i]));
  return energies;
}

Matrix orthonormal(const Matrix& m) {
  return Eigen::HouseholderQR<Matrix>(m).householderQ() * Matrix::Identity(m.rows(), std::min(m.rows(), m.cols()));
}

/// Gram matrix of Q^T M, where the columns of Q nearly span what the largest singular values of M act on.
Matrix sketched_gram(const Change& m, std::int64_t k) {
  Rng rng(20111, 0);  // fixed: the same two models give the same bytes
  Matrix y(m.cols(), k);
  for (Index i = 0; i < y.size(); ++i) y.data()[i] = rng.normal();
  Matrix q = orthonormal(m.times(y));
  for (int iteration = 0; iteration < 2; ++iteration) q = orthonormal(m.times(orthonormal(m.transposed_times(q))));
  const Matrix found = m.transposed_times(q);  // (cols, k)
  return found.transpose() * found;
}

Result<ChangeSpectrum> spectrum_of(const Change& m, double squared_norm, const ChangeOptions& options) {
  const bool exact = std::min(m.rows(), m.cols()) <= options.exact_side;
  VB_TRY(const std::vector<double> energies, energies_of(exact ? m.gram() : sketched_gram(m, std::min<std::int64_t>(options.sketch, std::min(m.rows(), m.cols())))));
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
  VB_TRY(out.spectrum, spectrum_of(Change(a, b, rows, width), dd, options));
  return out;
}

}  // namespace vauban
