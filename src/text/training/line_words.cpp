#include "text/training/line_words.h"

#include "base/strings.h"
#include "text/sentencepiece/piece_normalizer.h"

namespace vauban {

LineWords::LineWords(const std::vector<std::string>& symbols, bool keep_spaces) : keep_spaces_(keep_spaces) {
  for (const std::string& symbol : symbols) symbols_.insert(symbol, 0);
}

Result<void> LineWords::cut(std::string_view text, WordTable& out) const {
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) cut_line(line, out);
  }
  return ok();
}

void LineWords::cut_line(std::string_view line, WordTable& out) const {
  std::size_t plain = 0;
  for (std::size_t at = 0; at < line.size() && !symbols_.empty();) {
    const auto symbol = symbols_.longest_at(line, at);
    if (!symbol) {
      ++at;
      continue;
    }
    cut_plain(line.substr(plain, at - plain), plain == 0, out);
    at += symbol->size;
    plain = at;
  }
  cut_plain(line.substr(plain), plain == 0, out);
}

void LineWords::cut_plain(std::string_view text, bool at_start, WordTable& out) const {
  bool marked = at_start;
  for (const std::string_view word : split(text, ' ')) {
    if (keep_spaces_ ? marked || !word.empty() : !word.empty())
      out.add(marked ? std::string(kSpaceMark).append(word) : std::string(word));
    marked = true;
  }
}

}  // namespace vauban
