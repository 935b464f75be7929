// SentencePiece unigram: the segmentation whose scores add up to the most (Viterbi). A character that no piece covers
// alone may be an unknown, 10 below the worst score. Sums are f32, as in the reference, so that ties fall alike.
#include <algorithm>
#include <limits>

#include "text/sentencepiece/segmenter.h"

namespace vauban {
namespace {

constexpr float kUnknownPenalty = 10.0f;

class UnigramSegmenter final : public PieceSegmenter {
 public:
  explicit UnigramSegmenter(const PieceIndex& index) : index_(index) {
    float lowest = std::numeric_limits<float>::max();
    highest_ = std::numeric_limits<float>::lowest();
    for (const ScoredPiece& piece : index.model.pieces) {
      if (piece.type != PieceType::normal) continue;
      lowest = std::min(lowest, piece.score);
      highest_ = std::max(highest_, piece.score);
    }
    if (lowest > highest_) lowest = highest_ = 0;  // no normal piece
    unknown_score_ = lowest - kUnknownPenalty;
    for (const auto& [text, id] : index.ids)
      if (index.type(id) != PieceType::unused) trie_.insert(text, static_cast<std::size_t>(id));
  }

  void segment(std::string_view text, std::vector<Segment>& out) const override {
    std::vector<Step> best(text.size() + 1);
    best[0].reached = true;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = code_point_at(text, at).size;
      extend(text, at, size, best);
      at += size;
    }
    const std::size_t first = out.size();
    for (std::size_t end = text.size(); end > 0; end = best[end].begin)
      out.push_back({best[end].begin, end, best[end].id});
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
  }

 private:
  struct Step {
    float score = 0;
    std::size_t begin = 0;
    std::int32_t id = -1;
    bool reached = false;
  };

  void extend(std::string_view text, std::size_t at, std::size_t character, std::vector<Step>& best) const {
    bool alone = false;  // some piece is this character
    const float here = best[at].score;
    const auto offer = [&](std::size_t size, std::int32_t id, float score) {
      Step& there = best[at + size];
      if (there.reached && here + score <= there.score) return;
      there = {here + score, at, id, true};
    };
    trie_.for_each_at(text, at, [&](std::size_t piece, std::size_t size) {
      const auto id = static_cast<std::int32_t>(piece);
      alone = alone || size == character;
      // A user-defined symbol outbids every segmentation of its text.
      const bool user = index_.type(id) == PieceType::user_defined;
      offer(size, id, user ? static_cast<float>(static_cast<double>(size) * highest_ - 0.1) : index_.score(id));
    });
    if (!alone) offer(character, -1, unknown_score_);
  }

  const PieceIndex& index_;
  TokenTrie trie_;
  float unknown_score_ = 0, highest_ = 0;
};

}  // namespace

std::unique_ptr<PieceSegmenter> make_unigram_segmenter(const PieceIndex& index) {
  return std::make_unique<UnigramSegmenter>(index);
}

}  // namespace vauban
