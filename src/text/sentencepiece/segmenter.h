/// PieceSegmenter: normalised text -> pieces of a SentencePiece vocabulary. One file per algorithm, one line in
/// segmenters.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/added_tokens.h"
#include "text/sentencepiece/piece_model.h"

namespace vauban {

struct Segment {
  std::size_t begin = 0, end = 0;  ///< bytes of the normalised text
  std::int32_t id = -1;            ///< -1: not in the vocabulary
};

/// What the algorithms share; outlives them.
struct PieceIndex {
  const PieceModel& model;
  const TokenTrie& user_symbols;
  /// Normal, user-defined and unused pieces: what text can become. Control, unknown and byte pieces are not found.
  std::unordered_map<std::string_view, std::int32_t> ids;
  std::size_t longest_piece = 0;  ///< bytes

  PieceIndex(const PieceModel& model, const TokenTrie& user_symbols);
  std::int32_t find(std::string_view text) const;  ///< -1: none
  PieceType type(std::int32_t id) const { return model.pieces[static_cast<std::size_t>(id)].type; }
  float score(std::int32_t id) const { return model.pieces[static_cast<std::size_t>(id)].score; }
};

class PieceSegmenter {
 public:
  virtual ~PieceSegmenter() = default;
  /// The segments lie side by side and cover `text`.
  virtual void segment(std::string_view text, std::vector<Segment>& out) const = 0;
};

std::unique_ptr<PieceSegmenter> make_segmenter(const PieceIndex& index);

std::unique_ptr<PieceSegmenter> make_bpe_segmenter(const PieceIndex& index);
std::unique_ptr<PieceSegmenter> make_unigram_segmenter(const PieceIndex& index);
std::unique_ptr<PieceSegmenter> make_word_segmenter(const PieceIndex& index);
std::unique_ptr<PieceSegmenter> make_character_segmenter(const PieceIndex& index);

}  // namespace vauban
