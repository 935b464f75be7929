/// PieceModel: what a SentencePiece model file says, or the llama vocabulary of a GGUF file, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

/// Numbers as in sentencepiece_model.proto, which GGUF's token_type shares.
enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct ScoredPiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

enum class PieceAlgorithm { unigram = 1, bpe = 2, word = 3, character = 4 };

struct PieceModel {
  std::vector<ScoredPiece> pieces;
  PieceAlgorithm algorithm = PieceAlgorithm::unigram;
  std::string charsmap;  ///< precompiled normalisation rules; empty for identity
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::string unknown_surface = " \xE2\x81\x87 ";    ///< what the unknown token decodes to
  std::optional<std::int32_t> unknown_id, bos, eos;  ///< ids of pieces
};

/// Reads the protobuf of a tokenizer.model. Errors: corrupt, with the byte offset; unsupported for a model type or
/// denormaliser that is not built.
Result<PieceModel> parse_piece_model(std::string_view bytes);

}  // namespace vauban
