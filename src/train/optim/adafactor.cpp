#include "train/optim/adafactor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/optim/kernels.h"

namespace vauban {

namespace {

/// Sums are taken in f64 by one thread, row by row: few bytes of state, and the same bits for every thread count.
template <class T>
struct Factored {
  std::size_t batches, rows, cols;
  T *row_var, *col_var;
  const T* grad;
  double scale;

  double g(std::size_t batch, std::size_t row, std::size_t col) const {
    return scale * static_cast<double>(grad[(batch * rows + row) * cols + col]);
  }

  void observe(double rest) const {
    for (std::size_t b = 0; b < batches; ++b) {
      std::vector<double> col_sum(cols, 0);
      for (std::size_t r = 0; r < rows; ++r) {
        double row_sum = 0;
        for (std::size_t c = 0; c < cols; ++c) {
          const double square = g(b, r, c) * g(b, r, c);
          row_sum += square;
          col_sum[c] += square;
        }
        blend(row_var[b * rows + r], row_sum / static_cast<double>(cols), rest);
      }
      for (std::size_t c = 0; c < cols; ++c) blend(col_var[b * cols + c], col_sum[c] / static_cast<double>(rows), rest);
    }
  }

  static void blend(T& kept, double found, double rest) {
    kept = T(static_cast<double>(kept) + rest * (found - static_cast<double>(kept)));
  }

  /// Calls body(index, move) for each element.
  template <class Body>
  void each(double tiny, const Body& body) const {
    for (std::size_t b = 0; b < batches; ++b) {
      double mean = 0;
      for (std::size_t r = 0; r < rows; ++r) mean += static_cast<double>(row_var[b * rows + r]);
      mean = std::max(mean / static_cast<double>(rows), tiny);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) {
          const double row = static_cast<double>(row_var[b * rows + r]);
          const double variance = row * static_cast<double>(col_var[b * cols + c]) / mean;
          body((b * rows + r) * cols + c, g(b, r, c) / std::sqrt(std::max(variance, tiny * tiny)));
        }
    }
  }
};

template <class T>
struct Unfactored {
  std::size_t count;
  T* variance;
  const T* grad;
  double scale;

  double g(std::size_t i) const { return scale * static_cast<double>(grad[i]); }

  void observe(double rest) const {
    for (std::size_t i = 0; i < count; ++i) Factored<T>::blend(variance[i], g(i) * g(i), rest);
  }
  template <class Body>
  void each(double tiny, const Body& body) const {
    for (std::size_t i = 0; i < count; ++i)
      body(i, g(i) / std::sqrt(std::max(static_cast<double>(variance[i]), tiny * tiny)));
  }
};

template <class T>
double root_mean_square(const T* values, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum / static_cast<double>(count));
}

class Adafactor final : public Optimizer {
 public:
  Adafactor(const OptimizerConfig& config, ThreadPool& pool) : Optimizer(pool), config_(config) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    const int rank = parameter.shape.rank();
    if (rank < 2) return {{"variance", parameter.shape, parameter.dtype}};
    std::vector<std::int64_t> rows(parameter.shape.dims().begin(), parameter.shape.dims().end()), cols = rows;
    rows[static_cast<std::size_t>(rank) - 1] = 1;
    cols[static_cast<std::size_t>(rank) - 2] = 1;
    // Each is no larger than the parameter, so its shape is valid too.
    return {{"row_var", *Shape::from(rows), parameter.dtype}, {"col_var", *Shape::from(cols), parameter.dtype}};
  }

 protected:
  void update(const Update& u) override {
    if (u.parameter.shape.elements() == 0) return;
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      const T* grad = optim::at<T>(u.parameter.grad);
      const Shape& shape = u.parameter.shape;
      if (shape.rank() < 2)
        return move<T>(u, Unfactored<T>{static_cast<std::size_t>(shape.elements()), u.state[0].template as<T>(), grad,
                                        u.grad_scale});
      const auto cols = static_cast<std::size_t>(shape[shape.rank() - 1]);
      const auto rows = static_cast<std::size_t>(shape[shape.rank() - 2]);
      move<T>(u, Factored<T>{static_cast<std::size_t>(shape.elements()) / (rows * cols), rows, cols,
                             u.state[0].template as<T>(), u.state[1].template as<T>(), grad, u.grad_scale});
    });
  }

 private:
  template <class T, class Moments>
  void move(const Update& u, const Moments& moments) const {
    const auto tiny = static_cast<double>(std::numeric_limits<T>::epsilon());
    const auto count = static_cast<std::size_t>(u.parameter.shape.elements());
    const double t = static_cast<double>(u.step);
    T* p = optim::at<T>(u.parameter.value);
    const double alpha = std::max(*config_.min_rms, root_mean_square(p, count)) * std::min(u.lr, 1 / std::sqrt(t));
    const double keep = 1 - u.lr * (u.parameter.decay ? *config_.weight_decay : 0);
    moments.observe(std::pow(t, *config_.beta2_decay));
    double sum = 0;
    moments.each(tiny, [&](std::size_t, double step) { sum += step * step; });
    const double rms = std::sqrt(sum / static_cast<double>(count));
    const double rate = alpha / std::max(1.0, rms / *config_.clip_threshold);
    moments.each(tiny, [&](std::size_t i, double step) { p[i] = T(keep * static_cast<double>(p[i]) - rate * step); });
  }

  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<Adafactor>(config, pool);
}

}  // namespace vauban
