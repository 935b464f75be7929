#include "evidence/directions/principal.h"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>

namespace vauban {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowsView = Eigen::Map<const Matrix>;
using Solver = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;

constexpr double kNegligible = 1e-12;  // of the largest eigenvalue: 1e-6 of the largest singular value

Result<std::vector<double>> directions_of(const RowsView& rows, Eigen::Index k) {
  const bool wide = rows.rows() < rows.cols();
  const Solver solver(wide ? Eigen::MatrixXd(rows * rows.transpose()) : Eigen::MatrixXd(rows.transpose() * rows));
  if (solver.info() != Eigen::Success) return internal("the eigenvalue solver did not converge");
  const Eigen::Index size = solver.eigenvalues().size();
  const double largest = size > 0 ? solver.eigenvalues()[size - 1] : 0.0;
  Matrix out(k, rows.cols());
  for (Eigen::Index i = 0; i < k; ++i) {
    const Eigen::Index at = size - 1 - i;  // ascending
    if (at < 0 || largest <= 0 || solver.eigenvalues()[at] <= kNegligible * largest)
      return invalid_input("{} components were asked for, the differences span {} dimensions", k, i);
    const Eigen::VectorXd vector = solver.eigenvectors().col(at);
    out.row(i) = wide ? Eigen::VectorXd(rows.transpose() * vector) : vector;
    out.row(i).normalize();
  }
  return std::vector<double>(out.data(), out.data() + out.size());
}

}  // namespace

Result<std::vector<double>> principal_directions(std::span<const double> rows, std::int64_t width, std::int64_t k) {
  const RowsView view(rows.data(), static_cast<Eigen::Index>(rows.size()) / width, width);
  return directions_of(view, k);
}

}  // namespace vauban
