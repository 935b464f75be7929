/// The lattice of a word: all its segmentations into pieces, and the sums and maxima over them.
///
/// PieceTrie finds the pieces at a position; UnigramLattice is scratch memory of one thread, used for one word after
/// the other. Scores are natural logarithms of probabilities. A character that no piece covers alone may be an unknown.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vauban {

/// A byte trie with the children of a node side by side. Immutable.
class PieceTrie {
 public:
  /// Piece i is texts[i]; texts are distinct and not empty.
  explicit PieceTrie(const std::vector<std::string>& texts);

  /// Calls `visit(piece, size)` for every piece that `text` has at byte `at`, the shortest first.
  template <class Visit>
  void for_each_at(std::string_view text, std::size_t at, const Visit& visit) const {
    const Node* node = nodes_.data();
    for (std::size_t i = at; i < text.size(); ++i) {
      node = child(*node, static_cast<unsigned char>(text[i]));
      if (!node) return;
      if (node->piece >= 0) visit(node->piece, i + 1 - at);
    }
  }

 private:
  struct Node {
    std::uint32_t first = 0;
    std::uint16_t children = 0;
    std::uint8_t label = 0;
    std::int32_t piece = -1;
  };
  const Node* child(const Node& node, std::uint8_t label) const {
    std::uint32_t low = node.first, high = node.first + node.children;
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (nodes_[middle].label < label)
        low = middle + 1;
      else
        high = middle;
    }
    return low < node.first + node.children && nodes_[low].label == label ? &nodes_[low] : nullptr;
  }

  std::vector<Node> nodes_;
};

constexpr std::int32_t kUnknownPiece = -1, kNoPiece = -2;

class UnigramLattice {
 public:
  /// `scores` beside the pieces of `trie`; `unknown`: the score of a character outside them. All outlive this.
  UnigramLattice(const PieceTrie& trie, std::span<const double> scores, double unknown)
      : trie_(trie), scores_(scores), unknown_(unknown) {}

  /// Forward-backward: adds `weight` times the expected number of each piece in `word` to `expected` and gives the log
  /// of the sum over all segmentations.
  double add_expected(std::string_view word, double weight, std::span<double> expected);
  /// The best segmentation without the piece `without` (kNoPiece: with all), and its score. Ties: the first found.
  double best(std::string_view word, std::vector<std::int32_t>& path, std::int32_t without = kNoPiece);

 private:
  struct Edge {
    std::uint32_t begin, end;
    std::int32_t piece;
    double score;
  };
  void build(std::string_view word, std::int32_t without);

  const PieceTrie& trie_;
  std::span<const double> scores_;
  double unknown_;
  std::vector<Edge> edges_;  ///< by begin
  std::vector<double> forward_, backward_;
  std::vector<std::uint32_t> from_;  ///< the best edge into each position
};

}  // namespace vauban
