/// Pattern: {"String": "..."} or {"Regex": "..."}, the two ways in which tokenizer.json says what to look for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/regex.h"

namespace vauban {

class Pattern {
 public:
  /// The member `key` of `section`. Errors: corrupt.
  static Result<Pattern> read(const Json& section, std::string_view key);
  static Pattern of(Regex regex) { return Pattern({}, std::move(regex)); }
  static Pattern of(std::string literal) { return Pattern(std::move(literal), std::nullopt); }

  Result<std::vector<ByteRange>> find_all(std::string_view text) const;
  /// `text` with every match replaced.
  Result<std::string> replace_all(std::string_view text, std::string_view content) const;
  /// Null for a literal.
  const Regex* regex() const { return regex_ ? &*regex_ : nullptr; }
  /// True for a literal of one character: what it matches never depends on what stands beside it.
  bool is_one_character() const;

 private:
  Pattern(std::string literal, std::optional<Regex> regex) : literal_(std::move(literal)), regex_(std::move(regex)) {}

  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace vauban
