#include "ops/projection_summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ops/checks.h"
#include "ops/primitive_rows.h"

namespace vauban {
namespace {

/// `mean` holds the sum until finish().
void add_to(ProjectionSummary& summary, double value) {
  summary.min = summary.count == 0 ? value : std::min(summary.min, value);
  summary.max = summary.count == 0 ? value : std::max(summary.max, value);
  summary.mean += value;
  ++summary.count;
}
void finish(ProjectionSummary& summary) {
  if (summary.count > 0) summary.mean /= static_cast<double>(summary.count);
}

class SummarySink final : public ProjectionSink {
 public:
  explicit SummarySink(std::size_t directions) : summaries_(directions) {}
  void add(std::span<const double> projections) override {
    for (std::size_t n = 0; n < projections.size(); ++n) add_to(summaries_[n], projections[n]);
  }
  std::vector<ProjectionSummary> finished() {
    for (ProjectionSummary& summary : summaries_) finish(summary);
    return std::move(summaries_);
  }

 private:
  std::vector<ProjectionSummary> summaries_;
};

double square_of(std::span<const double> v) {
  double sum = 0.0;
  for (const double value : v) sum += value * value;
  return sum;
}

class DoseSink final : public ProjectionSink {
 public:
  DoseSink(const Primitive& primitive, std::span<const double> alphas, std::int64_t width)
      : primitive_(primitive), directions_(static_cast<std::size_t>(primitive.basis_rows)) {
    for (std::size_t r = 0; r < directions_; ++r)
      squares_.push_back(square_of(std::span(primitive.direction)
                                       .subspan(r * static_cast<std::size_t>(width), static_cast<std::size_t>(width))));
    for (const double alpha : alphas) doses_.push_back({.alpha = alpha, .after = {}, .delta = {}, .gates_open = 0});
  }

  void add(std::span<const double> projections) override {
    const bool gated = primitive_.mode == PrimitiveMode::conditional;
    const bool open = !gated || projections[directions_] > primitive_.tau;
    for (DoseSummary& dose : doses_) {
      dose.gates_open += gated && open;
      primitive_.alpha = dose.alpha;
      double change = 0.0;
      for (std::size_t r = 0; r < directions_; ++r) {
        const double factor = open ? primitive_factor(primitive_, projections[r]) : 0.0;
        add_to(dose.after, projections[r] + factor * squares_[r]);
        change += factor * factor * squares_[r];
      }
      add_to(dose.delta, std::sqrt(change));
    }
  }
  std::vector<DoseSummary> finished() {
    for (DoseSummary& dose : doses_) finish(dose.after), finish(dose.delta);
    return std::move(doses_);
  }

 private:
  Primitive primitive_;
  std::size_t directions_;
  std::vector<double> squares_;
  std::vector<DoseSummary> doses_;
};

}  // namespace

Result<void> check_projection(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows) {
  VB_CHECK(check_indices(ErrorCode::internal, "row", rows, x.shape().rows()));
  const auto width = static_cast<std::size_t>(x.shape().width());
  if (width == 0 || directions.empty() || directions.size() % width != 0)
    return invalid_input("projection: expected directions of {} values each, found {} values", width,
                         directions.size());
  const auto bad = std::find_if(directions.begin(), directions.end(), [](double v) { return !std::isfinite(v); });
  if (bad == directions.end()) return ok();
  const auto index = static_cast<std::size_t>(bad - directions.begin());
  return invalid_input("projection: direction {} must be finite, element {} is {}", index / width, index % width, *bad);
}

Result<void> Ops::project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                          ProjectionSink& sink) {
  VB_CHECK(check_projection(x, directions, rows));
  const std::size_t width = static_cast<std::size_t>(x.shape().width()), count = directions.size() / width;
  const Tensor matrix = x.reshaped({x.shape().rows(), x.shape().width()});
  std::vector<double> projections(count);
  for (const std::int32_t row : rows) {
    const std::vector<double> h = to_f64(matrix.rows(row, row + 1));
    if (!std::all_of(h.begin(), h.end(), [](double value) { return std::isfinite(value); }))
      return invalid_input("projection: the activation of row {} holds NaN or Inf", row);
    for (std::size_t n = 0; n < count; ++n) {
      double sum = 0.0;
      for (std::size_t i = 0; i < width; ++i) sum += h[i] * directions[n * width + i];
      projections[n] = sum;
    }
    sink.add(projections);
  }
  return ok();
}

Result<std::vector<ProjectionSummary>> summarise_projections(Ops& ops, const Tensor& x,
                                                             std::span<const double> directions,
                                                             std::span<const std::int32_t> rows) {
  VB_CHECK(check_projection(x, directions, rows));
  SummarySink sink(directions.size() / static_cast<std::size_t>(x.shape().width()));
  VB_CHECK(ops.project(x, directions, rows, sink));
  return sink.finished();
}

Result<std::vector<DoseSummary>> summarise_doses(Ops& ops, const Tensor& x, const Primitive& primitive,
                                                 std::span<const double> alphas, std::span<const std::int32_t> rows) {
  const auto bad = std::find_if(alphas.begin(), alphas.end(), [](double alpha) { return !std::isfinite(alpha); });
  if (bad != alphas.end()) return invalid_input("doses: alpha {} is {}", bad - alphas.begin(), *bad);
  std::vector<double> directions = primitive.direction;
  directions.insert(directions.end(), primitive.gate.begin(), primitive.gate.end());
  DoseSink sink(primitive, alphas, x.shape().width());
  VB_CHECK(ops.project(x, directions, rows, sink));
  return sink.finished();
}

}  // namespace vauban
