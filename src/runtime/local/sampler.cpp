#include "runtime/local/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "base/rng.h"
#include "base/sha256.h"

namespace vauban {

namespace {

std::size_t argmax(std::span<const float> values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

Result<void> check_logits(std::span<const float> logits, std::int64_t position) {
  bool any_finite = false;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (std::isnan(logits[id]) || logits[id] == INFINITY)
      return corrupt("logits for position {}: expected finite values, found {} at id {}", position, logits[id], id);
    any_finite = any_finite || logits[id] != -INFINITY;
  }
  if (!any_finite)
    return corrupt("logits for position {}: expected a finite value, all {} are -inf", position, logits.size());
  return ok();
}

/// Larger probability first; the lower id on ties.
bool more_likely(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
}

void normalise(std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const Candidate& c : candidates) sum += c.probability;
  for (Candidate& c : candidates) c.probability /= sum;
}

void keep_top_k(std::vector<Candidate>& candidates, int k) {
  if (k <= 0 || static_cast<std::size_t>(k) >= candidates.size()) return;
  std::partial_sort(candidates.begin(), candidates.begin() + k, candidates.end(), more_likely);
  candidates.resize(static_cast<std::size_t>(k));
  normalise(candidates);
}

/// The smallest prefix of the sorted list whose sum reaches p, border token included.
void keep_top_p(std::vector<Candidate>& candidates, double p) {
  if (p >= 1.0) return;
  std::sort(candidates.begin(), candidates.end(), more_likely);
  double sum = 0;
  std::size_t kept = 0;
  while (kept < candidates.size() && (kept == 0 || sum < p)) sum += candidates[kept++].probability;
  candidates.resize(kept);
  normalise(candidates);
}

void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  if (min_p <= 0.0) return;
  double largest = 0;
  for (const Candidate& c : candidates) largest = std::max(largest, c.probability);
  std::erase_if(candidates, [&](const Candidate& c) { return c.probability < min_p * largest; });
  normalise(candidates);
}

/// As a decimal string where a signed 64-bit reader would overflow.
Json seed_json(std::uint64_t seed) {
  if (seed >> 63) return format("{}", seed);
  return static_cast<std::int64_t>(seed);
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
  const double largest = logits[argmax(logits)];
  double sum = 0;
  for (const float z : logits) sum += std::exp(static_cast<double>(z) - largest);
  return largest + std::log(sum);
}

void log_softmax(std::span<const float> logits, std::span<float> out) {
  const double normaliser = log_sum_exp(logits);
  for (std::size_t i = 0; i < logits.size(); ++i)
    out[i] = static_cast<float>(static_cast<double>(logits[i]) - normaliser);
}

std::uint64_t request_key(std::span<const std::int32_t> prompt_ids) {
  std::string text;
  for (const std::int32_t id : prompt_ids) text += format("{} ", id);
  std::uint64_t key = 0;
  for (const char digit : sha256_hex(std::string_view(text)).substr(0, 16))
    key = key * 16 + static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  return key;
}

std::vector<float> Sampler::penalised(std::span<const float> logits, std::span<const std::int32_t> history) const {
  std::vector<float> out(logits.begin(), logits.end());
  if (sampling_.repetition_penalty == 1.0) return out;
  const std::size_t window =
      sampling_.repetition_window == 0
          ? history.size()
          : std::min<std::size_t>(history.size(), static_cast<std::size_t>(sampling_.repetition_window));
  const std::span<const std::int32_t> recent = history.last(window);
  for (const std::int32_t id : std::unordered_set<std::int32_t>(recent.begin(), recent.end())) {
    if (id < 0 || static_cast<std::size_t>(id) >= out.size()) continue;  // an id that the head does not predict
    float& z = out[static_cast<std::size_t>(id)];
    z = static_cast<float>(z > 0 ? z / sampling_.repetition_penalty : z * sampling_.repetition_penalty);
  }
  return out;
}

std::vector<Candidate> Sampler::distribution(std::span<const float> logits,
                                             std::span<const std::int32_t> history) const {
  const std::vector<float> z = penalised(logits, history);
  const double largest = z[argmax(z)];
  std::vector<Candidate> candidates;
  candidates.reserve(z.size());
  for (std::size_t id = 0; id < z.size(); ++id)  // the maximum goes first, so that no temperature overflows
    candidates.push_back(
        {static_cast<std::int32_t>(id), std::exp((static_cast<double>(z[id]) - largest) / sampling_.temperature)});
  normalise(candidates);
  keep_top_k(candidates, sampling_.top_k);
  keep_top_p(candidates, sampling_.top_p);
  keep_min_p(candidates, sampling_.min_p);
  return candidates;
}

Result<Pick> Sampler::pick(std::span<const float> logits, std::span<const std::int32_t> history,
                           std::int64_t position) const {
  VB_CHECK(check_logits(logits, position));
  if (greedy() && sampling_.repetition_penalty == 1.0) return Pick{static_cast<std::int32_t>(argmax(logits)), 1};
  if (greedy()) return Pick{static_cast<std::int32_t>(argmax(penalised(logits, history))), 1};

  const std::vector<Candidate> candidates = distribution(logits, history);
  const double u = uniform({sampling_.seed, request_key_, sampling_.sample, static_cast<std::uint32_t>(position)});
  double cumulative = 0;
  std::int32_t chosen = candidates.front().id;
  for (const Candidate& c : candidates) {
    if (c.probability == 0.0) continue;
    chosen = c.id;  // rounding may leave the sum just below u: then the last possible one stands
    cumulative += c.probability;
    if (u < cumulative) break;
  }
  return Pick{chosen, static_cast<int>(candidates.size())};
}

Json Sampler::record() const {
  Json record = Json::object({{"method", greedy() ? "greedy" : "sample"},
                              {"order", Json::array({"logprobs", "repetition_penalty", "temperature", "top_k", "top_p",
                                                     "min_p", "normalise", "draw"})},
                              {"temperature", sampling_.temperature},
                              {"top_k", sampling_.top_k},
                              {"top_p", sampling_.top_p},
                              {"min_p", sampling_.min_p},
                              {"repetition_penalty", sampling_.repetition_penalty},
                              {"repetition_window", sampling_.repetition_window},
                              {"seed", seed_json(sampling_.seed)},
                              {"sample", sampling_.sample},
                              {"max_tokens", sampling_.max_tokens},
                              {"stop", Json(sampling_.stop)},
                              {"ignore_eos", sampling_.ignore_eos}});
  record["rng"] = greedy() ? Json() : Json("philox4x32-10, keyed (seed, request, sample, position)");
  record["request_key"] = format("{:016x}", request_key_);
  return record;
}

}  // namespace vauban
