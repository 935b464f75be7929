/// Paired statistics. Formulas: audit.md section 6; distributions: Boost.Math.
///
/// All functions are pure. Inputs of size 0 or 1 give what can be said about them: an estimate without an interval.
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

/// Standard error of a mean, and how many degrees of freedom it has.
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

struct MeanTest {
  double estimate = 0;
  std::optional<Bounds> ci95, ci90;  ///< t intervals
  std::optional<double> p;           ///< two-sided, mean = 0; 1 when every value is 0
  StandardError error;
};
MeanTest t_test(std::span<const double> values, const StandardError& error);

/// Exact McNemar on discordant pairs: p = min(1, 2 sum_{i <= min(b,c)} C(b+c, i) / 2^(b+c)); 1 when b + c = 0.
double mcnemar_exact(std::int64_t b, std::int64_t c);

/// Wilson interval of `successes` out of n > 0.
Bounds wilson(std::int64_t successes, std::int64_t n, double confidence = 0.95);

/// Two one-sided t tests: the larger p of mean <= -margin and mean >= margin. Equivalent at 5 % when p < .05, which is when
/// the 90 % interval lies inside (-margin, margin). A standard error of 0 decides by the estimate alone (p 0 or 1).
std::optional<double> tost_p(const MeanTest& test, double margin);

/// Smallest mean difference that a two-sided 5 % test finds with power 80 %: (z_{.975} + z_{.8}) * se.
std::optional<double> minimum_detectable_effect(const StandardError& error);

std::vector<double> holm(std::span<const double> p);
std::vector<double> benjamini_hochberg(std::span<const double> p);

}  // namespace vauban
