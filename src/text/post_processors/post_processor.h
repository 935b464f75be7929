/// PostProcessor: what is done to the tokens of a whole text: special tokens put around it, offsets trimmed.
///
/// To add one: one file with a `make_...` function declared here, one line in post_processors.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/inputs/input_rules.h"
#include "text/tokenizer.h"

namespace vauban {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  /// What stands around one text, or around two; null: nothing, and the tokens of a second text have type 1.
  virtual const Frame* single() const { return nullptr; }
  virtual const Frame* pair() const { return nullptr; }
  /// Narrows offsets so that they leave out the white space of a token. `text` is the input.
  virtual void trim(Encoding&, std::string_view /*text*/) const {}
};

/// `section`: the "post_processor" of a tokenizer.json, not null. Errors: corrupt, or unsupported by name.
Result<std::unique_ptr<PostProcessor>> make_post_processor(const Json& section);

Result<std::unique_ptr<PostProcessor>> make_sequence_post_processor(const Json& section);
Result<std::unique_ptr<PostProcessor>> make_byte_level_post_processor(const Json& section);
Result<std::unique_ptr<PostProcessor>> make_template_processing(const Json& section);
Result<std::unique_ptr<PostProcessor>> make_roberta_processing(const Json& section);
Result<std::unique_ptr<PostProcessor>> make_bert_processing(const Json& section);

/// Trims byte-level spaces off every token's offsets; with `keep_first`, the first token keeps a leading one that the
/// pre-tokeniser may have put there.
void trim_byte_level(Encoding& encoding, std::string_view text, bool keep_first);

}  // namespace vauban
