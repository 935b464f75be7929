#include "app/audit/pair_scoring.h"

#include "evidence/divergence.h"

namespace vauban {
namespace {

Result<void> add_chunk(TokenScores& scores, const LogitRows& a, const LogitRows& b, std::span<const std::int32_t> ids) {
  if (a.first_position != b.first_position || a.rows != b.rows) return internal("two score streams fell out of step");
  if (a.vocab != b.vocab) return invalid_input("the models have {} and {} logits", a.vocab, b.vocab);
  const auto vocab = static_cast<std::size_t>(a.vocab);
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const auto next = static_cast<std::size_t>(a.first_position + r + 1);
    if (next >= ids.size()) break;
    const std::size_t offset = static_cast<std::size_t>(r) * vocab;
    VB_TRY(const TokenDivergence token, divergence(a.values.subspan(offset, vocab), b.values.subspan(offset, vocab), ids[next]),
           "at position {}", a.first_position + r);
    scores.kld.push_back(token.kld);
    scores.nll_baseline.push_back(token.nll_baseline);
    scores.nll_candidate.push_back(token.nll_candidate);
    scores.same_top.push_back(token.same_top);
  }
  return ok();
}

}  // namespace

Result<TokenScores> score_pair(Runtime& base, Runtime& candidate, std::span<const std::int32_t> ids, const ScoreOptions& options) {
  TokenScores scores;
  if (ids.size() < 2) return scores;
  VB_TRY(const auto a, base.score(ids, {.chunk_rows = options.chunk_rows}));
  VB_TRY(const auto b, candidate.score(ids, options));
  while (true) {
    VB_TRY(const std::optional<LogitRows> left, a->next(), "in the baseline");
    VB_TRY(const std::optional<LogitRows> right, b->next(), "in the candidate");
    if (!left && !right) return scores;
    if (!left || !right) return internal("one score stream ended before the other");
    VB_CHECK(add_chunk(scores, *left, *right, ids));
  }
}

}  // namespace vauban
