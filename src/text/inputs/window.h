/// Cutting a tokenised text into windows.
#pragma once

#include <vector>

#include "text/inputs/input_rules.h"
#include "text/tokenizer.h"

namespace vauban {

/// A text as windows of at most `length` tokens, the kept one first; neighbours share `stride` tokens. From the left side
/// windows are counted from the end, so that the first one holds the last tokens. Length 0: an empty window, then the text.
/// `stride` < `length`, unless the text is not longer than `length`.
std::vector<Encoding> windows_of(const Encoding& text, std::size_t length, std::size_t stride, Side side);

/// How many tokens of each text remain for `most` tokens together. `second`: nothing where there is one text.
/// Errors: invalid_input when the text that may be cut is too short for it, or is not there.
struct KeptTokens {
  std::size_t first = 0, second = 0;
};
Result<KeptTokens> kept_tokens(std::size_t first, std::optional<std::size_t> second, std::size_t most,
                               InputTruncation::Strategy strategy);

}  // namespace vauban
