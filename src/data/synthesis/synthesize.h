/// Grammar -> dialogues. A dialogue depends on (grammar, options, its number), never on how many are asked for.
///
/// Every dialogue draws from its own Philox stream; one that was drawn before is drawn again from a further stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/synthesis/grammar.h"

namespace vauban {

enum class WordingSplit { train, heldout };

struct SynthesisOptions {
  std::int64_t count = 0;
  std::uint64_t seed = 0;
  WordingSplit split = WordingSplit::train;
  std::vector<std::string> only{};  ///< categories; empty: all
  std::string style{};              ///< "": the ordinary answers
  bool duplicates = false;          ///< keep a dialogue that was drawn before
  bool plain = false;               ///< one exchange, no system prompt, nothing before or behind the wording
};

struct DialogueMessage {
  std::string role, content;
  friend bool operator==(const DialogueMessage&, const DialogueMessage&) = default;
};

struct Dialogue {
  std::vector<DialogueMessage> messages;
  std::size_t intent = 0;  ///< index, of the last exchange
};

/// Errors: not_found for an unknown category or style; invalid_input for a count below 1, or when the grammar does not
/// yield `count` different dialogues.
Result<std::vector<Dialogue>> synthesize(const Grammar& grammar, const SynthesisOptions& options);

/// One exchange of one intent, from the stream (seed, stream). Precondition: the intent has wordings in the split.
Dialogue synthesize_one(const Grammar& grammar, std::size_t intent, const SynthesisOptions& options,
                        std::uint64_t stream);

/// {"messages": [{"role", "content"}], "metadata": {"category", "expected_behavior", "family", "intent"}}
Json to_json(const Dialogue& dialogue, const Grammar& grammar);

}  // namespace vauban
