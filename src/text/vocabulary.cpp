#include "text/vocabulary.h"

#include <algorithm>

namespace vauban {
namespace {

constexpr std::int64_t kMaxGap = 1'000'000;  // bounds the memory that a hostile id can ask for

}  // namespace

Result<Vocabulary> Vocabulary::from_entries(std::vector<std::pair<std::string, std::int64_t>> entries) {
  const std::int64_t limit = static_cast<std::int64_t>(entries.size()) + kMaxGap;
  std::int64_t size = 0;
  for (const auto& [text, id] : entries) {
    if (id < 0 || id >= limit)
      return corrupt("vocabulary: '{}' has id {}, expected 0 to {} for {} entries", text, id, limit - 1,
                     entries.size());
    size = std::max(size, id + 1);
  }
  Vocabulary out;
  out.texts_.resize(static_cast<std::size_t>(size));
  out.used_.resize(static_cast<std::size_t>(size));
  out.ids_.reserve(entries.size());
  for (auto& [text, id] : entries) {
    const auto at = static_cast<std::size_t>(id);
    if (out.used_[at]) return corrupt("vocabulary: '{}' and '{}' both have id {}", out.texts_[at], text, id);
    out.texts_[at] = std::move(text);
    out.used_[at] = true;
    out.ids_.insert(out.texts_[at], static_cast<std::int32_t>(id));
  }
  return out;
}

Vocabulary Vocabulary::from_list(std::vector<std::string> texts) {
  Vocabulary out;
  out.texts_ = std::move(texts);
  out.used_.assign(out.texts_.size(), true);
  out.ids_.reserve(out.texts_.size());
  for (std::size_t i = 0; i < out.texts_.size(); ++i) out.ids_.insert(out.texts_[i], static_cast<std::int32_t>(i));
  return out;
}

std::optional<std::int32_t> Vocabulary::find(std::string_view text) const {
  return ids_.find(text);
}

const std::string* Vocabulary::text(std::int32_t id) const {
  const auto at = static_cast<std::size_t>(id);
  if (id < 0 || at >= texts_.size() || !used_[at]) return nullptr;
  return &texts_[at];
}

}  // namespace vauban
