/// RawRecord: where one record stands in a data file. Files are cut into records before anything is parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vauban {

/// A part of the file's text, which must outlive it.
struct RawRecord {
  std::string_view text;
  std::int64_t line = 1;  ///< of its first byte, from 1
};

/// The lines of a JSONL file that hold something: lines of white space alone are none. Windows line ends and a UTF-8
/// byte order mark are accepted.
std::vector<RawRecord> json_lines(std::string_view file);

/// The text of a plain file: without a byte order mark, and with Windows line ends as '\n', as text readers give it.
std::string plain_text(std::string_view file);
/// The documents of such a text: what stands between separators (all of it when `separator` is ""), without those that
/// hold only white space. Otherwise bytes are kept as they are.
std::vector<RawRecord> plain_documents(std::string_view text, std::string_view separator);

}  // namespace vauban
