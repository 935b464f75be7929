#include "text/aligned_text.h"

#include <algorithm>

namespace vauban {

Origin AlignedText::origin(std::size_t at) const {
  if (!origins_.empty()) return origins_[at];
  std::size_t begin = at, end = at + 1;
  while (begin > 0 && is_continuation_byte(text_[begin])) --begin;
  while (end < text_.size() && is_continuation_byte(text_[end])) ++end;
  return {static_cast<std::uint32_t>(base_ + begin), static_cast<std::uint32_t>(base_ + end)};
}

TokenSpan AlignedText::span(std::size_t begin, std::size_t end) const {
  end = std::min(end, text_.size());
  if (begin >= end) {
    if (text_.empty()) return {base_, base_};
    const std::size_t at = begin < text_.size() ? origin(begin).begin : origin(text_.size() - 1).end;
    return {at, at};
  }
  return {origin(begin).begin, origin(end - 1).end};
}

void AlignedText::transform(std::span<const Change> changes, std::size_t dropped) {
  const auto char_size = [&](std::size_t at) {
    return at < text_.size() ? code_point_at(text_, at).size : std::size_t{0};
  };
  std::size_t offset = 0;
  for (std::size_t i = 0; i < dropped; ++i) offset += char_size(offset);
  AlignedText out;
  out.text_.reserve(text_.size());
  out.origins_.reserve(text_.size());
  for (const Change& step : changes) {
    // An inserted character stands for what the one before it stood for.
    const bool inserted = step.change > 0;
    const Origin first{text_.empty() ? base_ : origin(0).begin, text_.empty() ? base_ : origin(0).begin};
    const std::size_t source = inserted ? offset - (offset > 0 ? 1 : 0) : std::min(offset, text_.size() - 1);
    const Origin from = text_.empty() || (inserted && offset == 0) ? first : origin(source);
    for (int i = step.change; i <= 0; ++i) offset += char_size(offset);
    out.append(to_utf8(step.value), from);
  }
  if (out.text_.empty() && !text_.empty()) out.base_ = origin(0).begin;
  *this = std::move(out);
}

void AlignedText::spell_out() {
  if (!origins_.empty() || text_.empty()) return;
  std::vector<Origin> origins;
  origins.reserve(text_.size());
  for (std::size_t at = 0; at < text_.size();) {
    const std::size_t size = code_point_at(text_, at).size;
    const auto begin = static_cast<std::uint32_t>(base_ + at);
    origins.insert(origins.end(), size, Origin{begin, static_cast<std::uint32_t>(begin + size)});
    at += size;
  }
  origins_ = std::move(origins);
}

void AlignedText::append(const AlignedText& other) { append(other, 0, other.size()); }

void AlignedText::append(const AlignedText& other, std::size_t begin, std::size_t end) {
  if (begin >= end) return;
  if (other.origins_.empty()) {
    const auto at = static_cast<std::uint32_t>(other.base_ + begin);
    if (text_.empty() && origins_.empty()) base_ = at;
    if (origins_.empty() && base_ + text_.size() == at) {  // still an unchanged stretch of the input
      text_.append(other.text_, begin, end - begin);
      return;
    }
  }
  spell_out();
  text_.append(other.text_, begin, end - begin);
  if (!other.origins_.empty()) {
    origins_.insert(origins_.end(), other.origins_.begin() + static_cast<std::ptrdiff_t>(begin),
                    other.origins_.begin() + static_cast<std::ptrdiff_t>(end));
    return;
  }
  origins_.reserve(text_.size());
  for (std::size_t at = begin; at < end; ++at) origins_.push_back(other.origin(at));
}

void AlignedText::append(std::string_view bytes, Origin origin) {
  spell_out();
  text_.append(bytes);
  origins_.insert(origins_.end(), bytes.size(), origin);
}

}  // namespace vauban
