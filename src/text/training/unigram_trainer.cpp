#include "text/training/unigram_trainer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "text/training/unigram_lattice.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr std::string_view kTask = "train unigram";
constexpr std::size_t kGroups = 16;         ///< of words; fixed, so that sums do not depend on threads
constexpr double kSurplus = 1.1;            ///< pruning stops this much above the wanted size; the last cut is by score
constexpr double kLeastExpected = 0.5;      ///< a piece that is expected less often goes
constexpr double kUnknownPenalty = 10.0;    ///< as when encoding
constexpr double kRequiredPenalty = 0.0001;  ///< between characters that training had dropped

/// The derivative of log gamma, x > 0: recurrence up to 7, then the asymptotic series (Abramowitz and Stegun 6.3.18).
double digamma(double x) {
  double result = 0;
  for (; x < 7; x += 1) result -= 1 / x;
  const double square = 1 / (x * x);
  return result + std::log(x) - 0.5 / x - square * (1.0 / 12 - square * (1.0 / 120 - square / 252));
}

double unknown_score(const std::vector<double>& scores) {
  return (scores.empty() ? 0.0 : *std::min_element(scores.begin(), scores.end())) - kUnknownPenalty;
}

/// Characters by falling frequency until they cover the asked share; U+2581 is always one of them.
std::vector<std::string> required_characters(const std::vector<WordCount>& words, double coverage) {
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t all = 0;
  for (const WordCount& word : words)
    for (std::size_t at = 0; at < word.word.size();) {
      const std::size_t size = code_point_at(word.word, at).size;
      counts[word.word.substr(at, size)] += word.count;
      all += word.count;
      at += size;
    }
  std::vector<std::pair<std::string, std::uint64_t>> ranked(counts.begin(), counts.end());
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> out;
  std::uint64_t covered = 0;
  for (const auto& [character, count] : ranked) {
    const bool enough = static_cast<double>(covered) >= coverage * static_cast<double>(all);
    covered += count;
    if (!enough || character == "\xE2\x96\x81") out.push_back(character);
  }
  return out;
}

/// Words cut where a character is not in `characters`.
std::vector<WordCount> restrict_to(const std::vector<WordCount>& words, const std::vector<std::string>& characters) {
  const std::unordered_set<std::string> known(characters.begin(), characters.end());
  WordTable table;
  for (const WordCount& word : words) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at <= word.word.size();) {
      const bool end = at == word.word.size();
      const std::size_t size = end ? 1 : code_point_at(word.word, at).size;
      if (end || !known.contains(word.word.substr(at, size))) {
        if (at > begin) table.add(std::string_view(word.word).substr(begin, at - begin), word.count);
        begin = at + size;
      }
      at += size;
    }
  }
  return table.sorted();
}

class Trainer {
 public:
  Trainer(const std::vector<WordCount>& words, const UnigramTrainingOptions& options, const Context& context)
      : words_(words), options_(options), context_(context) {}

  Result<UnigramPieces> run(std::vector<std::string> required) {
    VB_TRY(pieces_, seed_pieces(words_, options_.seed, context_));
    const auto goal = static_cast<std::size_t>(kSurplus * static_cast<double>(options_.n_pieces));
    const std::size_t start = pieces_.size();
    while (true) {
      for (int i = 0; i < options_.em_steps; ++i) {
        VB_CHECK(context_.cancel.check());
        estimate();
      }
      if (pieces_.size() <= goal) break;
      const std::size_t before = pieces_.size();
      prune(std::max(goal, static_cast<std::size_t>(options_.shrink * static_cast<double>(before))));
      context_.progress.update(kTask, start - pieces_.size(), start > goal ? start - goal : 0, "pieces");
      if (pieces_.size() == before) break;  // the rest cannot be spelt otherwise
    }
    context_.progress.finish(kTask);
    return finish(std::move(required));
  }

 private:
  /// Calls work(group, index of the word) for all words, groups in parallel.
  template <class Work>
  void for_each_word(const Work& work) const {
    context_.pool.parallel_for(kGroups, 1, [&](std::size_t first, std::size_t last) {
      for (std::size_t group = first; group < last; ++group)
        for (std::size_t i = group; i < words_.size(); i += kGroups) work(group, i);
    });
  }

  std::vector<UnigramLattice> lattices(const PieceTrie& trie) const {
    return std::vector<UnigramLattice>(kGroups, UnigramLattice(trie, pieces_.scores, unknown_score(pieces_.scores)));
  }

  static std::vector<double> sum_of(const std::vector<std::vector<double>>& groups) {
    std::vector<double> sum = groups.front();
    for (std::size_t g = 1; g < groups.size(); ++g)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += groups[g][i];
    return sum;
  }

  /// How often each piece is expected in the text under the present probabilities.
  std::vector<double> expected_counts() const {
    const PieceTrie trie(pieces_.texts);
    std::vector<UnigramLattice> scratch = lattices(trie);
    std::vector<std::vector<double>> expected(kGroups, std::vector<double>(pieces_.size()));
    for_each_word([&](std::size_t group, std::size_t i) {
      scratch[group].add_expected(words_[i].word, static_cast<double>(words_[i].count), expected[group]);
    });
    return sum_of(expected);
  }

  /// One EM step; drops what is hardly ever expected.
  void estimate() {
    const std::vector<double> expected = expected_counts();
    UnigramPieces kept;
    double sum = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (expected[i] < kLeastExpected) continue;
      sum += expected[i];
      kept.texts.push_back(std::move(pieces_.texts[i]));
      kept.scores.push_back(digamma(expected[i]));
    }
    for (double& score : kept.scores) score -= digamma(sum);
    pieces_ = std::move(kept);
  }

  struct Usage {
    std::vector<double> uses;   ///< of each piece in the best segmentations
    std::vector<double> words;  ///< frequency of the words whose best segmentation has the piece
    double all_words = 0;
  };

  Usage usage(const PieceTrie& trie) const {
    std::vector<UnigramLattice> scratch = lattices(trie);
    std::vector<std::vector<double>> uses(kGroups, std::vector<double>(pieces_.size())), words = uses;
    std::vector<std::vector<std::int32_t>> paths(kGroups);
    for_each_word([&](std::size_t group, std::size_t i) {
      std::vector<std::int32_t>& path = paths[group];
      scratch[group].best(words_[i].word, path);
      const auto count = static_cast<double>(words_[i].count);
      for (const std::int32_t piece : path)
        if (piece >= 0) uses[group][static_cast<std::size_t>(piece)] += count;
      std::sort(path.begin(), path.end());
      path.erase(std::unique(path.begin(), path.end()), path.end());
      for (const std::int32_t piece : path)
        if (piece >= 0) words[group][static_cast<std::size_t>(piece)] += count;
    });
    Usage out{.uses = sum_of(uses), .words = sum_of(words)};
    for (const WordCount& word : words_) out.all_words += static_cast<double>(word.count);
    return out;
  }

  /// What the log likelihood of a word loses on average when `piece` goes: its uses become those of the pieces that
  /// spell it (the paper's loss, with the counts that the change would give).
  static double loss(std::size_t piece, const std::vector<std::int32_t>& spelling, const Usage& usage, double all_uses) {
    const double own = usage.uses[piece];
    const double sum_without = all_uses + own * (static_cast<double>(spelling.size()) - 1);
    double log_without = 0;
    for (const std::int32_t part : spelling)
      log_without += std::log(usage.uses[static_cast<std::size_t>(part)] + own) - std::log(sum_without);
    return usage.words[piece] / usage.all_words * (std::log(own) - std::log(all_uses) - log_without);
  }

  void prune(std::size_t size) {
    const PieceTrie trie(pieces_.texts);
    const Usage used = usage(trie);
    double all_uses = 0;
    for (const double uses : used.uses) all_uses += uses;
    UnigramLattice lattice(trie, pieces_.scores, unknown_score(pieces_.scores));
    std::vector<bool> keep(pieces_.size());
    std::vector<std::pair<double, std::size_t>> optional;  // loss, piece
    std::size_t kept = 0;
    std::vector<std::int32_t> spelling;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      lattice.best(pieces_.texts[i], spelling, static_cast<std::int32_t>(i));
      const bool alone = std::find(spelling.begin(), spelling.end(), kUnknownPiece) != spelling.end();
      if (alone)
        keep[i] = true;
      else if (used.uses[i] > 0)
        optional.emplace_back(loss(i, spelling, used, all_uses), i);
      kept += alone;
    }
    std::sort(optional.begin(), optional.end(),
              [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
    for (std::size_t i = 0; i < optional.size() && kept < size; ++i, ++kept) keep[optional[i].second] = true;
    UnigramPieces out;
    for (std::size_t i = 0; i < keep.size(); ++i)
      if (keep[i]) {
        out.texts.push_back(std::move(pieces_.texts[i]));
        out.scores.push_back(pieces_.scores[i]);
      }
    pieces_ = std::move(out);
  }

  /// The required characters first, then the best of the rest.
  Result<UnigramPieces> finish(std::vector<std::string> required) {
    std::unordered_map<std::string, double> scores;
    for (std::size_t i = 0; i < pieces_.size(); ++i) scores.emplace(pieces_.texts[i], pieces_.scores[i]);
    std::vector<std::pair<std::string, double>> out, rest;
    double low = pieces_.scores.empty() ? 0.0 : *std::min_element(pieces_.scores.begin(), pieces_.scores.end());
    for (std::string& character : required) {
      const auto found = scores.find(character);
      out.emplace_back(character, found == scores.end() ? (low -= kRequiredPenalty) : found->second);
      if (found != scores.end()) scores.erase(found);
    }
    rest.assign(scores.begin(), scores.end());
    const auto better = [](const auto& a, const auto& b) { return a.second != b.second ? a.second > b.second : a.first < b.first; };
    std::sort(rest.begin(), rest.end(), better);
    if (out.size() + rest.size() < options_.n_pieces)
      return with_hint(invalid_input("{} pieces wanted: the text gives {}", options_.n_pieces, out.size() + rest.size()),
                       format("ask for {} fewer, or give more text", options_.n_pieces - out.size() - rest.size()));
    rest.resize(options_.n_pieces - out.size());
    out.insert(out.end(), rest.begin(), rest.end());
    std::sort(out.begin(), out.end(), better);
    UnigramPieces pieces;
    for (auto& [text, score] : out) {
      pieces.texts.push_back(std::move(text));
      pieces.scores.push_back(score);
    }
    return pieces;
  }

  const std::vector<WordCount>& words_;
  const UnigramTrainingOptions& options_;
  const Context& context_;
  UnigramPieces pieces_;
};

}  // namespace

Result<UnigramPieces> train_unigram(const std::vector<WordCount>& words, const UnigramTrainingOptions& options,
                                    const Context& context) {
  std::vector<std::string> required = required_characters(words, options.character_coverage);
  if (options.n_pieces < required.size())
    return with_hint(invalid_input("{} pieces wanted: the characters of the text need {}", options.n_pieces, required.size()),
                     format("ask for {} more, or lower the character coverage", required.size() - options.n_pieces));
  if (words.empty()) return invalid_input("the text has no words");
  const std::vector<WordCount> covered = restrict_to(words, required);
  return Trainer(covered, options, context).run(std::move(required));
}

}  // namespace vauban
