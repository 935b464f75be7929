#include "text/training/piece_model_writer.h"

#include <bit>
#include <cstdint>
#include <string_view>

namespace vauban {
namespace {

/// One message under construction. Wire types: 0 varint, 2 length-delimited, 5 four bytes.
class Message {
 public:
  void number(std::uint32_t field, std::int64_t value) {
    varint(std::uint64_t{field} << 3);
    varint(static_cast<std::uint64_t>(value));
  }
  void flag(std::uint32_t field, bool value) { number(field, value ? 1 : 0); }
  void bytes(std::uint32_t field, std::string_view value) {
    varint(std::uint64_t{field} << 3 | 2);
    varint(value.size());
    text_ += value;
  }
  void real(std::uint32_t field, float value) {
    varint(std::uint64_t{field} << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) text_ += static_cast<char>(bits >> shift & 0xFF);
  }
  const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>((value & 0x7F) | 0x80);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

Message piece_message(const ScoredPiece& piece) {
  Message out;
  out.bytes(1, piece.text);
  out.real(2, piece.score);
  if (piece.type != PieceType::normal) out.number(3, static_cast<std::int64_t>(piece.type));
  return out;
}

struct Ids {
  std::int64_t unknown = -1, bos = -1, eos = -1, pad = -1;
};

Ids ids_of(const PieceModel& model, const std::string& pad) {
  Ids ids{.unknown = model.unknown_id.value_or(-1), .bos = model.bos.value_or(-1), .eos = model.eos.value_or(-1)};
  for (std::size_t i = 0; i < model.pieces.size() && !pad.empty(); ++i)
    if (model.pieces[i].text == pad) ids.pad = static_cast<std::int64_t>(i);
  return ids;
}

Message trainer_message(const PieceModel& model, const PieceTrainingRecord& record) {
  const Ids ids = ids_of(model, record.pad_piece);
  Message out;
  out.number(3, static_cast<std::int64_t>(model.algorithm));
  out.number(4, static_cast<std::int64_t>(model.pieces.size()));
  out.real(10, static_cast<float>(record.character_coverage));
  out.number(20, static_cast<std::int64_t>(record.max_characters));
  out.flag(21, record.split_by_script);
  out.flag(24, model.whitespace_as_suffix);
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const ScoredPiece& piece = model.pieces[i];
    const auto id = static_cast<std::int64_t>(i);
    if (piece.type == PieceType::control && id != ids.bos && id != ids.eos && id != ids.pad) out.bytes(30, piece.text);
    if (piece.type == PieceType::user_defined) out.bytes(31, piece.text);
  }
  out.flag(35, model.byte_fallback);
  out.number(40, ids.unknown);
  out.number(41, ids.bos);
  out.number(42, ids.eos);
  out.number(43, ids.pad);
  out.bytes(44, model.unknown_surface);
  const auto name = [&](std::uint32_t field, std::int64_t id) {
    if (id >= 0) out.bytes(field, model.pieces[static_cast<std::size_t>(id)].text);
  };
  name(45, ids.unknown);
  name(46, ids.bos);
  name(47, ids.eos);
  name(48, ids.pad);
  return out;
}

Message normalizer_message(const PieceModel& model) {
  Message out;
  out.bytes(1, model.charsmap.empty() ? "identity" : "user_defined");
  out.bytes(2, model.charsmap);
  out.flag(3, model.add_dummy_prefix);
  out.flag(4, model.remove_extra_whitespaces);
  out.flag(5, model.escape_whitespaces);
  return out;
}

}  // namespace

std::string write_piece_model(const PieceModel& model, const PieceTrainingRecord& record) {
  Message out;
  for (const ScoredPiece& piece : model.pieces) out.bytes(1, piece_message(piece).text());
  out.bytes(2, trainer_message(model, record).text());
  out.bytes(3, normalizer_message(model).text());
  return out.text();
}

}  // namespace vauban
