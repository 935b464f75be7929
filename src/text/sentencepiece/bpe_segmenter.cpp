// SentencePiece BPE: two neighbours merge when their joined text is a piece, the highest score first. Unlike the BPE of
// tokenizer.json there are no merge rules, so characters outside the vocabulary can take part.
#include <bit>

#include "text/models/merge.h"
#include "text/sentencepiece/segmenter.h"

namespace vauban {
namespace {

/// Orders floats as unsigned integers, the highest first.
std::uint32_t rank_of(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score == 0 ? 0.0f : score);  // -0 ranks as 0
  const std::uint32_t ascending = (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
  return ~ascending;
}

class BpeSegmenter final : public PieceSegmenter {
 public:
  explicit BpeSegmenter(const PieceIndex& index) : index_(index) {}

  void segment(std::string_view text, std::vector<Segment>& out) const override {
    std::vector<Symbol> symbols = characters(text);
    Splits splits;
    merge_symbols(
        symbols, [&](const Symbol& a, const Symbol& b, bool is_new) { return merge(text, a, b, is_new ? &splits : nullptr); },
        [&](const Symbol& symbol) { emit(text, symbol.begin, symbol.begin + symbol.size, splits, out); });
  }

 private:
  /// For unused pieces: how their text came about, so that it can be taken apart again.
  using Splits = std::unordered_map<std::string_view, std::size_t>;
  static constexpr std::int32_t kFrozen = -2;  ///< a user-defined symbol: no merge touches it

  std::vector<Symbol> characters(std::string_view text) const {
    std::vector<Symbol> symbols;
    symbols.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const auto user = index_.user_symbols.longest_at(text, at);
      const std::size_t size = user ? user->size : code_point_at(text, at).size;
      symbols.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size), user ? kFrozen : -1});
      at += size;
    }
    return symbols;
  }

  std::optional<Merge> merge(std::string_view text, const Symbol& a, const Symbol& b, Splits* splits) const {
    if (a.id == kFrozen || b.id == kFrozen) return std::nullopt;
    const std::string_view joined = text.substr(a.begin, a.size + b.size);
    const std::int32_t id = index_.find(joined);
    if (id < 0) return std::nullopt;
    if (index_.type(id) == PieceType::unused && splits) (*splits)[joined] = a.size;
    return Merge{rank_of(index_.score(id)), id};
  }

  void emit(std::string_view text, std::size_t begin, std::size_t end, const Splits& splits,
            std::vector<Segment>& out) const {
    const std::string_view piece = text.substr(begin, end - begin);
    const std::int32_t id = index_.find(piece);
    const auto split = splits.find(piece);
    if (id < 0 || index_.type(id) != PieceType::unused || split == splits.end()) {
      out.push_back({begin, end, id});
      return;
    }
    emit(text, begin, begin + split->second, splits, out);  // depth: at most the length of the longest piece
    emit(text, begin + split->second, end, splits, out);
  }

  const PieceIndex& index_;
};

}  // namespace

std::unique_ptr<PieceSegmenter> make_bpe_segmenter(const PieceIndex& index) {
  return std::make_unique<BpeSegmenter>(index);
}

}  // namespace vauban
