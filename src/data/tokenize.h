/// From the text of a record to examples: tokens, the mask of targets, and what happens to texts that are too long.
///
/// The rule for special tokens:
/// - A rendered conversation holds them all. Nothing is added, so there is never a second BOS.
/// - Any other text is encoded as the tokenizer's own rule says (text/special_tokens.h: BOS where the model has one, never
///   two), and with `append_eos` ends in exactly one EOS, which is a target: a model that never sees the end never stops.
/// Texts of special tokens inside a record become those tokens, as transformers reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "data/example.h"
#include "data/records/record.h"
#include "text/tokenizer.h"

namespace vauban {

enum class Truncation { keep_head, error, split };

struct TokenizeOptions {
  std::int64_t max_length = 0;  ///< ids of one example at most; 0: any, else at least 2
  Truncation truncation = Truncation::keep_head;
  bool append_eos = true;
};

struct TokenizedRecord {
  std::vector<Example> examples;
  std::int64_t truncated = 0;  ///< examples that lost their tail
  std::int64_t dropped = 0;    ///< examples that had no target (any more) and are left out
};

/// A token is a target when it overlaps a target span of the text (the first id of an example never is: nothing
/// precedes it). A token without bytes belongs to what follows it.
/// With Truncation::split, a block begins with the last id of the block before it, so that every token after the first
/// is predicted exactly once.
/// Errors: invalid_input from the tokenizer, for a text above max_length with Truncation::error, or when append_eos asks
/// for an EOS that the tokenizer does not have.
Result<TokenizedRecord> tokenize(const TrainingText& text, const Tokenizer& tokenizer, const TokenizeOptions& options);

}  // namespace vauban
