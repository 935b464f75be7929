// The list of algorithms, the index they share, and the two that fit in a few lines.
#include <algorithm>

#include "text/sentencepiece/piece_normalizer.h"
#include "text/sentencepiece/segmenter.h"

namespace vauban {
namespace {

/// Every character, or user-defined symbol, is a piece.
class Characters final : public PieceSegmenter {
 public:
  explicit Characters(const PieceIndex& index) : index_(index) {}
  void segment(std::string_view text, std::vector<Segment>& out) const override {
    for (std::size_t at = 0; at < text.size();) {
      const auto symbol = index_.user_symbols.longest_at(text, at);
      const std::size_t size = symbol ? symbol->size : code_point_at(text, at).size;
      out.push_back({at, at + size, index_.find(text.substr(at, size))});
      at += size;
    }
  }

 private:
  const PieceIndex& index_;
};

/// Every word with its space mark is a piece.
class Words final : public PieceSegmenter {
 public:
  explicit Words(const PieceIndex& index) : index_(index) {}
  void segment(std::string_view text, std::vector<Segment>& out) const override {
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = word_end(text, begin);
      out.push_back({begin, end, index_.find(text.substr(begin, end - begin))});
      begin = end;
    }
  }

 private:
  std::size_t word_end(std::string_view text, std::size_t begin) const {
    if (index_.model.whitespace_as_suffix) {
      const std::size_t mark = text.find(kSpaceMark, begin);
      return mark == std::string_view::npos ? text.size() : mark + kSpaceMark.size();
    }
    return std::min(text.find(kSpaceMark, begin + 1), text.size());
  }

  const PieceIndex& index_;
};

}  // namespace

PieceIndex::PieceIndex(const PieceModel& m, const TokenTrie& symbols) : model(m), user_symbols(symbols) {
  ids.reserve(model.pieces.size());
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const ScoredPiece& piece = model.pieces[i];
    const bool reachable =
        piece.type == PieceType::normal || piece.type == PieceType::user_defined || piece.type == PieceType::unused;
    if (!reachable) continue;
    ids.try_emplace(piece.text, static_cast<std::int32_t>(i));
    longest_piece = std::max(longest_piece, piece.text.size());
  }
}

std::int32_t PieceIndex::find(std::string_view text) const {
  if (text.size() > longest_piece) return -1;
  const auto entry = ids.find(text);
  return entry == ids.end() ? -1 : entry->second;
}

std::unique_ptr<PieceSegmenter> make_character_segmenter(const PieceIndex& index) {
  return std::make_unique<Characters>(index);
}
std::unique_ptr<PieceSegmenter> make_word_segmenter(const PieceIndex& index) { return std::make_unique<Words>(index); }

std::unique_ptr<PieceSegmenter> make_segmenter(const PieceIndex& index) {
  switch (index.model.algorithm) {
    case PieceAlgorithm::bpe:
      return make_bpe_segmenter(index);
    case PieceAlgorithm::word:
      return make_word_segmenter(index);
    case PieceAlgorithm::character:
      return make_character_segmenter(index);
    case PieceAlgorithm::unigram:
      break;
  }
  return make_unigram_segmenter(index);
}

}  // namespace vauban
