#include "text/training/unigram_model.h"

#include <unordered_set>

#include "text/byte_alphabet.h"

namespace vauban {

Result<std::vector<ScoredPiece>> UnigramSymbols::pieces() const {
  std::vector<ScoredPiece> out{{unknown, 0, PieceType::unknown}};
  for (const auto* role : {&bos, &eos, &pad})
    if (*role) out.push_back({**role, 0, PieceType::control});
  for (const std::string& text : control) out.push_back({text, 0, PieceType::control});
  for (const std::string& text : user_defined) out.push_back({text, 0, PieceType::user_defined});
  for (int byte = 0; byte < 256 && byte_fallback; ++byte)
    out.push_back({piece_of_byte(static_cast<std::uint8_t>(byte)), 0, PieceType::byte});
  std::unordered_set<std::string> seen;
  for (const ScoredPiece& piece : out) {
    if (piece.text.empty()) return invalid_input("a special token must not be empty");
    if (!seen.insert(piece.text).second) return invalid_input("special token '{}' is given twice", piece.text);
  }
  return out;
}

std::vector<std::string> UnigramSymbols::texts() const {
  std::vector<std::string> out{unknown};
  for (const auto* role : {&bos, &eos, &pad})
    if (*role) out.push_back(**role);
  out.insert(out.end(), control.begin(), control.end());
  out.insert(out.end(), user_defined.begin(), user_defined.end());
  return out;
}

Result<PieceModel> unigram_model(const UnigramPieces& trained, const UnigramSymbols& symbols, bool keep_spaces) {
  PieceModel model;
  model.remove_extra_whitespaces = !keep_spaces;
  model.byte_fallback = symbols.byte_fallback;
  VB_TRY(model.pieces, symbols.pieces());
  model.unknown_id = 0;
  std::int32_t next = 1;
  if (symbols.bos) model.bos = next++;
  if (symbols.eos) model.eos = next++;
  for (std::size_t i = 0; i < trained.size(); ++i)
    model.pieces.push_back({trained.texts[i], static_cast<float>(trained.scores[i]), PieceType::normal});
  return model;
}

}  // namespace vauban
