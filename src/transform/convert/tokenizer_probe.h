/// Do two tokenizers give the same ids? Asked of every tokenizer that a conversion writes, before anything is written:
/// broken tokenizers are silent (model-files.md section 4).
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace vauban {

/// Short texts that tell tokenizers apart: runs of spaces and digits, contractions, scripts, emoji, control characters.
const std::vector<std::string>& probe_texts();

/// Empty when `made` gives the ids of `source` for every probe text, and for texts made of the vocabulary's own tokens;
/// else what differs first.
Result<std::string> first_difference(const Tokenizer& source, const Tokenizer& made);

/// The same for special tokens that a text spells and that are read as such (the flags of a token, lstrip and the like, have no
/// place in some formats).
Result<std::string> first_special_difference(const Tokenizer& source, const Tokenizer& made);

}  // namespace vauban
