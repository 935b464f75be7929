/// Paired statistics. Formulas: audit.md section 6; distributions: Boost.Math.
///
/// All functions are pure. Inputs of size 0 or 1, and values that do not vary, give what can be said about them: an estimate
/// without an interval. An interval without width is never a result here: it would pass for proof.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vauban {

double mean_of(std::span<const double> values);
/// n - 1 in the denominator; 0 for fewer than two values.
double sample_sd(std::span<const double> values);
/// Linear interpolation at f * (n - 1), f in [0, 1]. `values` need not be sorted; not empty.
double quantile_of(std::vector<double> values, double f);

/// Standard error of a mean, and how many degrees of freedom it has. `se` is exactly 0 where the values (or the cluster sums)
/// differ by no more than rounding.
struct StandardError {
  double se = 0;
  double df = 0;       ///< n - 1, or G - 1 when clustered
  std::int64_t n = 0, clusters = 0;
};
StandardError plain_se(std::span<const double> values);
/// sqrt(G/(G-1) * sum_g (sum_{i in g} (x_i - mean))^2) / n. Source: Miller 2024, arXiv 2411.00640, with the G/(G-1) factor.
StandardError clustered_se(std::span<const double> values, std::span<const std::int64_t> cluster);

struct Bounds {
  double low = 0, high = 0;
};

/// estimate +- t * se. Empty when df < 1 or se = 0.
std::optional<Bounds> t_interval(double estimate, const StandardError& error, double confidence);

struct MeanTest {
  double estimate = 0;
  std::optional<Bounds> ci95, ci90;  ///< t intervals
  /// Two-sided, mean = 0. Without a t interval: 1 when every value is 0, else empty.
  std::optional<double> p;
  StandardError error;
};
MeanTest t_test(std::span<const double> values, const StandardError& error);

/// Exact McNemar on discordant pairs: p = min(1, 2 sum_{i <= min(b,c)} C(b+c, i) / 2^(b+c)); 1 when b + c = 0.
double mcnemar_exact(std::int64_t b, std::int64_t c);

/// Wilson interval of `successes` out of n > 0. Both may be fractions: counts scaled to the effective size of a sample.
Bounds wilson(double successes, double n, double confidence = 0.95);

/// Adjusted Wald interval of the difference of two paired rates, (up - down) / n, within [-1, 1]: half a pair is added to each
/// of the four cells, so it has a width even when no pair is discordant. Source: Agresti and Min 2005, "Simple improved
/// confidence intervals for comparing matched proportions", doi 10.1002/sim.1781. Counts may be fractions, as for wilson().
Bounds adjusted_wald(double up, double down, double n, double confidence = 0.95);

Bounds hull(const Bounds& a, const Bounds& b);

/// Smallest mean difference that a two-sided 5 % test finds with power 80 %: (t_{.975,df} + t_{.8,df}) * se.
std::optional<double> minimum_detectable_effect(const StandardError& error);

std::vector<double> holm(std::span<const double> p);

}  // namespace vauban
