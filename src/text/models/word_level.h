/// WordLevel: every pre-tokenised word is one entry of the vocabulary, or the unknown token.
#pragma once

#include <memory>
#include <string>

#include "text/models/token_model.h"

namespace vauban {

class WordLevel final : public TokenModel {
 public:
  WordLevel(Vocabulary vocabulary, std::string unknown)
      : vocabulary_(std::move(vocabulary)), unknown_text_(std::move(unknown)), unknown_(vocabulary_.find(unknown_text_)) {}

  /// Errors: invalid_input for a word outside the vocabulary when it has no unknown token.
  Result<void> tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view kind() const override { return "wordlevel"; }
  bool falls_back_to_bytes() const override { return false; }

 private:
  Vocabulary vocabulary_;
  std::string unknown_text_;
  std::optional<std::int32_t> unknown_;
};

Result<std::unique_ptr<TokenModel>> make_word_level(const Json& section);

}  // namespace vauban
