#include "evidence/divergence.h"

#include <algorithm>
#include <cmath>

namespace vauban {
namespace {

struct Row {
  double normaliser = 0;  ///< log sum exp
  std::size_t top = 0;
};

Result<Row> scan(std::span<const float> logits) {
  Row row;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) return corrupt("logit {} is NaN", i);
    if (logits[i] > logits[row.top]) row.top = i;
  }
  double sum = 0;
  const double peak = logits[row.top];
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - peak);
  row.normaliser = peak + std::log(sum);
  return row;
}

}  // namespace

Result<TokenDivergence> divergence(std::span<const float> base_logits, std::span<const float> candidate_logits, std::int32_t next) {
  if (base_logits.size() != candidate_logits.size() || base_logits.empty())
    return invalid_input("vocabularies differ: {} and {} logits", base_logits.size(), candidate_logits.size());
  if (next < 0 || static_cast<std::size_t>(next) >= base_logits.size())
    return invalid_input("token {} lies outside a vocabulary of {}", next, base_logits.size());
  VB_TRY(const Row base, scan(base_logits), "in the baseline");
  VB_TRY(const Row candidate, scan(candidate_logits), "in the candidate");
  double kld = 0;
  for (std::size_t i = 0; i < base_logits.size(); ++i) {
    const double log_p = static_cast<double>(base_logits[i]) - base.normaliser;
    const double log_q = static_cast<double>(candidate_logits[i]) - candidate.normaliser;
    if (std::isfinite(log_p)) kld += std::exp(log_p) * (log_p - log_q);
  }
  const auto index = static_cast<std::size_t>(next);
  return TokenDivergence{.kld = static_cast<float>(kld),
                         .nll_baseline = static_cast<float>(base.normaliser - base_logits[index]),
                         .nll_candidate = static_cast<float>(candidate.normaliser - candidate_logits[index]),
                         .same_top = base.top == candidate.top};
}

}  // namespace vauban
