/// Ordinary texts on which a model is tried: a story in simple words, plain prose, source code, and conversations in the
/// model's own chat format where it has one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/model_source.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vauban {

struct ProbeText {
  std::string name, text;
  bool has_specials = false;  ///< the text brings its BOS and the like itself
  /// What is to be predicted: what the assistant says, since chat models are seldom trained on questions. Empty: all.
  std::vector<TextSpan> scored;
};
/// The longest beginning of at most `max_bytes` that ends at a character of a UTF-8 text: a tokenizer refuses half of one.
std::string_view utf8_beginning(std::string_view text, std::size_t max_bytes);
std::vector<ProbeText> probe_texts(const ModelSource& source, const Tokenizer* tokenizer);

}  // namespace vauban
