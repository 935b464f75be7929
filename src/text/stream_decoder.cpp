// StreamDecoder. It decodes a short window: the last token that was given out in full, then those since. The context
// token keeps decoders that treat the first token of a text differently (no leading space) from doing so again.
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of `text` that later tokens cannot change: a replacement character at the end may be half a character.
std::size_t certain_size(std::string_view text) {
  while (text.ends_with(kReplacement)) text.remove_suffix(kReplacement.size());
  return text.size();
}

std::string new_part(const std::string& text, std::size_t from, std::size_t to) {
  return to > from ? text.substr(from, to - from) : std::string();
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special) {}

Result<std::string> StreamDecoder::push(std::int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return std::string();
  VB_CHECK(tokenizer_.piece(id));  // refuses an unknown id before it is kept
  ids_.push_back(id);
  if (!tokenizer_.settles(id)) return std::string();
  VB_TRY(const std::string text, tokenizer_.decode(ids_, skip_special_));
  const std::size_t certain = certain_size(text);
  std::string out = new_part(text, emitted_, certain);
  emitted_ = std::max(emitted_, certain);
  if (certain < text.size()) return out;
  VB_TRY(const std::string context, tokenizer_.decode(std::span(&ids_.back(), 1), skip_special_));
  if (context.empty()) return out;
  ids_.erase(ids_.begin(), ids_.end() - 1);
  emitted_ = context.size();
  return out;
}

Result<std::string> StreamDecoder::finish() {
  VB_TRY(const std::string text, tokenizer_.decode(ids_, skip_special_));
  std::string out = new_part(text, emitted_, text.size());
  ids_.clear();
  emitted_ = 0;
  return out;
}

}  // namespace vauban
