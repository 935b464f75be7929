#include "text/sentencepiece/piece_normalizer.h"

namespace vauban {
namespace {

/// Appends text whose bytes all stand for input byte `at`, showing spaces as `space`.
void put(NormalizedPieceText& out, std::string_view text, std::string_view space, std::size_t at) {
  for (const char c : text) {
    if (c == ' ')
      out.text += space;
    else
      out.text += c;
  }
  out.origins.resize(out.text.size(), static_cast<std::uint32_t>(at));
}

}  // namespace

Result<PieceNormalizer> PieceNormalizer::make(const PieceModel& model) {
  PieceNormalizer out;
  out.add_dummy_prefix_ = model.add_dummy_prefix;
  out.remove_extra_ = model.remove_extra_whitespaces;
  out.suffix_ = model.whitespace_as_suffix;
  if (!model.escape_whitespaces) out.space_ = " ";
  for (std::size_t i = 0; i < model.pieces.size(); ++i)
    if (model.pieces[i].type == PieceType::user_defined) out.user_symbols_.insert(model.pieces[i].text, i);
  if (!model.charsmap.empty()) {
    VB_TRY(out.rules_, Charsmap::parse(model.charsmap));
  }
  return out;
}

PieceNormalizer::Chunk PieceNormalizer::next(std::string_view text) const {
  if (const auto symbol = user_symbols_.longest_at(text, 0)) return {text.substr(0, symbol->size), symbol->size};
  if (rules_)
    if (const auto rule = rules_->longest(text)) return {rule->replacement, rule->size};
  const std::size_t size = code_point_at(text, 0).size;
  return {text.substr(0, size), size};
}

NormalizedPieceText PieceNormalizer::apply(std::string_view text, std::size_t at) const {
  NormalizedPieceText out;
  while (remove_extra_ && !text.empty()) {
    const Chunk chunk = next(text);
    if (chunk.text != " ") break;
    text.remove_prefix(chunk.consumed);
    at += chunk.consumed;
  }
  if (!text.empty() && add_dummy_prefix_ && !suffix_) put(out, " ", space_, at);
  const bool has_text = !text.empty();
  for (bool after_space = remove_extra_; !text.empty();) {
    Chunk chunk = next(text);
    while (after_space && chunk.text.starts_with(' ')) chunk.text.remove_prefix(1);
    put(out, chunk.text, space_, at);
    if (!chunk.text.empty()) after_space = remove_extra_ && chunk.text.ends_with(' ');
    at += chunk.consumed;
    text.remove_prefix(chunk.consumed);
  }
  while (remove_extra_ && out.text.ends_with(space_)) {
    out.text.resize(out.text.size() - space_.size());
    at = out.origins[out.text.size()];
    out.origins.resize(out.text.size());
  }
  if (has_text && add_dummy_prefix_ && suffix_) put(out, " ", space_, at);
  out.origins.push_back(static_cast<std::uint32_t>(at));
  return out;
}

}  // namespace vauban
