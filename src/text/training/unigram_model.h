/// unigram_model: trained pieces and the symbols around them as one PieceModel, in SentencePiece's order of ids:
/// unknown, BOS, EOS, padding, control symbols, user-defined symbols, byte pieces, trained pieces by falling score.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/sentencepiece/piece_model.h"
#include "text/training/unigram_trainer.h"

namespace vauban {

struct UnigramSymbols {
  std::string unknown = "<unk>";
  std::optional<std::string> bos = "<s>", eos = "</s>", pad;
  std::vector<std::string> control;       ///< never made from text
  std::vector<std::string> user_defined;  ///< always one piece, wherever the text has them
  bool byte_fallback = false;

  /// All pieces before the trained ones, in order. Errors: invalid_input for one that is empty or given twice.
  Result<std::vector<ScoredPiece>> pieces() const;
  /// The texts of those that a text may hold: all but the bytes.
  std::vector<std::string> texts() const;
};

/// `keep_spaces`: what LineWords was told. Errors: those of UnigramSymbols::pieces.
Result<PieceModel> unigram_model(const UnigramPieces& trained, const UnigramSymbols& symbols, bool keep_spaces);

}  // namespace vauban
