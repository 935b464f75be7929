// write_piece_model: the fields of sentencepiece_model.proto that parse_piece_model reads.
#include <cstring>

#include "transform/convert/tokenizer_to_hf.h"

namespace vauban {
namespace {

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7f) | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_number(std::string& out, std::uint32_t field, std::int64_t value) {
  put_varint(out, field << 3);
  put_varint(out, static_cast<std::uint64_t>(value));  // a negative int32 takes ten bytes, as in protobuf
}

void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_float(std::string& out, std::uint32_t field, float value) {
  put_varint(out, field << 3 | 5);
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}

std::string piece_message(const ScoredPiece& piece) {
  std::string out;
  put_bytes(out, 1, piece.text);
  put_float(out, 2, piece.score);
  put_number(out, 3, static_cast<int>(piece.type));
  return out;
}

std::string trainer_message(const PieceModel& model) {
  std::string out;
  put_number(out, 3, static_cast<int>(model.algorithm));
  put_number(out, 4, static_cast<std::int64_t>(model.pieces.size()));
  put_number(out, 24, model.whitespace_as_suffix);
  put_number(out, 35, model.byte_fallback);
  put_number(out, 40, model.unknown_id.value_or(-1));
  put_number(out, 41, model.bos.value_or(-1));
  put_number(out, 42, model.eos.value_or(-1));
  put_bytes(out, 44, model.unknown_surface);
  return out;
}

std::string normalizer_message(const PieceModel& model) {
  std::string out;
  put_bytes(out, 1, model.charsmap.empty() ? "identity" : "user_defined");
  if (!model.charsmap.empty()) put_bytes(out, 2, model.charsmap);
  put_number(out, 3, model.add_dummy_prefix);
  put_number(out, 4, model.remove_extra_whitespaces);
  put_number(out, 5, model.escape_whitespaces);
  return out;
}

}  // namespace

std::string write_piece_model(const PieceModel& model) {
  std::string out;
  for (const ScoredPiece& piece : model.pieces) put_bytes(out, 1, piece_message(piece));
  put_bytes(out, 2, trainer_message(model));
  put_bytes(out, 3, normalizer_message(model));
  return out;
}

}  // namespace vauban
