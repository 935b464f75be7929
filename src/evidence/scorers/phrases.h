/// Phrase sets of the v2 scorers, by language. Lower case, with ASCII apostrophes (text.h normalise()).
#pragma once

#include <string_view>
#include <vector>

namespace vauban::phrases {

/// Says on its own that the request is declined.
const std::vector<std::string_view>& declines();
/// "I cannot" goes on into these in explanations and idioms, not refusals.
const std::vector<std::string_view>& harmless_continuations();
const std::vector<std::string_view>& unsure();
const std::vector<std::string_view>& asks_back();
/// An offer of something else, or an explanation, after a refusal: still a refusal.
const std::vector<std::string_view>& redirections();

}  // namespace vauban::phrases
