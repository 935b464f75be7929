/// PieceTokenizer: a Tokenizer over a PieceModel (tokenizer.model, or the llama vocabulary of a GGUF).
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "text/added_tokens.h"
#include "text/sentencepiece/piece_model.h"
#include "text/sentencepiece/piece_normalizer.h"
#include "text/sentencepiece/segmenter.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace vauban {

class PieceTokenizer final : public Tokenizer {
 public:
  /// `literal`: pieces that are looked for as whole texts before anything else; those of type control or unknown are special.
  /// `specials`: its own BOS and EOS and what it puts around a text; `hints` may change them (special_tokens.h).
  static Result<std::shared_ptr<const Tokenizer>> make(PieceModel model, const std::vector<PieceType>& literal,
                                                       SpecialTokens specials, const TokenizerHints& hints);

  Result<Encoding> encode(std::string_view text, const EncodeOptions& options) const override;
  InputRules input_rules() const override { return rules_around(specials_.before, specials_.after); }
  Result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special) const override;
  Result<std::string> token_bytes(std::int32_t id) const override;
  bool settles(std::int32_t) const override { return true; }
  std::int32_t vocab_size() const override { return static_cast<std::int32_t>(model_.pieces.size()); }
  Result<std::string> piece(std::int32_t id) const override;
  std::optional<std::int32_t> id_of(std::string_view piece) const override;
  bool is_special(std::int32_t id) const override;
  std::optional<std::int32_t> bos() const override { return specials_.bos; }
  std::optional<std::int32_t> eos() const override { return specials_.eos; }
  std::string_view kind() const override;
  std::string digest() const override { return digest_; }

 private:
  explicit PieceTokenizer(PieceModel model);
  class Writer;
  class Reader;

  Result<const ScoredPiece*> known(std::int32_t id) const;
  std::string digest_text() const;

  PieceModel model_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::vector<std::int32_t> byte_ids_;  ///< 256, -1 where there is none; empty without byte fallback
  AddedTokens literal_;
  PieceNormalizer normalizer_;
  std::unique_ptr<PieceIndex> index_;
  std::unique_ptr<PieceSegmenter> segmenter_;
  SpecialTokens specials_;
  std::string digest_;
};

}  // namespace vauban
