#include "runtime/local/stop.h"

#include <algorithm>
#include <utility>

namespace vauban {

namespace {

/// Length of the longest end of `text` that a stop string begins with.
std::size_t possible_start(std::string_view text, const std::vector<std::string>& stops) {
  std::size_t longest = 0;
  for (const std::string_view stop : stops) {
    for (std::size_t n = std::min(stop.size() - 1, text.size()); n > longest; --n)
      if (text.substr(text.size() - n) == stop.substr(0, n)) longest = n;
  }
  return longest;
}

}  // namespace

std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  std::size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);  // the one that is complete first wins: the same for every border
    if (at == std::string::npos || std::pair(at + stop.size(), at) >= std::pair(end, begin)) continue;
    begin = at;
    end = at + stop.size();
  }
  stopped_ = begin != std::string::npos;
  const std::size_t certain = stopped_ ? begin : held_.size() - possible_start(held_, stops_);
  std::string out = held_.substr(0, certain);
  held_ = stopped_ ? std::string() : held_.substr(certain);
  return out;
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

Result<TextStream> TextStream::make(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                                    std::vector<std::string> stops) {
  TextStream stream(tokenizer, std::move(stops));
  for (const std::int32_t id : prompt) VB_CHECK(stream.decoder_.push(id), "while decoding the prompt");
  return stream;
}

Result<std::string> TextStream::push(std::int32_t id) {
  VB_TRY(const std::string text, decoder_.push(id));
  return stops_.push(text);
}

Result<std::string> TextStream::finish() {
  VB_TRY(const std::string rest, decoder_.finish());
  std::string out = stops_.push(rest);
  return out + stops_.finish();
}

}  // namespace vauban
