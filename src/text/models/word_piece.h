/// WordPiece (BERT): the longest piece of the vocabulary that begins the word, then the longest that goes on, and so on.
///
/// Pieces that go on carry a prefix ("##"). A word that cannot be covered to its end, or has more characters than
/// `max_characters`, is one unknown token.
#pragma once

#include <memory>
#include <string>

#include "text/models/token_model.h"

namespace vauban {

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string prefix = "##";
  std::size_t max_characters = 100;  ///< of a word
};

class WordPiece final : public TokenModel {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options);

  /// Errors: invalid_input for a word that needs the unknown token when the vocabulary has none.
  Result<void> tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view kind() const override { return "wordpiece"; }
  bool falls_back_to_bytes() const override { return false; }

 private:
  /// The longest piece that `word` has at byte `begin`; its size is 0 when there is none.
  ModelToken longest(std::string_view word, std::size_t begin, std::string& buffer) const;

  Vocabulary vocabulary_;
  WordPieceOptions options_;
  std::optional<std::int32_t> unknown_;
  std::size_t longest_bytes_ = 0;  ///< of an entry: no longer stretch needs to be looked up
};

Result<std::unique_ptr<TokenModel>> make_word_piece(const Json& section);

}  // namespace vauban
