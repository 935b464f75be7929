#include <algorithm>
#include <map>
#include <set>

#include "evidence/deltas.h"
#include "evidence/paired_stats.h"

namespace vauban {
namespace {

/// Per-token values of one category, with the number of the cluster each token belongs to: its prompt's family, else its prompt.
struct Tokens {
  std::vector<double> kld, same_top, nll_baseline, nll_candidate;
  std::vector<std::int64_t> cluster;
};

Tokens tokens_of(const std::vector<TokenScores>& scores, const std::string& category) {
  Tokens tokens;
  std::map<std::string, std::int64_t> numbers;
  for (const TokenScores& row : scores) {
    if (category != kOverall && row.category != category) continue;
    tokens.kld.insert(tokens.kld.end(), row.kld.begin(), row.kld.end());
    tokens.same_top.insert(tokens.same_top.end(), row.same_top.begin(), row.same_top.end());
    tokens.nll_baseline.insert(tokens.nll_baseline.end(), row.nll_baseline.begin(), row.nll_baseline.end());
    tokens.nll_candidate.insert(tokens.nll_candidate.end(), row.nll_candidate.begin(), row.nll_candidate.end());
    const std::string cluster = row.family.empty() ? "\x1f" + row.prompt_id : row.family;
    const auto number = numbers.emplace(cluster, static_cast<std::int64_t>(numbers.size())).first->second;
    tokens.cluster.insert(tokens.cluster.end(), row.kld.size(), number);
  }
  return tokens;
}

/// On exact numerics a model against itself gives the same value at every token of every prompt. Nothing was sampled from a spread
/// there: the whole quantity was observed, and it is that value. Two prompts at least, so that it is not one prompt's accident;
/// gates ask for more (gates.cpp).
bool complete_observation(const std::vector<double>& values, const StandardError& error) {
  return error.clusters >= 2 && std::ranges::all_of(values, [&](double value) { return value == values.front(); });
}

class Writer {
 public:
  Writer(std::vector<MetricDelta>& out, const EvidenceInput& input, std::string category, const Tokens& tokens)
      : out_(out), input_(input), category_(std::move(category)), tokens_(tokens) {}

  /// A mean over tokens with an interval clustered by prompt. `self` is the baseline against itself.
  void mean(const char* name, const std::vector<double>& values, double self) {
    const MeanTest test = t_test(values, clustered_se(values, tokens_.cluster));
    MetricDelta delta = start(name, self, test.estimate);
    delta.stats.test = "clustered_t";
    delta.stats.clusters = test.error.clusters;
    set_intervals(delta.stats, test);
    if (complete_observation(values, test.error))
      delta.stats.ci = delta.stats.gate_ci = delta.stats.ci90 = Interval{values.front(), values.front()};
    delta.stats.mde = minimum_detectable_effect(test.error);
    out_.push_back(std::move(delta));
  }

  /// A quantile; no interval is claimed for it.
  void quantile(const char* name, double f) { out_.push_back(start(name, 0.0, quantile_of(tokens_.kld, f))); }

  /// A two-model metric like the others: the ids are the baseline's, so swapping the sides changes them too.
  void nll_shift() {
    std::vector<double> shift(tokens_.nll_baseline.size());
    for (std::size_t i = 0; i < shift.size(); ++i) shift[i] = tokens_.nll_candidate[i] - tokens_.nll_baseline[i];
    mean("nll_shift", shift, 0.0);
  }

 private:
  MetricDelta start(const char* name, double baseline, double candidate) const {
    MetricDelta delta = describe_delta(name, category_, input_.suite);
    delta.value_baseline = baseline;
    delta.value_candidate = candidate;
    delta.delta = candidate - baseline;
    if (baseline != 0) delta.percent_change = 100.0 * *delta.delta / baseline;
    delta.quality = quality_of(name, delta.polarity, Role::neutral, *delta.delta);
    delta.stats = {.test = "none", .estimate = candidate, .n = static_cast<std::int64_t>(tokens_.kld.size())};
    delta.evidence_ids = {"token_scores"};
    return delta;
  }

  std::vector<MetricDelta>& out_;
  const EvidenceInput& input_;
  std::string category_;
  const Tokens& tokens_;
};

}  // namespace

std::vector<MetricDelta> token_deltas(const EvidenceInput& input) {
  std::set<std::string> categories{std::string(kOverall)};
  for (const TokenScores& row : input.token_scores) categories.insert(row.category);
  std::vector<MetricDelta> out;
  for (const std::string& category : categories) {
    const Tokens tokens = tokens_of(input.token_scores, category);
    if (tokens.kld.empty()) continue;
    Writer writer(out, input, category, tokens);
    writer.mean("mean_kld", tokens.kld, 0.0);
    writer.quantile("median_kld", 0.5);
    writer.quantile("p99_kld", 0.99);
    writer.quantile("max_kld", 1.0);
    writer.mean("same_top", tokens.same_top, 1.0);
    writer.nll_shift();
  }
  return out;
}

}  // namespace vauban
