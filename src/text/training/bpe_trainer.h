/// train_bpe: byte-level byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909; bytes as in GPT-2).
///
/// Ids: the special tokens in their order, the 256 byte letters by code point, then one token per merge. Each merge
/// joins the pair that is most frequent at that moment; a heap of candidates whose counts are corrected when they come
/// up makes a merge cost what it changes. A merge that spells a token which exists already is a rule without a new id.
/// Deterministic: the same words give the same answer, always on one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "text/training/word_counts.h"

namespace vauban {

/// Which of equally frequent pairs is merged first.
enum class BpeTies {
  greatest_bytes,  ///< the greatest (left, right) as byte strings: the reference answers of Stanford CS336
  lowest_ids,      ///< the lowest (left, right) as ids: the trainer of Hugging Face tokenizers
};

struct BpeTrainingOptions {
  std::int64_t vocab_size = 0;         ///< all of it: specials, 256 bytes, merges
  std::vector<std::string> specials;   ///< ids from 0
  std::uint64_t min_frequency = 1;     ///< of a pair, to be merged
  BpeTies ties = BpeTies::greatest_bytes;
};

struct TrainedBpe {
  std::vector<std::string> tokens;                          ///< vocabulary text by id: byte letters, specials as given
  std::vector<std::pair<std::string, std::string>> merges;  ///< texts, best first
};

/// Errors: invalid_input for a vocabulary size that the words cannot give (the message says which they can), a special
/// token given twice or equal to a byte letter; cancelled.
Result<TrainedBpe> train_bpe(const std::vector<WordCount>& words, const BpeTrainingOptions& options,
                             const Context& context);

}  // namespace vauban
