/// Byte pair encoding with merges by rank, as tokenizer.json and the gpt2 vocabularies of GGUF have it.
///
/// Characters that the vocabulary lacks become, in this order: byte pieces when byte_fallback is set and all bytes of
/// the character have one; the unknown token when there is one; nothing. `dropout` other than 0 is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/models/pair_table.h"
#include "text/models/token_model.h"

namespace vauban {

struct BpeOptions {
  std::optional<std::string> unknown;
  std::string continuing_prefix;  ///< put before every character of a piece but the first
  std::string end_suffix;         ///< put behind the last character of a piece
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;  ///< a piece that is in the vocabulary is taken whole
};

class Bpe final : public TokenModel {
 public:
  /// `merges`: pairs of texts, best first; where `ranks` is given, merge i has rank ranks[i] instead of i. Errors: corrupt when a merge names no entry. (An unknown token
  /// that is no entry is an error of the first text that needs it: byte-level files often carry one.)
  static Result<std::unique_ptr<Bpe>> make(Vocabulary vocabulary,
                                           const std::vector<std::pair<std::string, std::string>>& merges,
                                           BpeOptions options, std::span<const std::uint32_t> ranks = {});

  Result<void> tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  bool takes_bytes() const override { return !letters_.empty(); }
  Result<void> tokenize_bytes(std::string_view bytes, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view kind() const override { return options_.byte_fallback ? "bpe-bytefallback" : "bpe"; }
  bool falls_back_to_bytes() const override { return options_.byte_fallback; }

 private:
  class Speller;

  void index_bytes();
  void merge(std::vector<Symbol>& symbols, std::vector<ModelToken>& out) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::optional<std::int32_t> unknown_;
  std::vector<std::int32_t> byte_pieces_;  ///< 256 ids, -1 where the vocabulary has none
  PairTable merges_;
  std::vector<std::int32_t> letters_;  ///< ids of the 256 letters; empty when one is missing or characters are dressed
  std::vector<std::string> wholes_;    ///< texts, in bytes, that are one token however they are merged
  TextTable whole_ids_;                ///< of wholes_
};

Result<std::unique_ptr<TokenModel>> make_bpe(const Json& section);

}  // namespace vauban
