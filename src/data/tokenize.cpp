#include "data/tokenize.h"

#include <algorithm>

namespace vauban {
namespace {

bool overlaps(const TokenSpan& token, const TextSpan& target) {
  if (token.begin == token.end) return target.begin <= token.begin && token.begin < target.end;
  return token.begin < target.end && target.begin < token.end;
}

/// `targets` ascending, so only the first one that ends behind the token's beginning can overlap it.
bool is_target(const TokenSpan& token, const std::vector<TextSpan>& targets) {
  const auto candidate =
      std::ranges::upper_bound(targets, token.begin, {}, [](const TextSpan& target) { return target.end; });
  return candidate != targets.end() && overlaps(token, *candidate);
}

/// What a post-processor puts behind the text (an EOS) has no bytes; it is learnt with the targets before it.
void mark_added_tail(const std::vector<TokenSpan>& offsets, std::vector<std::uint8_t>& mask) {
  std::size_t tail = offsets.size();
  while (tail > 0 && offsets[tail - 1].begin == offsets[tail - 1].end) --tail;
  if (tail == 0) return;  // no text at all: what was added stands in front
  std::fill(mask.begin() + static_cast<std::ptrdiff_t>(tail), mask.end(), std::uint8_t{1});
}

Result<void> append_eos(Example& example, const Tokenizer& tokenizer) {
  const auto eos = tokenizer.eos();
  if (!eos)
    return with_hint(invalid_input("expected a tokenizer with an EOS to end the text with, found none"),
                     "set append_eos = false to train without one");
  if (!example.ids.empty() && example.ids.back() == *eos) return ok();
  example.ids.push_back(*eos);
  example.is_target.push_back(1);
  return ok();
}

Result<Example> encode(const TrainingText& text, const Tokenizer& tokenizer, bool with_eos) {
  VB_TRY(Encoding encoding, tokenizer.encode(text.text, {.add_special = !text.rendered, .parse_special = true}));
  Example example{.ids = std::move(encoding.ids), .is_target = {}};
  for (const TokenSpan& token : encoding.offsets) example.is_target.push_back(is_target(token, text.targets) ? 1 : 0);
  if (!text.rendered) mark_added_tail(encoding.offsets, example.is_target);
  if (!text.rendered && with_eos) VB_CHECK(append_eos(example, tokenizer));
  if (!example.is_target.empty()) example.is_target[0] = 0;
  return example;
}

Example part_of(const Example& whole, std::size_t begin, std::size_t end) {
  const auto first = static_cast<std::ptrdiff_t>(begin), last = static_cast<std::ptrdiff_t>(end);
  Example part{.ids = {whole.ids.begin() + first, whole.ids.begin() + last},
               .is_target = {whole.is_target.begin() + first, whole.is_target.begin() + last}};
  part.is_target[0] = 0;
  return part;
}

void keep_if_learnable(Example example, TokenizedRecord& out) {
  if (std::ranges::find(example.is_target, 1) == example.is_target.end())
    ++out.dropped;
  else
    out.examples.push_back(std::move(example));
}

/// Blocks share one id: the last of a block predicts nothing there, and everything after it is predicted in the next.
void keep_blocks(const Example& whole, std::size_t length, TokenizedRecord& out) {
  for (std::size_t begin = 0; begin + 1 < whole.ids.size(); begin += length - 1)
    keep_if_learnable(part_of(whole, begin, std::min(begin + length, whole.ids.size())), out);
}

}  // namespace

Result<TokenizedRecord> tokenize(const TrainingText& text, const Tokenizer& tokenizer, const TokenizeOptions& options) {
  VB_TRY(Example whole, encode(text, tokenizer, options.append_eos));
  TokenizedRecord out;
  const std::size_t length = static_cast<std::size_t>(options.max_length);
  if (length == 0 || whole.ids.size() <= length) {
    keep_if_learnable(std::move(whole), out);
    return out;
  }
  if (options.truncation == Truncation::error)
    return with_hint(invalid_input("expected at most {} tokens (max_length), found {}", length, whole.ids.size()),
                     "raise max_length, or set truncation = \"truncate\" to keep the beginning");
  if (options.truncation == Truncation::split) {
    keep_blocks(whole, length, out);
    return out;
  }
  out.truncated = 1;
  keep_if_learnable(part_of(whole, 0, length), out);
  return out;
}

}  // namespace vauban
