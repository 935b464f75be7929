/// write_piece_model: a PieceModel as the protobuf of a SentencePiece `.model` file, which SentencePiece's own tools
/// open and parse_piece_model reads back.
///
/// Written are the pieces, what encoding depends on, and the options of training that SentencePiece keeps beside it.
/// Source of the field numbers: sentencepiece_model.proto.
#pragma once

#include <string>
#include <vector>

#include "text/sentencepiece/piece_model.h"

namespace vauban {

/// Of the trainer; for the record only.
struct PieceTrainingRecord {
  double character_coverage = 0.9995;
  std::size_t max_characters = 16;  ///< of a piece
  bool split_by_script = true;
  std::string pad_piece;  ///< empty: none
};

std::string write_piece_model(const PieceModel& model, const PieceTrainingRecord& record);

}  // namespace vauban
