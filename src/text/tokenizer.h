/// Tokenizer: text <-> ids with byte offsets. Exactly one rule for BOS.
///
/// Immutable after loading and safe to share between threads. Loaders: tokenizer_json.cpp (Hugging Face),
/// sentencepiece.cpp and tiktoken.cpp (tokenizer.model), gguf_vocab.cpp (keys of a GGUF). Untrusted input: errors are `corrupt` or
/// `unsupported`, never a crash. The BOS rule and the order of its sources stand in special_tokens.h. `truncation` and
/// `padding` of a tokenizer.json are requests of a caller, not rules of the vocabulary: encode() gives all tokens, and
/// encode_inputs() (inputs/encode_inputs.h) does what they ask, for pairs of texts too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/inputs/input_rules.h"

namespace vauban {

struct TokenSpan {
  std::size_t begin = 0, end = 0;  ///< bytes of the input, [begin, end); a token added by the tokenizer is empty
  friend bool operator==(const TokenSpan&, const TokenSpan&) = default;
};

struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::string> pieces;  ///< the vocabulary's text of each id
  std::vector<TokenSpan> offsets;   ///< beside ids
};

struct EncodeOptions {
  /// Add what the model's own tokenizer adds (BOS, templates); never a second BOS.
  bool add_special = true;
  /// Text of special tokens in the input becomes those tokens (as HF does); off for user content.
  bool parse_special = true;
  /// Off: finish() is left to the caller, who cuts windows first.
  bool finished = true;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Errors: invalid_input for text that is not UTF-8 (with the byte offset).
  virtual Result<Encoding> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  /// How inputs of one text or two are framed, cut and padded.
  virtual InputRules input_rules() const = 0;
  /// The end of encode(), for tokens of `text`: white space leaves the offsets where the tokenizer's files say so, and added
  /// tokens show their own text instead of what they matched.
  virtual void finish(Encoding&, std::string_view /*text*/) const {}
  /// Invalid UTF-8 made by byte tokens becomes U+FFFD. Errors: invalid_input for an id outside the vocabulary.
  virtual Result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special = false) const = 0;
  /// Bytes of one token as decoding in the middle of a text would give them: what a streaming decoder appends.
  virtual Result<std::string> token_bytes(std::int32_t id) const = 0;
  /// False for a token whose text may still change with the tokens that follow (a byte of a byte-fallback run).
  virtual bool settles(std::int32_t id) const = 0;
  virtual std::int32_t vocab_size() const = 0;
  virtual Result<std::string> piece(std::int32_t id) const = 0;
  virtual std::optional<std::int32_t> id_of(std::string_view piece) const = 0;
  virtual bool is_special(std::int32_t id) const = 0;
  virtual std::optional<std::int32_t> bos() const = 0;
  virtual std::optional<std::int32_t> eos() const = 0;
  virtual std::string_view kind() const = 0;  ///< "bpe-bytelevel", "bpe-bytefallback", "unigram", ...
  /// SHA-256 over the vocabulary, merges and rules: equal digests encode equally.
  virtual std::string digest() const = 0;
};

/// Appends tokens and gives back the text that is complete so far; a code point split over tokens is held back.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  /// Text that became certain with this token (may be empty).
  Result<std::string> push(std::int32_t id);
  /// What is left: an incomplete code point comes out as U+FFFD. The pieces joined equal decode() of all ids.
  Result<std::string> finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::vector<std::int32_t> ids_;  ///< tokens since the last certain boundary
  std::size_t emitted_ = 0;        ///< bytes of decode(ids_) already given out
};

/// What a loader needs beside the vocabulary file; all optional.
struct TokenizerHints {
  Json tokenizer_config;    ///< tokenizer_config.json
  Json special_tokens_map;  ///< special_tokens_map.json
  Json generation_config;   ///< eos ids
};

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_json(std::string_view json_text,
                                                             const TokenizerHints& hints = {});
Result<std::shared_ptr<const Tokenizer>> load_sentencepiece(std::string_view model_bytes,
                                                            const TokenizerHints& hints = {});
/// `rank_file`: lines of a token in base64, a space and its rank (tiktoken). Such a file names neither its cuts nor its
/// special tokens, so only published ones are known, by their SHA-256. Errors: corrupt; unsupported for another vocabulary.
Result<std::shared_ptr<const Tokenizer>> load_tiktoken(std::string_view rank_file, const TokenizerHints& hints = {});
/// Whether the bytes of a tokenizer.model are such a file.
bool is_rank_file(std::string_view bytes);
/// `metadata`: the keys of a GGUF file (tokenizer.ggml.*).
Result<std::shared_ptr<const Tokenizer>> load_gguf_vocab(const Json& metadata);

}  // namespace vauban
