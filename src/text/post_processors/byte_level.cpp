// ByteLevel, RobertaProcessing, BertProcessing: offsets without spaces, and a fixed pair of tokens around the text.
#include <algorithm>
#include <limits>

#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/post_processors/post_processor.h"
#include "text/unicode.h"

namespace vauban {
namespace {

bool is_space_letter(char32_t c) { return c == letter_code_of(' ') || is_white_space(c); }

/// Characters at the beginning of `piece` that are spaces.
std::size_t leading_spaces(std::string_view piece) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < piece.size(); ++count) {
    const CodePoint c = code_point_at(piece, at);
    if (!is_space_letter(c.value)) break;
    at += c.size;
  }
  return count;
}

std::size_t trailing_spaces(std::string_view piece) {
  std::size_t count = 0, at = 0;
  while (at < piece.size()) {
    const CodePoint c = code_point_at(piece, at);
    count = is_space_letter(c.value) ? count + 1 : 0;
    at += c.size;
  }
  return count;
}

std::size_t forward(std::string_view text, std::size_t at, std::size_t characters) {
  for (; characters > 0 && at < text.size(); --characters) at += code_point_at(text, at).size;
  return at;
}

/// `at` moved back; stays where it was when there are not so many characters.
std::size_t back(std::string_view text, const std::size_t at, std::size_t characters) {
  std::size_t to = at;
  for (; characters > 0 && to > 0; --characters) {
    --to;
    while (to > 0 && is_continuation_byte(text[to])) --to;
  }
  return characters == 0 ? to : at;
}

struct RobertaOptions {
  AddedAround before, after;
  bool trim_offsets = false, add_prefix_space = false;
};

class Around final : public PostProcessor {
 public:
  Around(RobertaOptions options, Frame single, Frame pair)
      : options_(std::move(options)), single_(std::move(single)), pair_(std::move(pair)) {}
  const Frame* single() const override { return &single_; }
  const Frame* pair() const override { return &pair_; }
  void trim(Encoding& encoding, std::string_view text) const override {
    if (options_.trim_offsets) trim_byte_level(encoding, text, options_.add_prefix_space);
  }

 private:
  RobertaOptions options_;
  Frame single_, pair_;
};

/// cls A sep, and cls A sep... B sep: with that many separators between the texts, the second of that type.
std::unique_ptr<PostProcessor> around(RobertaOptions options, std::size_t separators, std::int32_t second_type) {
  using Kind = FramePart::Kind;
  const FramePart cls{Kind::token, options.before, 0}, sep{Kind::token, options.after, 0}, first{Kind::first, {}, 0};
  Frame pair = {cls, first};
  pair.insert(pair.end(), separators, sep);
  pair.push_back({Kind::second, {}, second_type});
  pair.push_back({Kind::token, options.after, second_type});
  return std::make_unique<Around>(std::move(options), Frame{cls, first, sep}, std::move(pair));
}

class ByteLevel final : public PostProcessor {
 public:
  ByteLevel(bool trim_offsets, bool keep_first) : trim_offsets_(trim_offsets), keep_first_(keep_first) {}
  void trim(Encoding& encoding, std::string_view text) const override {
    if (trim_offsets_) trim_byte_level(encoding, text, keep_first_);
  }

 private:
  bool trim_offsets_, keep_first_;
};

/// ["text", id]
Result<AddedAround> read_token(const Json& section, std::string_view key) {
  VB_TRY(const Json::Array* const pair, fields::array(section, key));
  if (pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_integer())
    return corrupt("key '{}': expected [text, id]", key);
  const std::int64_t id = (*pair)[1].as_int();
  if (id < 0 || id > std::numeric_limits<std::int32_t>::max())
    return corrupt("key '{}': id {} is out of range", key, id);
  return AddedAround{static_cast<std::int32_t>(id), (*pair)[0].as_string()};
}

Result<RobertaOptions> read_ends(const Json& section) {
  RobertaOptions options;
  VB_TRY(options.before, read_token(section, "cls"));
  VB_TRY(options.after, read_token(section, "sep"));
  return options;
}

}  // namespace

void trim_byte_level(Encoding& encoding, std::string_view text, bool keep_first) {
  for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
    TokenSpan& span = encoding.offsets[i];
    const bool kept = keep_first && (i == 0 || span.begin == 0);
    const std::size_t leading = kept ? 0 : leading_spaces(encoding.pieces[i]);
    const std::size_t trailing = trailing_spaces(encoding.pieces[i]);
    if (leading > 0) span.begin = std::min(forward(text, span.begin, leading), span.end);
    if (trailing > 0) span.end = std::max(back(text, span.end, trailing), span.begin);
  }
}

Result<std::unique_ptr<PostProcessor>> make_byte_level_post_processor(const Json& section) {
  VB_TRY(const bool trim_offsets, fields::boolean(section, "trim_offsets"));
  VB_TRY(const bool add_prefix_space, fields::boolean(section, "add_prefix_space"));
  return std::make_unique<ByteLevel>(trim_offsets, add_prefix_space);
}

Result<std::unique_ptr<PostProcessor>> make_bert_processing(const Json& section) {
  VB_TRY(RobertaOptions options, read_ends(section));
  return around(std::move(options), 1, 1);
}

Result<std::unique_ptr<PostProcessor>> make_roberta_processing(const Json& section) {
  // The reference reads the two booleans or, without them, takes the section for a BertProcessing.
  if (!section.find("trim_offsets") || !section.find("add_prefix_space")) return make_bert_processing(section);
  VB_TRY(RobertaOptions options, read_ends(section));
  VB_TRY(options.trim_offsets, fields::boolean(section, "trim_offsets"));
  VB_TRY(options.add_prefix_space, fields::boolean(section, "add_prefix_space"));
  return around(std::move(options), 2, 0);
}

}  // namespace vauban
