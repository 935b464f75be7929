/// train_unigram: a unigram language model over pieces (Kudo 2018, arXiv 1804.10959), as SentencePiece trains it.
///
/// Seeds (unigram_seed.h); then rounds of two EM steps (expected counts by forward-backward, probabilities with the
/// digamma correction of a Dirichlet prior that tends to zero) and one pruning: the pieces whose removal costs the text
/// the least likelihood go, a quarter of all at a time. Characters that cover the asked share of the text always stay.
/// Deterministic: sums are taken over fixed groups of words in a fixed order, whatever the number of threads.
#pragma once

#include "text/training/unigram_seed.h"

namespace vauban {

struct UnigramTrainingOptions {
  std::size_t n_pieces = 0;           ///< wanted, without special, user-defined and byte pieces
  double character_coverage = 0.9995;  ///< share of the text's characters that get a piece of their own
  double shrink = 0.75;               ///< kept by one pruning
  int em_steps = 2;                   ///< before each pruning
  SeedOptions seed;
};

/// Pieces by falling score, ties by text; exactly n_pieces.
/// Errors: invalid_input for a number of pieces that the words cannot give (the message says which they can); cancelled.
Result<UnigramPieces> train_unigram(const std::vector<WordCount>& words, const UnigramTrainingOptions& options,
                                    const Context& context);

}  // namespace vauban
