/// Claim: a statement with the strength that its evidence supports. Only derive_claims (src/claim/derive.h) can make one:
/// there is no public constructor, so no configuration and no caller can raise a claim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vauban/result.h"

namespace vauban {

/// The ladder (trace-contract section 6), weakest first.
enum class Strength {
  behavioral_profile, black_box_behavioral_diff, distributional_diff, weight_diff, activation_diagnostic, model_change_audit,
};
std::string_view to_string(Strength strength);
Result<Strength> strength_from(std::string_view name);

class Claim;
struct Evidence;
struct MetricDelta;

namespace detail {
/// Defined in src/claim/derive.cpp, and nowhere else: a second definition does not link.
Claim make_claim(const Evidence& evidence, const MetricDelta& delta, Strength level);
}  // namespace detail

class Claim {
 public:
  const std::string& id() const { return id_; }
  Strength strength() const { return strength_; }
  const std::string& statement() const { return statement_; }
  const std::string& metric() const { return metric_; }
  const std::string& category() const { return category_; }
  std::int64_t n() const { return n_; }
  const std::optional<double>& effect() const { return effect_; }
  const std::optional<std::pair<double, double>>& ci() const { return ci_; }
  const std::optional<double>& p() const { return p_; }
  const std::optional<double>& p_adjusted() const { return p_adjusted_; }
  const std::vector<std::string>& limits() const { return limits_; }
  const std::vector<std::string>& evidence() const { return evidence_; }
  const std::string& lifted_by() const { return lifted_by_; }  ///< the missing artifact that would raise it one rung

 private:
  friend Claim detail::make_claim(const Evidence& evidence, const MetricDelta& delta, Strength level);
  Claim() = default;
  std::string id_, statement_, metric_, category_, lifted_by_;
  Strength strength_ = Strength::behavioral_profile;
  std::int64_t n_ = 0;
  std::optional<double> effect_, p_, p_adjusted_;
  std::optional<std::pair<double, double>> ci_;
  std::vector<std::string> limits_, evidence_;
};

}  // namespace vauban
