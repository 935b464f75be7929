/// Unigram, as tokenizer.json has it: the segmentation whose scores add up to the most (Viterbi).
///
/// A character that no piece covers alone may be an unknown, 10 below the worst score of the vocabulary; neighbouring
/// unknowns are one token. With byte_fallback it becomes byte pieces where all of its bytes have one. Unlike in a
/// SentencePiece file every entry can be made from text, "<s>" and "<0x41>" too. Sums are f64, as in the reference.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/models/token_model.h"

namespace vauban {

struct UnigramOptions {
  std::optional<std::int32_t> unknown;
  bool byte_fallback = false;
};

class Unigram final : public TokenModel {
 public:
  /// Piece i has score scores[i] (finite). Errors: corrupt for an empty piece, or an unknown id outside the vocabulary.
  static Result<std::unique_ptr<Unigram>> make(std::vector<std::string> pieces, std::vector<double> scores,
                                               UnigramOptions options);

  /// Errors: invalid_input for a character outside the vocabulary when there is no unknown token.
  Result<void> tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view kind() const override { return "unigram"; }
  bool falls_back_to_bytes() const override { return options_.byte_fallback; }

 private:
  struct Step;
  void emit(std::string_view text, std::size_t begin, std::size_t end, std::vector<ModelToken>& out) const;
  bool emit_bytes(std::string_view text, std::size_t begin, std::size_t end, std::vector<ModelToken>& out) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  UnigramOptions options_;
  TokenTrie trie_;
  double unknown_score_ = 0;
};

Result<std::unique_ptr<TokenModel>> make_unigram(const Json& section);

}  // namespace vauban
