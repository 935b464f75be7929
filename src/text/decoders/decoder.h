/// Decoder: token texts -> text, as a chain over a list of strings that are joined at the end.
///
/// To add one: one file with a `make_...` function declared here, one line in decoders.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// When the text of a token can no longer change, whatever tokens follow.
enum class Settling {
  each_token,  ///< at once, up to bytes that do not make a character yet
  byte_runs,   ///< at the next token that is not a byte piece: one bad byte spoils the whole run
  at_end,      ///< only when all tokens are known
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Errors: resource when a regular expression needs too many steps.
  virtual Result<void> apply(std::vector<std::string>& tokens) const = 0;
  /// `fused`: an earlier decoder of the chain has joined the tokens into one string.
  virtual Settling settling(bool fused) const = 0;
  virtual bool fuses() const { return false; }
  /// True when tokens are written in the byte alphabet.
  virtual bool reads_byte_letters() const { return false; }
};

/// `section`: the "decoder" of a tokenizer.json, not null. Errors: corrupt, or unsupported by name.
Result<std::unique_ptr<Decoder>> make_decoder(const Json& section);

Result<std::unique_ptr<Decoder>> make_sequence_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_byte_level_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_byte_fallback_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_fuse_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_replace_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_strip_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_metaspace_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_word_piece_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_bpe_decoder(const Json& section);
Result<std::unique_ptr<Decoder>> make_ctc_decoder(const Json& section);

/// Every occurrence of `from` becomes `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
/// English clean-up: no space before punctuation and contractions.
std::string clean_up(std::string text);

}  // namespace vauban
