#include "evidence/usl.h"

#include <Eigen/Core>
#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/rng.h"
#include "evidence/stats/stats.h"

namespace vauban {
namespace {

constexpr std::size_t kMinimumLoads = 5;
constexpr std::string_view kLaw = "X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))";

/// The mean throughput at one load. `weight`: count over the square of the measured mean, so that errors are relative.
struct MeanPoint {
  double n = 0, x = 0, weight = 0;
};
using Means = std::vector<MeanPoint>;
using Mask = std::array<bool, 3>;  ///< which of lambda, sigma, kappa are free; the others are 0

struct Candidate {
  Eigen::Vector3d theta = Eigen::Vector3d::Zero();
  double error = 0;
};

UslParameters law_of(const Eigen::Vector3d& theta) { return {theta[0], theta[1], theta[2]}; }

double error_of(const Means& means, const Eigen::Vector3d& theta) {
  double sum = 0;
  for (const MeanPoint& point : means) {
    const double residual = usl_throughput(law_of(theta), point.n) - point.x;
    sum += point.weight * residual * residual;
  }
  return sum;
}

/// d X / d (lambda, sigma, kappa).
Eigen::Vector3d gradient_of(const Eigen::Vector3d& theta, double n) {
  const double x = usl_throughput(law_of(theta), n);
  const double denominator = 1 + theta[1] * (n - 1) + theta[2] * n * (n - 1);
  return {n / denominator, -x * (n - 1) / denominator, -x * n * (n - 1) / denominator};
}

/// N / X = (1 + sigma (N - 1) + kappa N (N - 1)) / lambda is linear in 1, sigma and kappa over lambda.
Eigen::Vector3d linear_start(const Means& means, const Mask& free) {
  Eigen::Matrix3d normal = Eigen::Matrix3d::Zero();
  Eigen::Vector3d right = Eigen::Vector3d::Zero();
  for (const MeanPoint& point : means) {
    const double y = point.n / point.x;
    Eigen::Vector3d row(1, point.n - 1, point.n * (point.n - 1));
    for (int i = 0; i < 3; ++i)
      if (!free[static_cast<std::size_t>(i)]) row[i] = 0;
    normal += row * row.transpose() / (y * y);
    right += row / y;
  }
  for (int i = 0; i < 3; ++i)
    if (!free[static_cast<std::size_t>(i)]) normal(i, i) = 1;
  const Eigen::Vector3d linear = normal.colPivHouseholderQr().solve(right);
  if (!(linear[0] > 0)) return {means.front().x / means.front().n, 0, 0};
  return {1 / linear[0], std::max(0.0, linear[1] / linear[0]), std::max(0.0, linear[2] / linear[0])};
}

/// Damped normal equations with Marquardt's scaling; a parameter that is not free keeps its value.
Eigen::Vector3d step_of(const Means& means, const Eigen::Vector3d& theta, const Mask& free, double damping) {
  Eigen::Matrix3d normal = Eigen::Matrix3d::Zero();
  Eigen::Vector3d right = Eigen::Vector3d::Zero();
  for (const MeanPoint& point : means) {
    const Eigen::Vector3d gradient = gradient_of(theta, point.n);
    normal += point.weight * gradient * gradient.transpose();
    right += point.weight * (point.x - usl_throughput(law_of(theta), point.n)) * gradient;
  }
  normal.diagonal() *= 1 + damping;
  for (int i = 0; i < 3; ++i) {
    if (free[static_cast<std::size_t>(i)]) continue;
    normal.row(i).setZero();
    normal.col(i).setZero();
    normal(i, i) = 1;
    right[i] = 0;
  }
  return normal.colPivHouseholderQr().solve(right);
}

/// Levenberg-Marquardt. May end with a negative parameter: the caller then holds it at 0.
Candidate minimise(const Means& means, const Mask& free) {
  Candidate best{.theta = linear_start(means, free)};
  best.error = error_of(means, best.theta);
  double damping = 1e-3;
  for (int round = 0; round < 200 && damping < 1e12; ++round) {
    const Eigen::Vector3d theta = best.theta + step_of(means, best.theta, free, damping);
    const double error = theta.allFinite() ? error_of(means, theta) : INFINITY;
    if (!(error < best.error)) {
      damping *= 10;
      continue;
    }
    best = {theta, error};
    damping = std::max(1e-12, damping / 10);
  }
  return best;
}

/// kappa or sigma that no load of the data could show is rounding.
void drop_rounding(Eigen::Vector3d& theta, double largest) {
  constexpr double kInvisible = 1e-9;
  if (std::abs(theta[1]) * (largest - 1) < kInvisible) theta[1] = 0;
  if (std::abs(theta[2]) * largest * (largest - 1) < kInvisible) theta[2] = 0;
}

/// The best fit with sigma, kappa >= 0: the unconstrained one, or the best of those that hold one or both at 0.
UslParameters fit_means(const Means& means) {
  constexpr Mask kMasks[] = {{true, true, true}, {true, true, false}, {true, false, true}, {true, false, false}};
  std::optional<Candidate> best;
  for (const Mask& free : kMasks) {
    Candidate found = minimise(means, free);
    drop_rounding(found.theta, means.back().n);
    const bool allowed = found.theta[0] > 0 && found.theta[1] >= 0 && found.theta[2] >= 0;
    if (allowed && (!best || found.error < best->error)) best = found;
    if (best && free == kMasks[0]) break;
  }
  return best ? law_of(best->theta) : UslParameters{means.front().x / means.front().n, 0, 0};
}

Result<void> check(std::span<const UslPoint> points, const UslOptions& options) {
  std::set<double> loads;
  for (const UslPoint& point : points) {
    if (!(point.n >= 1) || !std::isfinite(point.n))
      return invalid_input("the law starts at N = 1, found N = {}", point.n);
    if (!loads.insert(point.n).second)
      return invalid_input("N = {} was given twice: put its samples together", point.n);
    if (point.throughput.size() < 2)
      return invalid_input("N = {}: expected 2 samples or more, found {}: nothing is fitted from one run", point.n,
                           point.throughput.size());
    for (const double x : point.throughput)
      if (!(x > 0) || !std::isfinite(x))
        return invalid_input("N = {}: expected throughputs above 0, found {}", point.n, x);
  }
  if (loads.size() < kMinimumLoads)
    return invalid_input("expected {} distinct values of N or more, found {}", kMinimumLoads, loads.size());
  if (options.resamples < 100) return invalid_input("resamples: expected 100 or more, found {}", options.resamples);
  return ok();
}

Means means_of(std::span<const UslPoint> points) {
  Means means;
  for (const UslPoint& point : points) {
    const double mean = mean_of(point.throughput);
    means.push_back({point.n, mean, static_cast<double>(point.throughput.size()) / (mean * mean)});
  }
  std::ranges::sort(means, {}, &MeanPoint::n);
  return means;
}

/// The means of a resample. `points` ascend by n, as `measured` do.
Means resampled(std::span<const UslPoint> points, const Means& measured, Rng& rng) {
  Means means = measured;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::vector<double>& x = points[i].throughput;
    double sum = 0;
    for (std::size_t draw = 0; draw < x.size(); ++draw) sum += x[rng.below(x.size())];
    const double count = static_cast<double>(x.size());
    const double scale = std::sqrt(count / (count - 1));
    // A mean that scaling would push to 0 or below is no throughput.
    means[i].x = std::max(measured[i].x + scale * (sum / count - measured[i].x), 1e-3 * measured[i].x);
  }
  return means;
}

UslEstimate estimate(double value, std::vector<double> draws, double confidence) {
  const double tail = (1 - confidence) / 2;
  return {value, quantile_of(draws, tail), quantile_of(draws, 1 - tail)};
}

/// Why the parameters cannot be told from these data; empty when they can.
std::string why_not(const UslFit& fit, const std::optional<double>& peak, const Means& means) {
  if (!(fit.kappa.low > 0))
    return format("the {:.0f} % interval of kappa, [{}, {}], contains 0: throughput was not seen to turn",
                  100 * fit.options.confidence, fit.kappa.low, fit.kappa.high);
  if (!peak) return format("sigma is {}: with 1 or more the law has no maximum", fit.sigma.value);
  if (*peak < means.front().n || *peak > means.back().n)
    return format("N* = {:.4g} lies outside the measured loads, {} to {}", *peak, means.front().n, means.back().n);
  return "";
}

double relative_error(const Means& means, const UslParameters& law) {
  double sum = 0;
  for (const MeanPoint& point : means) {
    const double relative = usl_throughput(law, point.n) / point.x - 1;
    sum += relative * relative;
  }
  return std::sqrt(sum / static_cast<double>(means.size()));
}

Json estimate_json(const UslEstimate& e) {
  return Json::object({{"value", e.value}, {"low", e.low}, {"high", e.high}});
}

}  // namespace

double usl_throughput(const UslParameters& law, double n) {
  return law.lambda * n / (1 + law.sigma * (n - 1) + law.kappa * n * (n - 1));
}

std::optional<double> usl_peak(const UslParameters& law) {
  if (!(law.kappa > 0) || law.sigma >= 1) return std::nullopt;
  return std::sqrt((1 - law.sigma) / law.kappa);
}

Result<UslFit> fit_usl(std::span<const UslPoint> points, const UslOptions& options) {
  VB_CHECK(check(points, options));
  std::vector<UslPoint> sorted(points.begin(), points.end());
  std::ranges::sort(sorted, {}, &UslPoint::n);
  const Means means = means_of(sorted);
  const UslParameters law = fit_means(means);

  std::vector<double> lambdas, sigmas, kappas, peaks;
  Rng rng(options.seed);
  for (int i = 0; i < options.resamples; ++i) {
    const UslParameters drawn = fit_means(resampled(sorted, means, rng));
    lambdas.push_back(drawn.lambda);
    sigmas.push_back(drawn.sigma);
    kappas.push_back(drawn.kappa);
    if (const auto peak = usl_peak(drawn)) peaks.push_back(*peak);
  }
  UslFit fit{.lambda = estimate(law.lambda, lambdas, options.confidence),
             .sigma = estimate(law.sigma, sigmas, options.confidence),
             .kappa = estimate(law.kappa, kappas, options.confidence),
             .peak = {},
             .rms_relative_error = relative_error(means, law),
             .reason = {},
             .options = options};
  const std::optional<double> peak = usl_peak(law);
  fit.reason = why_not(fit, peak, means);
  if (fit.reason.empty()) fit.peak = estimate(*peak, peaks, options.confidence);
  return fit;
}

Result<SweepThroughput> throughput_of(const TraceProfileSweep& sweep) {
  const bool decoded = std::ranges::all_of(
      sweep.points, [](const TraceProfileSweepPoint& point) { return !point.decode_tokens_per_second.values.empty(); });
  const bool decode = sweep.axis != SweepAxis::token_count && decoded;
  SweepThroughput out{.rate = decode ? "decode_tokens_per_second" : "prefill_tokens_per_second", .points = {}};
  for (const TraceProfileSweepPoint& point : sweep.points) {
    const Samples& rate = decode ? point.decode_tokens_per_second : point.prefill_tokens_per_second;
    if (rate.values.empty()) return invalid_input("{} {} has no {}", to_string(sweep.axis), point.axis_value, out.rate);
    if (point.axis_value < 1)
      return invalid_input("{} {}: the law starts at N = 1", to_string(sweep.axis), point.axis_value);
    out.points.push_back({static_cast<double>(point.axis_value), rate.values});
  }
  return out;
}

Json to_json(const UslFit& fit, std::string_view rate) {
  const bool fitted = fit.reason.empty();
  return Json::object({{"status", fitted ? "fitted" : "not_identifiable"},
                       {"reason", fitted ? Json() : Json(fit.reason)},
                       {"law", kLaw},
                       {"rate", rate},
                       {"lambda", estimate_json(fit.lambda)},
                       {"sigma", estimate_json(fit.sigma)},
                       {"kappa", estimate_json(fit.kappa)},
                       {"n_star", fit.peak ? estimate_json(*fit.peak) : Json()},
                       {"rms_relative_error", fit.rms_relative_error},
                       {"confidence", fit.options.confidence},
                       {"resamples", fit.options.resamples},
                       {"seed", format("{}", fit.options.seed)}});
}

}  // namespace vauban
