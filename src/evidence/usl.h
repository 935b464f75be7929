/// The Universal Scaling Law: throughput X at load N,
///
///   X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))
///
/// lambda: throughput at N = 1; sigma >= 0: contention (what is serialised); kappa >= 0: coherency (what must agree).
/// With kappa > 0 and sigma < 1 throughput is largest at N* = sqrt((1 - sigma) / kappa). Source: Gunther 2008, "A
/// General Theory of Computational Scalability Based on Rational Functions", arXiv 0808.1431.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "evidence/sweep.h"

namespace vauban {

struct UslParameters {
  double lambda = 0, sigma = 0, kappa = 0;
};
double usl_throughput(const UslParameters& law, double n);
/// N*; empty for kappa = 0 or sigma >= 1.
std::optional<double> usl_peak(const UslParameters& law);

/// Repeated measurements at one load: n >= 1, each throughput > 0.
struct UslPoint {
  double n = 0;
  std::vector<double> throughput;
};

struct UslOptions {
  int resamples = 1000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

struct UslEstimate {
  double value = 0, low = 0, high = 0;  ///< percentile interval of the bootstrap
};

/// `reason` is empty when the parameters are identifiable: then `peak` is there.
struct UslFit {
  UslEstimate lambda, sigma, kappa;
  std::optional<UslEstimate> peak;  ///< N*
  double rms_relative_error = 0;    ///< of the points' means
  std::string reason;
  UslOptions options;
};

/// Least squares on relative errors of the points' means, weighted by their counts: a linear fit of N / X as the start,
/// then Levenberg-Marquardt; a parameter that would be negative is held at 0. Intervals: samples are redrawn within
/// each point, deviations scaled by sqrt(n / (n - 1)), since those of n draws have only (n - 1) / n of the variance.
/// Not identifiable, with the reason: when the interval of kappa contains 0, or N* lies outside the measured loads.
/// Errors: invalid_input for fewer than 5 distinct loads, fewer than 2 samples at one, a load below 1, or a throughput
/// that is not positive and finite.
Result<UslFit> fit_usl(std::span<const UslPoint> points, const UslOptions& options = {});

/// Which figure of a sweep is its throughput: the prefill rate along token_count; along the others the decode rate, or
/// the prefill rate where nothing was decoded. N is the axis value.
struct SweepThroughput {
  std::string rate;  ///< the JSON key of the point: "decode_tokens_per_second"
  std::vector<UslPoint> points;
};
/// Errors: invalid_input for a point without the rate, and for axis values below 1.
Result<SweepThroughput> throughput_of(const TraceProfileSweep& sweep);

/// {"status": "fitted" or "not_identifiable", "reason", "law", "rate", lambda, sigma, kappa {value, low, high},
/// "n_star"}.
Json to_json(const UslFit& fit, std::string_view rate);

}  // namespace vauban
