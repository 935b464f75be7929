#include "evidence/stats/stats.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <map>
#include <numeric>

namespace vauban {
namespace {

double normal_quantile(double probability) { return boost::math::quantile(boost::math::normal(), probability); }
double t_quantile(double df, double probability) {
  return boost::math::quantile(boost::math::students_t(df), probability);
}
double two_sided_t(double t, double df) {
  return std::min(1.0, 2.0 * boost::math::cdf(boost::math::complement(boost::math::students_t(df), std::abs(t))));
}

/// A standard error that is no more than the rounding of the values it came from is 0: differences such as 0.4 - 0.3 and 0.3 - 0.2
/// vary in the last bit, and an interval of that width would look like proof.
double above_rounding(double se, std::span<const double> values) {
  const auto [low, high] = std::ranges::minmax_element(values);
  const double spread = *high - *low, largest = std::max(std::abs(*low), std::abs(*high));
  return spread <= 1e-10 * largest || se <= 1e-12 * spread ? 0.0 : se;
}

/// Indices of p in ascending order of value; stable, so equal values keep their order.
std::vector<std::size_t> ascending(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

double mean_of(std::span<const double> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sample_sd(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double quantile_of(std::vector<double> values, double f) {
  std::sort(values.begin(), values.end());
  const double place = f * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

StandardError plain_se(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  StandardError error{.n = static_cast<std::int64_t>(values.size()), .clusters = static_cast<std::int64_t>(values.size())};
  if (values.size() < 2) return error;
  error.se = above_rounding(sample_sd(values) / std::sqrt(n), values);
  error.df = n - 1;
  return error;
}

StandardError clustered_se(std::span<const double> values, std::span<const std::int64_t> cluster) {
  const double mean = mean_of(values);
  std::map<std::int64_t, double> sums;
  for (std::size_t i = 0; i < values.size(); ++i) sums[cluster[i]] += values[i] - mean;
  StandardError error{.n = static_cast<std::int64_t>(values.size()), .clusters = static_cast<std::int64_t>(sums.size())};
  if (sums.size() < 2) return error;
  double total = 0;
  for (const auto& [id, sum] : sums) total += sum * sum;
  const auto groups = static_cast<double>(sums.size());
  error.se = above_rounding(std::sqrt(groups / (groups - 1) * total) / static_cast<double>(values.size()), values);
  error.df = groups - 1;
  return error;
}

std::optional<Bounds> t_interval(double estimate, const StandardError& error, double confidence) {
  if (error.df < 1 || error.se == 0) return std::nullopt;
  const double half = t_quantile(error.df, 0.5 + confidence / 2) * error.se;
  return Bounds{estimate - half, estimate + half};
}

MeanTest t_test(std::span<const double> values, const StandardError& error) {
  MeanTest test{.estimate = mean_of(values), .error = error};
  test.ci95 = t_interval(test.estimate, error, 0.95);
  test.ci90 = t_interval(test.estimate, error, 0.90);
  if (test.ci95)
    test.p = two_sided_t(test.estimate / error.se, error.df);
  else if (!values.empty() && std::ranges::all_of(values, [](double value) { return value == 0; }))
    test.p = 1.0;
  return test;
}

double mcnemar_exact(std::int64_t b, std::int64_t c) {
  const std::int64_t discordant = b + c;
  if (discordant == 0) return 1;
  const boost::math::binomial coin(static_cast<double>(discordant), 0.5);
  return std::min(1.0, 2.0 * boost::math::cdf(coin, static_cast<double>(std::min(b, c))));
}

Bounds wilson(double successes, double n, double confidence) {
  const double z = normal_quantile(0.5 + confidence / 2), p = successes / n;
  const double scale = 1 + z * z / n;
  const double centre = (p + z * z / (2 * n)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale;
  // The ends are exact where every or no trial succeeded; rounding must not leave a gap there.
  return {successes == 0 ? 0.0 : centre - half, successes == n ? 1.0 : centre + half};
}

Bounds adjusted_wald(double up, double down, double n, double confidence) {
  const double z = normal_quantile(0.5 + confidence / 2), total = n + 2, b = up + 0.5, c = down + 0.5;
  const double estimate = (b - c) / total;
  const double half = z * std::sqrt(b + c - (b - c) * (b - c) / total) / total;
  return {std::max(-1.0, estimate - half), std::min(1.0, estimate + half)};
}

Bounds hull(const Bounds& a, const Bounds& b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

std::optional<double> minimum_detectable_effect(const StandardError& error) {
  if (error.df < 1 || error.se == 0) return std::nullopt;
  return (t_quantile(error.df, 0.975) + t_quantile(error.df, 0.8)) * error.se;
}

std::vector<double> holm(std::span<const double> p) {
  const std::vector<std::size_t> order = ascending(p);
  std::vector<double> adjusted(p.size());
  double running = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    running = std::max(running, std::min(1.0, static_cast<double>(p.size() - rank) * p[order[rank]]));
    adjusted[order[rank]] = running;
  }
  return adjusted;
}

}  // namespace vauban
