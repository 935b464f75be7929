#include "text/sentencepiece/charsmap.h"

namespace vauban {
namespace {

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

// The fields of one unit of the double array.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob) {
  if (blob.size() < 4) return corrupt("precompiled_charsmap: {} bytes, expected at least 4", blob.size());
  const std::size_t size = read_u32(blob, 0);
  if (size == 0 || size % 4 != 0 || size > blob.size() - 4)
    return corrupt("precompiled_charsmap: a trie of {} bytes in a blob of {}", size, blob.size());
  Charsmap out;
  out.units_.reserve(size / 4);
  for (std::size_t at = 4; at < 4 + size; at += 4) out.units_.push_back(read_u32(blob, at));
  out.strings_ = std::string(blob.substr(4 + size));
  if (!out.strings_.ends_with('\0')) return corrupt("precompiled_charsmap: the last string does not end");
  return out;
}

std::optional<Charsmap::Rule> Charsmap::longest(std::string_view text) const { return find(text, true); }
std::optional<Charsmap::Rule> Charsmap::shortest(std::string_view text) const { return find(text, false); }

std::optional<Charsmap::Rule> Charsmap::find(std::string_view text, bool longest) const {
  std::optional<Rule> best;
  std::uint32_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size() || value_of(units_[node]) >= strings_.size()) break;
    best = Rule{i + 1, std::string_view(strings_.data() + value_of(units_[node]))};
    if (!longest) break;
  }
  return best;
}

}  // namespace vauban
