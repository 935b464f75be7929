/// Regex: the rules of Oniguruma (Ruby syntax, UTF-8), which is what tokenizer.json means by "Regex".
///
/// Immutable, shared between threads. The only file that includes oniguruma.h is regex.cpp. Each text is bounded:
/// the number of backtracking steps of all its searches grows at most with its length, and a pattern that needs more is
/// an error.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

struct ByteRange {
  std::size_t begin = 0, end = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

class Regex {
 public:
  /// Patterns of known_cuts.h are not run by Oniguruma. Errors: corrupt, with the pattern and Oniguruma's message; unsupported for a pattern over 64 KiB.
  static Result<Regex> compile(std::string_view pattern);

  /// All matches from left to right, not overlapping; an empty match right after another match is left out.
  /// Errors: resource when the pattern backtracks too much on this text.
  Result<std::vector<ByteRange>> find_all(std::string_view text) const;

  const std::string& pattern() const { return pattern_; }

 private:
  struct Program;
  using Cut = void (*)(std::string_view text, std::vector<ByteRange>& matches);
  Regex(std::string pattern, std::shared_ptr<const Program> program);

  std::string pattern_;
  std::shared_ptr<const Program> program_;
  Cut cut_ = nullptr;
};

/// The same for a literal string. The empty string matches at every character boundary.
std::vector<ByteRange> find_all_literal(std::string_view text, std::string_view literal);

/// Code points [first, last].
struct CodePointRange {
  char32_t first = 0, last = 0;
};

/// The code points that a regular expression means by \p{name}, in order; empty for a name that Oniguruma does not know.
std::vector<CodePointRange> code_points_with(std::string_view property);

}  // namespace vauban
