/// seed_pieces: where unigram training starts: every character, and the substrings of words that cover most of the text.
///
/// A suffix array over the distinct words, sorted as deep as a piece may be long, gives the substrings that occur in
/// more than one place and are not always followed by the same character; each counts with the frequency of its words,
/// and ranks by frequency times length (Kudo 2018, arXiv 1804.10959, section 3.2). Whole words are candidates too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "text/training/word_counts.h"

namespace vauban {

struct SeedOptions {
  std::size_t max_pieces = 1'000'000;
  std::size_t max_characters = 16;  ///< of a piece
  bool split_by_script = true;      ///< see character_class.h
};

struct UnigramPieces {
  std::vector<std::string> texts;
  std::vector<double> scores;  ///< log probabilities
  std::size_t size() const { return texts.size(); }
};

/// `words`: valid UTF-8, cut at white space; U+2581 only in front. Errors: resource above 2^32 characters; cancelled.
Result<UnigramPieces> seed_pieces(const std::vector<WordCount>& words, const SeedOptions& options, const Context& context);

}  // namespace vauban
