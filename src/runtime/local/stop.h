/// StopMatcher and TextStream: from tokens to the text that a caller may already show.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace vauban {

/// Looks for the first of several stop strings in a text that arrives in pieces, whatever the borders. What could
/// still become a stop string is held back; a stop string and all behind it never come out.
class StopMatcher {
 public:
  /// Stop strings must not be empty (validate() refuses them).
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  /// Text that is certain now.
  std::string push(std::string_view text);
  bool stopped() const { return stopped_; }
  /// What was held back, when no stop string came.
  std::string finish();

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

/// The text of one sequence's new tokens. The prompt goes through the same decoder first, so that a leading space is
/// decoded as in the middle of a text, and not dropped as at its beginning.
class TextStream {
 public:
  static Result<TextStream> make(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                                 std::vector<std::string> stops);
  Result<std::string> push(std::int32_t id);
  bool stopped() const { return stops_.stopped(); }
  Result<std::string> finish();

 private:
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops)
      : decoder_(tokenizer), stops_(std::move(stops)) {}
  StreamDecoder decoder_;
  StopMatcher stops_;
};

}  // namespace vauban
