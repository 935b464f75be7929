#include "text/training/unigram_seed.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "text/training/character_class.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr char32_t kSpace = 0x2581;
constexpr char32_t kEnd = 0xFFFFFFFF;  // behind each word; equal to nothing, not even itself

struct Candidate {
  std::string text;
  std::uint64_t weight = 0;  ///< frequency times length
};

/// The most covering first.
bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.text < b.text;
}

class SuffixArray {
 public:
  SuffixArray(const std::vector<WordCount>& words, std::size_t depth) : depth_(depth) {
    for (const WordCount& word : words) {
      starts_.push_back(text_.size());
      for (std::size_t at = 0; at < word.word.size();) {
        const CodePoint character = code_point_at(word.word, at);
        text_.push_back(character.value);
        counts_.push_back(word.count);
        at += character.size;
      }
      text_.push_back(kEnd);
      counts_.push_back(0);
    }
  }

  std::size_t size() const { return text_.size(); }
  const std::vector<char32_t>& text() const { return text_; }
  std::uint64_t count_at(std::size_t position) const { return counts_[position]; }

  void sort() {
    for (std::size_t i = 0; i < text_.size(); ++i)
      if (text_[i] != kEnd) order_.push_back(static_cast<std::uint32_t>(i));
    std::sort(order_.begin(), order_.end(), [this](auto a, auto b) { return less(a, b); });
  }

  /// Calls visit(offset, length, frequency) for every branching substring of 2 to `depth` characters.
  template <class Visit>
  void for_each_repeat(const Visit& visit) const {
    struct Open {
      std::size_t length;
      std::uint64_t frequency;
    };
    std::vector<Open> open;  // of strictly growing length
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::size_t shared = i + 1 < order_.size() ? common(order_[i], order_[i + 1]) : 0;
      std::uint64_t frequency = counts_[order_[i]];
      while (!open.empty() && open.back().length > shared) {
        frequency += open.back().frequency;
        visit(order_[i], open.back().length, frequency);
        open.pop_back();
      }
      if (shared < 2) continue;
      if (!open.empty() && open.back().length == shared)
        open.back().frequency += frequency;
      else
        open.push_back({shared, frequency});
    }
  }

  /// The same for whole words.
  template <class Visit>
  void for_each_word(const Visit& visit) const {
    for (std::size_t i = 0; i < starts_.size(); ++i) {
      const std::size_t end = i + 1 < starts_.size() ? starts_[i + 1] : text_.size();
      const std::size_t length = end - starts_[i] - 1;
      if (length >= 2 && length <= depth_) visit(starts_[i], length, counts_[starts_[i]]);
    }
  }

 private:
  bool less(std::uint32_t a, std::uint32_t b) const {
    for (std::size_t i = 0; i < depth_; ++i) {
      const char32_t left = text_[a + i], right = text_[b + i];
      if (left == kEnd || right == kEnd) return left != right ? right != kEnd : a < b;
      if (left != right) return left < right;
    }
    return a < b;
  }
  std::size_t common(std::uint32_t a, std::uint32_t b) const {
    std::size_t n = 0;
    while (n < depth_ && text_[a + n] == text_[b + n] && text_[a + n] != kEnd) ++n;
    return n;
  }

  std::size_t depth_;
  std::vector<char32_t> text_;
  std::vector<std::uint64_t> counts_;  ///< of the word that a character stands in
  std::vector<std::size_t> starts_;
  std::vector<std::uint32_t> order_;
};

class PieceRule {
 public:
  PieceRule(const CharacterClasses& classes, bool by_script) : classes_(classes), by_script_(by_script) {}
  bool allows(const char32_t* characters, std::size_t length) const {
    int script = -1;
    for (std::size_t i = 0; i < length; ++i) {
      if (characters[i] == kSpace && i > 0) return false;
      if (characters[i] == kSpace || !by_script_) continue;
      const std::uint8_t own = classes_(characters[i]);
      if (own == CharacterClasses::kInherited) continue;
      if (script >= 0 && own != script) return false;
      script = own;
    }
    return true;
  }

 private:
  const CharacterClasses& classes_;
  bool by_script_;
};

std::map<char32_t, std::uint64_t> character_counts(const SuffixArray& array) {
  std::map<char32_t, std::uint64_t> counts;
  for (std::size_t i = 0; i < array.size(); ++i)
    if (array.text()[i] != kEnd) counts[array.text()[i]] += array.count_at(i);
  return counts;
}

std::vector<Candidate> candidates_of(const SuffixArray& array, const PieceRule& rule) {
  std::vector<Candidate> out;
  const auto offer = [&](std::size_t offset, std::size_t length, std::uint64_t frequency) {
    const char32_t* characters = array.text().data() + offset;
    if (frequency < 2 || !rule.allows(characters, length)) return;
    Candidate candidate{.text = {}, .weight = frequency * length};
    for (std::size_t i = 0; i < length; ++i) append_utf8(candidate.text, characters[i]);
    out.push_back(std::move(candidate));
  };
  array.for_each_repeat(offer);
  array.for_each_word(offer);
  // A word that is part of others came twice; the first of equal texts is the one with the higher weight.
  std::sort(out.begin(), out.end(), [](const Candidate& a, const Candidate& b) {
    return a.text != b.text ? a.text < b.text : a.weight > b.weight;
  });
  out.erase(std::unique(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.text == b.text; }), out.end());
  std::sort(out.begin(), out.end(), ranks_before);
  return out;
}

}  // namespace

Result<UnigramPieces> seed_pieces(const std::vector<WordCount>& words, const SeedOptions& options, const Context& context) {
  SuffixArray array(words, options.max_characters);
  if (array.size() > UINT32_MAX - options.max_characters) return resource("the distinct words exceed 2^32 characters");
  VB_CHECK(context.cancel.check());
  array.sort();
  VB_CHECK(context.cancel.check());
  const std::map<char32_t, std::uint64_t> characters = character_counts(array);
  std::vector<char32_t> alphabet;
  for (const auto& [character, count] : characters) alphabet.push_back(character);
  VB_TRY(const CharacterClasses classes, CharacterClasses::of(alphabet));
  UnigramPieces out;
  double sum = 0;
  const auto put = [&](std::string text, std::uint64_t weight) {
    out.texts.push_back(std::move(text));
    out.scores.push_back(static_cast<double>(weight));
    sum += static_cast<double>(weight);
  };
  for (const auto& [character, count] : characters) put(to_utf8(character), count);
  for (Candidate& candidate : candidates_of(array, PieceRule(classes, options.split_by_script))) {
    if (out.size() >= options.max_pieces) break;
    put(std::move(candidate.text), candidate.weight);
  }
  for (double& score : out.scores) score = std::log(score) - std::log(sum);
  return out;
}

}  // namespace vauban
