/// TokenModel: one pre-tokenised piece of text -> vocabulary ids.
///
/// To add a model: one file with a `make_...` function here, one line in models.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/vocabulary.h"

namespace vauban {

struct ModelToken {
  std::int32_t id = 0;
  std::size_t begin = 0, end = 0;  ///< bytes of the piece
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  /// Appends the tokens of `piece` (valid UTF-8, not empty).
  virtual Result<void> tokenize(std::string_view piece, std::vector<ModelToken>& out) const = 0;
  /// Whether tokenize_bytes() may be called: the model knows every letter of the byte alphabet.
  virtual bool takes_bytes() const { return false; }
  /// What tokenize() would give for `bytes` written in the letters of the byte alphabet; begin and end count in `bytes`.
  virtual Result<void> tokenize_bytes(std::string_view bytes, std::vector<ModelToken>& out) const;
  virtual const Vocabulary& vocabulary() const = 0;
  virtual std::string_view kind() const = 0;  ///< "bpe", "unigram", ...
  /// True when characters outside the vocabulary become byte pieces <0x00> .. <0xFF>.
  virtual bool falls_back_to_bytes() const = 0;
};

/// The member "vocab" of a model, texts with their ids. Errors: corrupt.
Result<Vocabulary> read_vocabulary(const Json& section);

/// `section`: the "model" of a tokenizer.json. Errors: corrupt, or unsupported with the name of what is not built.
Result<std::unique_ptr<TokenModel>> make_model(const Json& section);

}  // namespace vauban
