#include "text/training/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>

#include "text/byte_alphabet.h"

namespace vauban {
namespace {

constexpr std::string_view kTask = "train bpe";

using Pair = std::uint64_t;  // left id << 32 | right id
Pair pair_of(std::uint32_t left, std::uint32_t right) { return Pair{left} << 32 | right; }
std::uint32_t left_of(Pair pair) { return static_cast<std::uint32_t>(pair >> 32); }
std::uint32_t right_of(Pair pair) { return static_cast<std::uint32_t>(pair); }

/// The bytes in the order of their letters.
std::array<std::uint8_t, 256> bytes_by_letter() {
  std::array<std::uint8_t, 256> bytes{};
  for (std::size_t i = 0; i < 256; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  std::sort(bytes.begin(), bytes.end(), [](auto a, auto b) { return letter_code_of(a) < letter_code_of(b); });
  return bytes;
}

class Trainer {
 public:
  Trainer(const BpeTrainingOptions& options, const Context& context)
      : options_(options), context_(context), heap_(Later{this}) {}

  Result<void> make_alphabet() {
    for (const std::string& special : options_.specials)
      if (!add_token(special, special)) return invalid_input("special token '{}' is given twice", special);
    for (const std::uint8_t byte : bytes_by_letter()) {
      byte_ids_[byte] = static_cast<std::uint32_t>(tokens_.size());
      if (!add_token(letter_of(byte), std::string(1, static_cast<char>(byte))))
        return invalid_input("special token '{}' is a letter of the byte alphabet", letter_of(byte));
    }
    if (options_.vocab_size < static_cast<std::int64_t>(tokens_.size()))
      return invalid_input("vocabulary size {}: the {} special tokens and 256 bytes need at least {}", options_.vocab_size,
                           options_.specials.size(), tokens_.size());
    return ok();
  }

  Result<void> load(const std::vector<WordCount>& words) {
    for (const WordCount& word : words) {
      if (symbols_.size() + word.word.size() > UINT32_MAX || words_.size() >= UINT32_MAX)
        return resource("the distinct words of the text exceed 4 GiB");
      words_.push_back({static_cast<std::uint32_t>(symbols_.size()), static_cast<std::uint32_t>(word.word.size()), word.count});
      for (const char byte : word.word) symbols_.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
      count_pairs(static_cast<std::uint32_t>(words_.size() - 1));
    }
    for (const auto& [pair, entry] : pairs_) heap_.push({entry.count, pair});
    return ok();
  }

  Result<void> run() {
    const auto wanted = static_cast<std::size_t>(options_.vocab_size);
    while (tokens_.size() < wanted) {
      if (merges_.size() % 64 == 0) {
        VB_CHECK(context_.cancel.check());
        context_.progress.update(kTask, tokens_.size(), wanted, "tokens");
      }
      const auto best = take_best();
      if (!best)
        return with_hint(invalid_input("vocabulary size {}: the text gives {} tokens, then no pair occurs {} times or more",
                                       wanted, tokens_.size(), std::max<std::uint64_t>(options_.min_frequency, 1)),
                         format("ask for {} or fewer, lower the minimum frequency, or give more text", tokens_.size()));
      merge(*best);
    }
    context_.progress.finish(kTask);
    return ok();
  }

  TrainedBpe take() {
    TrainedBpe out;
    for (Token& token : tokens_) out.tokens.push_back(token.text);
    for (const Pair pair : merges_) out.merges.emplace_back(tokens_[left_of(pair)].text, tokens_[right_of(pair)].text);
    return out;
  }

 private:
  struct Token {
    std::string text, bytes;
  };
  struct Word {
    std::uint32_t begin, size;  ///< in symbols_
    std::uint64_t count;
  };
  struct Entry {
    std::uint64_t count = 0;
    std::vector<std::uint32_t> words;  ///< where the pair is, or was
  };
  struct Candidate {
    std::uint64_t count;
    Pair pair;
  };
  struct Later {  ///< orders the heap: true when `a` is merged after `b`
    const Trainer* trainer;
    bool operator()(const Candidate& a, const Candidate& b) const {
      return a.count != b.count ? a.count < b.count : trainer->loses_tie(a.pair, b.pair);
    }
  };

  bool loses_tie(Pair a, Pair b) const {
    if (options_.ties == BpeTies::lowest_ids) return a > b;
    const int left = tokens_[left_of(a)].bytes.compare(tokens_[left_of(b)].bytes);
    return left != 0 ? left < 0 : tokens_[right_of(a)].bytes < tokens_[right_of(b)].bytes;
  }

  bool add_token(const std::string& text, std::string bytes) {
    if (!ids_.emplace(text, static_cast<std::uint32_t>(tokens_.size())).second) return false;
    tokens_.push_back({text, std::move(bytes)});
    return true;
  }

  void count_pairs(std::uint32_t index) {
    const Word& word = words_[index];
    for (std::uint32_t i = word.begin; i + 1 < word.begin + word.size; ++i) {
      Entry& entry = pairs_[pair_of(symbols_[i], symbols_[i + 1])];
      entry.count += word.count;
      if (entry.words.empty() || entry.words.back() != index) entry.words.push_back(index);
    }
  }

  std::optional<Pair> take_best() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const auto found = pairs_.find(top.pair);
      const std::uint64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count == 0 || count < options_.min_frequency) continue;
      if (count == top.count) return top.pair;
      if (count < top.count) heap_.push({count, top.pair});  // a higher count has a candidate of its own
    }
    return std::nullopt;
  }

  void merge(Pair pair) {
    const Token &left = tokens_[left_of(pair)], &right = tokens_[right_of(pair)];
    std::string text = left.text + right.text, bytes = left.bytes + right.bytes;
    add_token(text, std::move(bytes));
    merges_.push_back(pair);
    const std::uint32_t joined = ids_.at(text);
    const std::vector<std::uint32_t> words = std::move(pairs_[pair].words);
    changes_.clear();
    for (const std::uint32_t word : words) merge_in(word, pair, joined);
    pairs_.erase(pair);
    for (const auto& [changed, change] : changes_)
      if (changed != pair) apply(changed, change);
  }

  /// One word, left to right; the differences that each join makes to its neighbours go to changes_.
  void merge_in(std::uint32_t index, Pair pair, std::uint32_t joined) {
    Word& word = words_[index];
    const auto count = static_cast<std::int64_t>(word.count);
    const std::uint32_t left = left_of(pair), right = right_of(pair), end = word.begin + word.size;
    std::uint32_t out = word.begin;
    for (std::uint32_t i = word.begin; i < end;) {
      if (i + 1 == end || symbols_[i] != left || symbols_[i + 1] != right) {
        symbols_[out++] = symbols_[i++];
        continue;
      }
      if (out > word.begin) replace(index, pair_of(symbols_[out - 1], left), pair_of(symbols_[out - 1], joined), count);
      if (i + 2 < end) replace(index, pair_of(right, symbols_[i + 2]), pair_of(joined, symbols_[i + 2]), count);
      symbols_[out++] = joined;
      i += 2;
    }
    word.size = out - word.begin;
  }

  void replace(std::uint32_t word, Pair before, Pair after, std::int64_t count) {
    changes_[before] -= count;
    changes_[after] += count;
    std::vector<std::uint32_t>& words = pairs_[after].words;
    if (words.empty() || words.back() != word) words.push_back(word);
  }

  void apply(Pair pair, std::int64_t change) {
    const auto found = pairs_.find(pair);
    if (found == pairs_.end()) return;
    found->second.count += static_cast<std::uint64_t>(change);  // modulo 2^64: never below zero
    if (found->second.count == 0)
      pairs_.erase(found);
    else if (change > 0)
      heap_.push({found->second.count, pair});
  }

  const BpeTrainingOptions& options_;
  const Context& context_;
  std::vector<Token> tokens_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::array<std::uint32_t, 256> byte_ids_{};
  std::vector<std::uint32_t> symbols_;  ///< of all words, each in its place; shorter after each merge
  std::vector<Word> words_;
  std::unordered_map<Pair, Entry> pairs_;
  std::unordered_map<Pair, std::int64_t> changes_;
  std::vector<Pair> merges_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> heap_;
};

}  // namespace

Result<TrainedBpe> train_bpe(const std::vector<WordCount>& words, const BpeTrainingOptions& options,
                             const Context& context) {
  Trainer trainer(options, context);
  VB_CHECK(trainer.make_alphabet());
  VB_CHECK(trainer.load(words));
  VB_CHECK(trainer.run());
  return trainer.take();
}

}  // namespace vauban
