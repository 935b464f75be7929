#include "text/known_cuts.h"

#include <array>

#include "text/unicode.h"

namespace vauban {
namespace {

enum Kind : std::uint8_t { other, letter, number, space, line_end };  // line_end: \r and \n, which are spaces too

/// The kind of every code point, by what Oniguruma takes for \p{L}, \p{N} and \s.
class Kinds {
 public:
  Kinds() : kinds_(0x110000, other) {
    mark("L", letter);
    mark("N", number);
    mark("space", space);
    kinds_[U'\r'] = kinds_[U'\n'] = line_end;
  }
  Kind of(char32_t c) const { return kinds_[c]; }

 private:
  void mark(std::string_view property, Kind kind) {
    for (const CodePointRange& range : code_points_with(property))
      for (char32_t c = range.first; c <= range.last && c < kinds_.size(); ++c) kinds_[c] = kind;
  }
  std::vector<Kind> kinds_;
};

enum class Case { lower, ascii, folded };

/// Walks valid UTF-8. A place past the end has the kind `other` and no size: check at_end first.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {
    static const Kinds kinds;
    kinds_ = &kinds;
  }

  struct Character {
    Kind kind = other;
    std::size_t next = 0;  ///< where the following one begins
    bool exists = false;
  };
  Character at(std::size_t i) const {
    if (i >= text_.size()) return {other, i, false};
    const auto byte = [&](std::size_t k) { return static_cast<char32_t>(static_cast<unsigned char>(text_[i + k])); };
    const char32_t lead = byte(0);
    if (lead < 0x80) return {kinds_->of(lead), i + 1, true};
    if (lead < 0xE0) return {kinds_->of((lead & 0x1F) << 6 | (byte(1) & 0x3F)), i + 2, true};
    if (lead < 0xF0) return {kinds_->of((lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)), i + 3, true};
    const char32_t c = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    return {kinds_->of(c), i + 4, true};
  }
  std::size_t end_of_run(std::size_t i, Kind kind) const {
    for (Character c = at(i); c.exists && c.kind == kind; c = at(i)) i = c.next;
    return i;
  }
  std::size_t size() const { return text_.size(); }

  /// Where an apostrophe with s, t, m, d, re, ve or ll ends that begins at `i`, or `i`. Folding also takes the long s for s.
  std::size_t contraction(std::size_t i, Case how) const {
    const bool any_case = how != Case::lower;
    const auto folded = [&](std::size_t k) {
      const char c = k < text_.size() ? text_[k] : '\0';
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char first = folded(i + 1), second = folded(i + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return i + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return i + 3;
    if (how == Case::folded && text_.substr(i + 1).starts_with("\xC5\xBF")) return i + 3;
    return i;
  }
  bool apostrophe(std::size_t i) const { return text_[i] == '\''; }
  bool plain_space(std::size_t i) const { return text_[i] == ' '; }

 private:
  std::string_view text_;
  const Kinds* kinds_;
};

bool is_space(Kind kind) { return kind == space || kind == line_end; }

/// \s+(?!\S)|\s+ at a white space: a run leaves its last character to what follows, unless it is alone or nothing follows.
std::size_t end_of_spaces(const Walker& text, std::size_t i) {
  std::size_t last = i, end = i;
  for (auto c = text.at(i); c.exists && is_space(c.kind); c = text.at(end)) {
    last = end;
    end = c.next;
  }
  return end == text.size() || last == i ? end : last;
}

/// \s*[\r\n]+ at a white space: up to the last line end of the run, or `i`.
std::size_t end_of_lines(const Walker& text, std::size_t i) {
  std::size_t found = i, end = i;
  for (auto c = text.at(i); c.exists && is_space(c.kind); c = text.at(end)) {
    end = c.next;
    if (c.kind == line_end) found = end;
  }
  return found;
}

std::size_t gpt2_word(const Walker& text, std::size_t i) {
  if (text.apostrophe(i))
    if (const std::size_t end = text.contraction(i, Case::lower); end > i) return end;
  const auto first = text.at(i);
  const auto head = text.plain_space(i) ? text.at(first.next) : first;  // the space before a word belongs to it
  if (head.exists && !is_space(head.kind)) return text.end_of_run(head.next, head.kind);
  return end_of_spaces(text, i);
}

/// cl100k and its kin; `digits`: how many numbers make one piece at most.
std::size_t cl100k_word(const Walker& text, std::size_t i, int digits, Case how) {
  if (text.apostrophe(i))
    if (const std::size_t end = text.contraction(i, how); end > i) return end;
  const auto first = text.at(i);
  if (first.kind == letter) return text.end_of_run(first.next, letter);
  const auto second = text.at(first.next);
  if (first.kind != line_end && first.kind != number && second.exists && second.kind == letter)
    return text.end_of_run(second.next, letter);
  if (first.kind == number) {
    std::size_t end = first.next;
    for (auto c = text.at(end); --digits > 0 && c.exists && c.kind == number; c = text.at(end)) end = c.next;
    return end;
  }
  const bool spaced = text.plain_space(i) && second.exists && second.kind == other;
  if (first.kind == other || spaced) return text.end_of_run(text.end_of_run(spaced ? second.next : first.next, other), line_end);
  if (const std::size_t end = end_of_lines(text, i); end > i) return end;
  return end_of_spaces(text, i);
}

template <class Word>
void cut(std::string_view text, std::vector<ByteRange>& matches, const Word& word) {
  const Walker walker(text);
  matches.reserve(matches.size() + text.size() / 5);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = word(walker, at);
    matches.push_back({at, end});
    at = end;
  }
}

void cut_gpt2(std::string_view text, std::vector<ByteRange>& matches) { cut(text, matches, gpt2_word); }
void cut_cl100k(std::string_view text, std::vector<ByteRange>& matches) {
  cut(text, matches, [](const Walker& w, std::size_t i) { return cl100k_word(w, i, 3, Case::folded); });
}
void cut_qwen2(std::string_view text, std::vector<ByteRange>& matches) {
  cut(text, matches, [](const Walker& w, std::size_t i) { return cl100k_word(w, i, 1, Case::folded); });
}
void cut_cl100k_ascii(std::string_view text, std::vector<ByteRange>& matches) {
  cut(text, matches, [](const Walker& w, std::size_t i) { return cl100k_word(w, i, 3, Case::ascii); });
}
void cut_qwen2_ascii(std::string_view text, std::vector<ByteRange>& matches) {
  cut(text, matches, [](const Walker& w, std::size_t i) { return cl100k_word(w, i, 1, Case::ascii); });
}

struct Entry {
  std::string_view pattern;
  KnownCut cut;
};

#define VB_TAIL R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define VB_FOLDED R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)"
#define VB_SPELLED R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|)"
constexpr std::array kCuts = {
    Entry{R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", cut_gpt2},
    Entry{VB_FOLDED R"(\p{N}{1,3}|)" VB_TAIL, cut_cl100k},
    Entry{VB_FOLDED R"(\p{N}|)" VB_TAIL, cut_qwen2},
    Entry{VB_SPELLED R"(\p{N}{1,3}|)" VB_TAIL, cut_cl100k_ascii},
    Entry{VB_SPELLED R"(\p{N}|)" VB_TAIL, cut_qwen2_ascii},
};
#undef VB_TAIL
#undef VB_FOLDED
#undef VB_SPELLED

}  // namespace

KnownCut find_known_cut(std::string_view pattern) {
  for (const Entry& entry : kCuts)
    if (entry.pattern == pattern) return entry.cut;
  return nullptr;
}

std::vector<std::string_view> all_known_cuts() {
  std::vector<std::string_view> out;
  for (const Entry& entry : kCuts) out.push_back(entry.pattern);
  return out;
}

}  // namespace vauban
