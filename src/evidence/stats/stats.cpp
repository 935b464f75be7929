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

Bounds around(double centre, double half) { return {centre - half, centre + half}; }

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
  error.se = sample_sd(values) / std::sqrt(n);
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
  error.se = std::sqrt(groups / (groups - 1) * total) / static_cast<double>(values.size());
  error.df = groups - 1;
  return error;
}

MeanTest t_test(std::span<const double> values, const StandardError& error) {
  MeanTest test{.estimate = mean_of(values), .error = error};
  if (error.df < 1) return test;
  test.ci95 = around(test.estimate, t_quantile(error.df, 0.975) * error.se);
  test.ci90 = around(test.estimate, t_quantile(error.df, 0.95) * error.se);
  if (error.se > 0)
    test.p = two_sided_t(test.estimate / error.se, error.df);
  else
    test.p = test.estimate == 0 ? 1.0 : 0.0;
  return test;
}

double mcnemar_exact(std::int64_t b, std::int64_t c) {
  const std::int64_t discordant = b + c;
  if (discordant == 0) return 1;
  const boost::math::binomial coin(static_cast<double>(discordant), 0.5);
  return std::min(1.0, 2.0 * boost::math::cdf(coin, static_cast<double>(std::min(b, c))));
}

Bounds wilson(std::int64_t successes, std::int64_t n, double confidence) {
  const double z = normal_quantile(0.5 + confidence / 2), total = static_cast<double>(n), p = static_cast<double>(successes) / total;
  const double scale = 1 + z * z / total;
  const double centre = (p + z * z / (2 * total)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / scale;
  // The ends are exact where every or no trial succeeded; rounding must not leave a gap there.
  return {successes == 0 ? 0.0 : centre - half, successes == n ? 1.0 : centre + half};
}

std::optional<double> tost_p(const MeanTest& test, double margin) {
  if (test.error.df < 1) return std::nullopt;
  if (test.error.se == 0) return std::abs(test.estimate) < margin ? 0.0 : 1.0;
  const boost::math::students_t t(test.error.df);
  const double above = boost::math::cdf(boost::math::complement(t, (test.estimate + margin) / test.error.se));
  const double below = boost::math::cdf(t, (test.estimate - margin) / test.error.se);
  return std::max(above, below);
}

std::optional<double> minimum_detectable_effect(const StandardError& error) {
  if (error.df < 1) return std::nullopt;
  return (normal_quantile(0.975) + normal_quantile(0.8)) * error.se;
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

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const std::vector<std::size_t> order = ascending(p);
  std::vector<double> adjusted(p.size());
  double running = 1;
  for (std::size_t rank = order.size(); rank-- > 0;) {
    running = std::min(running, p[order[rank]] * static_cast<double>(p.size()) / static_cast<double>(rank + 1));
    adjusted[order[rank]] = running;
  }
  return adjusted;
}

}  // namespace vauban
