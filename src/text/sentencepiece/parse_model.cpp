// parse_piece_model: the fields of sentencepiece_model.proto that encoding and decoding depend on.
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "text/sentencepiece/piece_model.h"
#include "text/sentencepiece/protobuf.h"
#include "text/unicode.h"

namespace vauban {
namespace {

using protobuf::expect;
using protobuf::Field;
using protobuf::Reader;
using protobuf::Wire;

/// Ids as the trainer was told; -1 switches a token off.
struct DeclaredIds {
  std::int32_t unknown = 0, bos = 1, eos = 2;
};

Result<PieceType> piece_type(const Field& field) {
  VB_CHECK(expect(field, Wire::varint, "type"));
  if (field.number_value < 1 || field.number_value > 6)
    return corrupt("piece type {} at byte {} (expected 1 to 6)", field.number_value, field.offset);
  return static_cast<PieceType>(field.number_value);
}

Result<ScoredPiece> read_piece(std::string_view message, std::size_t offset) {
  ScoredPiece piece;
  for (Reader reader(message, offset); !reader.done();) {
    VB_TRY(const Field field, reader.next());
    if (field.number == 1) {
      VB_CHECK(expect(field, Wire::bytes, "piece"));
      piece.text = std::string(field.bytes);
    } else if (field.number == 2) {
      VB_CHECK(expect(field, Wire::fixed32, "score"));
      piece.score = field.as_float();
    } else if (field.number == 3) {
      VB_TRY(piece.type, piece_type(field));
    }
  }
  if (piece.text.empty()) return corrupt("a piece without text at byte {}", offset);
  if (first_invalid_utf8(piece.text))
    return corrupt("piece '{}' at byte {} is not UTF-8", printable(piece.text), offset);
  if (!std::isfinite(piece.score)) return corrupt("piece '{}' at byte {}: the score is not finite", piece.text, offset);
  return piece;
}

Result<void> read_trainer(std::string_view message, std::size_t offset, PieceModel& model, DeclaredIds& ids) {
  for (Reader reader(message, offset); !reader.done();) {
    VB_TRY(const Field field, reader.next());
    switch (field.number) {
      case 3:
        if (field.number_value < 1 || field.number_value > 4)
          return unsupported("SentencePiece model type {} (built: unigram, bpe, word, char)", field.number_value);
        model.algorithm = static_cast<PieceAlgorithm>(field.number_value);
        break;
      case 24:
        model.whitespace_as_suffix = field.as_bool();
        break;
      case 35:
        model.byte_fallback = field.as_bool();
        break;
      case 40:
        ids.unknown = field.as_int32();
        break;
      case 41:
        ids.bos = field.as_int32();
        break;
      case 42:
        ids.eos = field.as_int32();
        break;
      case 44:
        VB_CHECK(expect(field, Wire::bytes, "unk_surface"));
        model.unknown_surface = std::string(field.bytes);
        break;
      default:
        break;  // how the model was trained; no effect on encoding
    }
  }
  return ok();
}

Result<void> read_normalizer(std::string_view message, std::size_t offset, PieceModel& model) {
  for (Reader reader(message, offset); !reader.done();) {
    VB_TRY(const Field field, reader.next());
    switch (field.number) {
      case 2:
        VB_CHECK(expect(field, Wire::bytes, "precompiled_charsmap"));
        model.charsmap = std::string(field.bytes);
        break;
      case 3:
        model.add_dummy_prefix = field.as_bool();
        break;
      case 4:
        model.remove_extra_whitespaces = field.as_bool();
        break;
      case 5:
        model.escape_whitespaces = field.as_bool();
        break;
      default:
        break;  // name and source of the rules
    }
  }
  return ok();
}

Result<void> check_denormalizer(std::string_view message, std::size_t offset) {
  PieceModel rules;
  VB_CHECK(read_normalizer(message, offset, rules));
  if (!rules.charsmap.empty()) return unsupported("a SentencePiece model with rules for denormalisation");
  return ok();
}

Result<void> read_field(const Reader& reader, const Field& field, PieceModel& model, DeclaredIds& ids) {
  if (field.number < 1 || field.number > 5 || field.number == 4) return ok();  // extensions, self test
  VB_CHECK(expect(field, Wire::bytes, "a message of the model"));
  const std::size_t offset = reader.offset_of(field);
  if (field.number == 2) return read_trainer(field.bytes, offset, model, ids);
  if (field.number == 3) return read_normalizer(field.bytes, offset, model);
  if (field.number == 5) return check_denormalizer(field.bytes, offset);
  VB_TRY(ScoredPiece piece, read_piece(field.bytes, offset));
  model.pieces.push_back(std::move(piece));
  return ok();
}

/// The declared id, if it is that of a piece of the right type.
std::optional<std::int32_t> checked_id(const PieceModel& model, std::int32_t id, PieceType type) {
  const bool exists = id >= 0 && static_cast<std::size_t>(id) < model.pieces.size();
  if (!exists || model.pieces[static_cast<std::size_t>(id)].type != type) return std::nullopt;
  return id;
}

}  // namespace

Result<PieceModel> parse_piece_model(std::string_view bytes) {
  PieceModel model;
  DeclaredIds ids;
  for (Reader reader(bytes); !reader.done();) {
    VB_TRY(const Field field, reader.next());
    VB_CHECK(read_field(reader, field, model, ids));
  }
  if (model.pieces.empty()) return corrupt("no pieces: not a SentencePiece model");
  model.unknown_id = checked_id(model, ids.unknown, PieceType::unknown);
  if (!model.unknown_id) return corrupt("unk_id {} is not a piece of the type unknown", ids.unknown);
  model.bos = checked_id(model, ids.bos, PieceType::control);
  model.eos = checked_id(model, ids.eos, PieceType::control);
  return model;
}

}  // namespace vauban
