#include "text/training/pattern_words.h"

#include <algorithm>

#include "text/segments.h"
#include "text/unicode.h"

namespace vauban {
namespace {

/// Whether a letter or digit ends at byte `end` (> 0).
bool ends_in_letter(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && is_continuation_byte(text[begin])) --begin;
  const CodePoint last = code_point_at(text, begin);
  return begin + last.size == end && is_word_character(last.value) && !is_mark(last.value) && !is_punctuation(last.value);
}

}  // namespace

Result<PatternWords> PatternWords::make(std::span<const std::string_view> patterns,
                                        const std::vector<std::string>& specials) {
  PatternWords out;
  for (const std::string_view pattern : patterns) {
    VB_TRY(Regex regex, Regex::compile(pattern));
    out.patterns_.push_back(std::move(regex));
  }
  for (const std::string& special : specials) {
    if (special.empty()) return invalid_input("a special token must not be empty");
    out.specials_.insert(special, 0);
    out.longest_special_ = std::max(out.longest_special_, special.size());
  }
  return out;
}

Result<void> PatternWords::cut_plain(std::string_view text, WordTable& out) const {
  std::vector<ByteRange> words{{0, text.size()}};
  for (const Regex& pattern : patterns_) {
    std::vector<ByteRange> finer;
    for (const ByteRange& word : words) {
      const std::string_view part = text.substr(word.begin, word.end - word.begin);
      VB_TRY(const std::vector<ByteRange> matches, pattern.find_all(part));
      for (const SplitPart& piece : parts_of(matches, part.size()))
        finer.push_back({word.begin + piece.begin, word.begin + piece.end});
    }
    words = std::move(finer);
  }
  for (const ByteRange& word : words)
    if (word.begin < word.end) out.add(text.substr(word.begin, word.end - word.begin));
  return ok();
}

Result<void> PatternWords::cut(std::string_view text, WordTable& out) const {
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size() && !specials_.empty();) {
    const auto special = specials_.longest_at(text, at);
    if (!special) {
      ++at;
      continue;
    }
    VB_CHECK(cut_plain(text.substr(plain, at - plain), out));
    at += special->size;
    plain = at;
  }
  return cut_plain(text.substr(plain), out);
}

bool PatternWords::inside_special(std::string_view block, std::size_t at) const {
  if (longest_special_ == 0) return false;
  for (std::size_t begin = at - std::min(at, longest_special_ - 1); begin < at; ++begin) {
    const auto special = specials_.longest_at(block, begin);
    if (special && begin + special->size > at) return true;
  }
  return false;
}

std::size_t PatternWords::last_cut(std::string_view block) const {
  if (block.size() <= longest_special_) return 0;
  for (std::size_t at = block.size() - std::max<std::size_t>(longest_special_, 1); at > 0; --at) {
    const bool white = block[at] == ' ' || block[at] == '\n';
    if (white && ends_in_letter(block, at) && !inside_special(block, at)) return at;
  }
  return 0;
}

}  // namespace vauban
