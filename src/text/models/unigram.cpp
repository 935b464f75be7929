#include "text/models/unigram.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr std::int32_t kUnknown = -1;

}  // namespace

/// The best way to a position.
struct Unigram::Step {
  double score = 0;
  std::size_t begin = 0;
  std::int32_t id = kUnknown;
  bool reached = false;

  void offer(double other, std::size_t from, std::int32_t piece) {
    if (!reached || other > score) *this = {other, from, piece, true};
  }
};

Result<std::unique_ptr<Unigram>> Unigram::make(std::vector<std::string> pieces, std::vector<double> scores,
                                               UnigramOptions options) {
  if (options.unknown && (*options.unknown < 0 || static_cast<std::size_t>(*options.unknown) >= pieces.size()))
    return corrupt("unk_id {}: the vocabulary has {} pieces", *options.unknown, pieces.size());
  auto out = std::unique_ptr<Unigram>(new Unigram);
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].empty()) return corrupt("piece {} is empty", i);
  out->vocabulary_ = Vocabulary::from_list(std::move(pieces));
  if (out->vocabulary_.count() != scores.size()) return corrupt("a piece stands in the vocabulary twice");
  for (std::size_t i = 0; i < scores.size(); ++i) out->trie_.insert(*out->vocabulary_.text(static_cast<std::int32_t>(i)), i);
  out->unknown_score_ = (scores.empty() ? 0.0 : *std::min_element(scores.begin(), scores.end())) - kUnknownPenalty;
  out->scores_ = std::move(scores);
  out->options_ = options;
  return out;
}

Result<void> Unigram::tokenize(std::string_view text, std::vector<ModelToken>& out) const {
  std::vector<Step> best(text.size() + 1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = code_point_at(text, at).size;
    const double here = best[at].score;
    bool alone = false;  // some piece is this character
    trie_.for_each_at(text, at, [&](std::size_t piece, std::size_t length) {
      alone = alone || length == size;
      best[at + length].offer(here + scores_[piece], at, static_cast<std::int32_t>(piece));
    });
    if (!alone && !options_.unknown)
      return invalid_input("the vocabulary has no '{}' and no unknown token", text.substr(at, size));
    if (!alone) best[at + size].offer(here + unknown_score_, at, *options_.unknown);
    at += size;
  }
  std::vector<Step> path;  // from the end; neighbouring unknowns joined
  for (std::size_t end = text.size(); end > 0; end = best[end].begin) {
    const bool unknown = options_.unknown && best[end].id == *options_.unknown;
    if (unknown && !path.empty() && path.back().id == best[end].id)
      path.back().begin = best[end].begin;
    else
      path.push_back(best[end]);
  }
  std::reverse(path.begin(), path.end());
  for (std::size_t i = 0; i < path.size(); ++i)
    emit(text, path[i].begin, i + 1 < path.size() ? path[i + 1].begin : text.size(), out);
  return ok();
}

void Unigram::emit(std::string_view text, std::size_t begin, std::size_t end, std::vector<ModelToken>& out) const {
  if (const auto id = vocabulary_.find(text.substr(begin, end - begin)))
    out.push_back({*id, begin, end});
  else if (!options_.byte_fallback || !emit_bytes(text, begin, end, out))
    out.push_back({*options_.unknown, begin, end});  // tokenize() met an unknown, so there is one
}

bool Unigram::emit_bytes(std::string_view text, std::size_t begin, std::size_t end, std::vector<ModelToken>& out) const {
  const std::size_t before = out.size();
  for (std::size_t at = begin; at < end; ++at) {
    const auto id = vocabulary_.find(piece_of_byte(static_cast<std::uint8_t>(text[at])));
    if (!id) {
      out.resize(before);
      return false;
    }
    out.push_back({*id, begin, end});
  }
  return true;
}

Result<std::unique_ptr<TokenModel>> make_unigram(const Json& section) {
  VB_TRY(const Json::Array* const entries, fields::array(section, "vocab"));
  std::vector<std::string> pieces;
  std::vector<double> scores;
  for (const Json& entry : *entries) {
    const bool good = entry.is_array() && entry.size() == 2 && entry.items()[0].is_string() && entry.items()[1].is_number();
    if (!good) return corrupt("vocabulary entry {}: expected [piece, score]", pieces.size());
    pieces.push_back(entry.items()[0].as_string());
    scores.push_back(entry.items()[1].as_double());
    if (!std::isfinite(scores.back())) return corrupt("piece '{}': the score is not finite", printable(pieces.back()));
  }
  UnigramOptions options;
  if (fields::present(section, "unk_id")) {
    VB_TRY(const std::int64_t id, fields::integer(section, "unk_id", 0, INT32_MAX));
    options.unknown = static_cast<std::int32_t>(id);
  }
  VB_TRY(options.byte_fallback, fields::boolean_or(section, "byte_fallback", false));
  VB_TRY(std::unique_ptr<TokenModel> model, Unigram::make(std::move(pieces), std::move(scores), options));
  return model;
}

}  // namespace vauban
