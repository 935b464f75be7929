// Pre-tokenisers that look at kinds of characters: Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer,
// CharDelimiterSplit, FixedLength.
#include <limits>

#include "text/fields.h"
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban {
namespace {

/// A pre-tokeniser that is one function.
template <class Function>
class Lambda final : public PreTokenizer {
 public:
  explicit Lambda(Function function) : function_(std::move(function)) {}
  Result<void> apply(Segments& segments) const override { return function_(segments); }

 private:
  Function function_;
};

template <class Function>
std::unique_ptr<PreTokenizer> from(Function function) {
  return std::make_unique<Lambda<Function>>(std::move(function));
}

enum class Kind { space, word, other };

Kind kind_of(char32_t c) {
  if (is_word_character(c)) return Kind::word;
  return is_white_space(c) ? Kind::space : Kind::other;
}

/// Runs of word characters and runs of anything else but white space.
Result<std::vector<SplitPart>> words(std::string_view text) {
  std::vector<SplitPart> parts;
  Kind previous = Kind::space;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const Kind kind = kind_of(c.value);
    if (parts.empty() || kind != previous)
      parts.push_back({at, at + c.size, kind == Kind::space});
    else
      parts.back().end = at + c.size;
    previous = kind;
    at += c.size;
  }
  return parts;
}

std::vector<SplitPart> chunks(std::string_view text, std::int64_t length) {
  std::vector<SplitPart> parts;
  std::int64_t taken = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = code_point_at(text, at).size;
    if (taken++ % length == 0) parts.push_back({at, at, false});
    at += size;
    parts.back().end = at;
  }
  return parts;
}

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_digits(const Json& section) {
  VB_TRY(const bool individual, fields::boolean(section, "individual_digits"));
  const SplitBehavior behavior = individual ? SplitBehavior::isolated : SplitBehavior::contiguous;
  return from([behavior](Segments& s) { return split_at_characters(s, behavior, is_numeric); });
}

Result<std::unique_ptr<PreTokenizer>> make_punctuation(const Json& section) {
  VB_TRY(const SplitBehavior behavior, read_behavior(section, SplitBehavior::isolated));
  return from([behavior](Segments& s) { return split_at_characters(s, behavior, is_punctuation); });
}

Result<std::unique_ptr<PreTokenizer>> make_whitespace(const Json&) {
  return from([](Segments& s) { return split_pieces(s, SplitBehavior::removed, words); });
}

Result<std::unique_ptr<PreTokenizer>> make_whitespace_split(const Json&) {
  return from([](Segments& s) { return split_at_characters(s, SplitBehavior::removed, is_white_space); });
}

Result<std::unique_ptr<PreTokenizer>> make_bert_pre_tokenizer(const Json&) {
  return from([](Segments& s) -> Result<void> {
    VB_CHECK(split_at_characters(s, SplitBehavior::removed, is_white_space));
    return split_at_characters(s, SplitBehavior::isolated, is_punctuation);
  });
}

Result<std::unique_ptr<PreTokenizer>> make_char_delimiter_split(const Json& section) {
  VB_TRY(const char32_t delimiter, fields::character(section, "delimiter"));
  return from([mark = to_utf8(delimiter)](Segments& s) {
    return split_pieces(s, SplitBehavior::removed, [&](std::string_view text) -> Result<std::vector<SplitPart>> {
      return parts_of(find_all_literal(text, mark), text.size());
    });
  });
}

Result<std::unique_ptr<PreTokenizer>> make_fixed_length(const Json& section) {
  std::int64_t length = 5;
  if (fields::present(section, "length")) {
    VB_TRY(length, fields::integer(section, "length", 1, std::numeric_limits<std::int32_t>::max()));
  }
  return from([length](Segments& s) {
    return split_pieces(s, SplitBehavior::isolated,
                        [&](std::string_view text) -> Result<std::vector<SplitPart>> { return chunks(text, length); });
  });
}

}  // namespace vauban
