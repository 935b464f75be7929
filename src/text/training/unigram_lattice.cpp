#include "text/training/unigram_lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "text/unicode.h"

namespace vauban {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double add_logs(double a, double b) {
  const double high = std::max(a, b), low = std::min(a, b);
  return low == kNever ? high : high + std::log1p(std::exp(low - high));
}

}  // namespace

PieceTrie::PieceTrie(const std::vector<std::string>& texts) {
  std::vector<std::uint32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return texts[a] < texts[b]; });
  struct Range {  // of `order`: the texts that share the first `depth` bytes, which lead to `node`
    std::size_t begin, end, depth, node;
  };
  std::vector<Range> queue{{0, order.size(), 0, 0}};
  nodes_.emplace_back();
  for (std::size_t next = 0; next < queue.size(); ++next) {
    auto [begin, end, depth, node] = queue[next];
    if (begin < end && texts[order[begin]].size() == depth) nodes_[node].piece = static_cast<std::int32_t>(order[begin++]);
    nodes_[node].first = static_cast<std::uint32_t>(nodes_.size());
    for (std::size_t at = begin; at < end;) {
      const char label = texts[order[at]][depth];
      std::size_t stop = at;
      while (stop < end && texts[order[stop]][depth] == label) ++stop;
      queue.push_back({at, stop, depth + 1, nodes_.size()});
      nodes_.push_back({.label = static_cast<std::uint8_t>(label)});
      nodes_[node].children += 1;
      at = stop;
    }
  }
}

void UnigramLattice::build(std::string_view word, std::int32_t without) {
  edges_.clear();
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t size = code_point_at(word, at).size;
    const auto begin = static_cast<std::uint32_t>(at);
    bool alone = false;
    trie_.for_each_at(word, at, [&](std::int32_t piece, std::size_t length) {
      if (piece == without) return;
      alone = alone || length == size;
      edges_.push_back({begin, static_cast<std::uint32_t>(at + length), piece, scores_[static_cast<std::size_t>(piece)]});
    });
    if (!alone) edges_.push_back({begin, static_cast<std::uint32_t>(at + size), kUnknownPiece, unknown_});
    at += size;
  }
}

double UnigramLattice::add_expected(std::string_view word, double weight, std::span<double> expected) {
  build(word, kNoPiece);
  forward_.assign(word.size() + 1, kNever);
  backward_.assign(word.size() + 1, kNever);
  forward_.front() = 0;
  backward_.back() = 0;
  for (const Edge& edge : edges_) forward_[edge.end] = add_logs(forward_[edge.end], forward_[edge.begin] + edge.score);
  for (auto edge = edges_.rbegin(); edge != edges_.rend(); ++edge)
    backward_[edge->begin] = add_logs(backward_[edge->begin], backward_[edge->end] + edge->score);
  const double total = forward_.back();
  for (const Edge& edge : edges_)
    if (edge.piece >= 0)
      expected[static_cast<std::size_t>(edge.piece)] +=
          weight * std::exp(forward_[edge.begin] + edge.score + backward_[edge.end] - total);
  return total;
}

double UnigramLattice::best(std::string_view word, std::vector<std::int32_t>& path, std::int32_t without) {
  build(word, without);
  forward_.assign(word.size() + 1, kNever);
  from_.assign(word.size() + 1, 0);
  forward_.front() = 0;
  for (std::uint32_t i = 0; i < edges_.size(); ++i) {
    const Edge& edge = edges_[i];
    const double score = forward_[edge.begin] + edge.score;
    if (score <= forward_[edge.end]) continue;
    forward_[edge.end] = score;
    from_[edge.end] = i;
  }
  path.clear();
  for (std::size_t end = word.size(); end > 0; end = edges_[from_[end]].begin) path.push_back(edges_[from_[end]].piece);
  std::reverse(path.begin(), path.end());
  return forward_.back();
}

}  // namespace vauban
