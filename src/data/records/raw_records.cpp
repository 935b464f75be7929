#include "data/records/raw_records.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {
namespace {

std::string_view without_mark(std::string_view file) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (file.starts_with(kMark)) file.remove_prefix(kMark.size());
  return file;
}

/// Calls `each` on what stands between separators; `separator` must not be empty.
template <class Each>
void for_each_piece(std::string_view text, std::string_view separator, const Each& each) {
  while (true) {
    const std::size_t end = text.find(separator);
    each(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + separator.size());
  }
}

}  // namespace

std::vector<RawRecord> json_lines(std::string_view file) {
  std::vector<RawRecord> lines;
  std::int64_t number = 0;
  for_each_piece(without_mark(file), "\n", [&](std::string_view line) {
    ++number;
    if (const std::string_view content = trim(line); !content.empty()) lines.push_back({content, number});
  });
  return lines;
}

std::string plain_text(std::string_view file) {
  file = without_mark(file);
  std::string out;
  out.reserve(file.size());
  for (std::size_t i = 0; i < file.size(); ++i)
    if (file[i] != '\r' || i + 1 == file.size() || file[i + 1] != '\n') out += file[i];
  return out;
}

std::vector<RawRecord> plain_documents(std::string_view text, std::string_view separator) {
  std::vector<RawRecord> documents;
  std::int64_t line = 1;
  const std::int64_t separator_lines = std::ranges::count(separator, '\n');
  const auto add = [&](std::string_view piece) {
    if (!trim(piece).empty()) documents.push_back({piece, line});
    line += std::ranges::count(piece, '\n') + separator_lines;
  };
  if (separator.empty())
    add(text);
  else
    for_each_piece(text, separator, add);
  return documents;
}

}  // namespace vauban
