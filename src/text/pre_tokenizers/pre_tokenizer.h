/// PreTokenizer: cuts normalised text into the pieces that the model sees one by one, and may rewrite them.
///
/// To add one: one file with a `make_...` function declared here, one line in pre_tokenizers.cpp.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "text/segments.h"

namespace vauban {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Errors: resource when a regular expression needs too many steps.
  virtual Result<void> apply(Segments& segments) const = 0;
  /// Whether the last thing that apply() does is to write every byte as its letter.
  virtual bool ends_in_letters() const { return false; }
  /// apply() without that last step, for a model that takes bytes; the same as apply() where there is none.
  virtual Result<void> apply_but_letters(Segments& segments) const { return apply(segments); }
};

/// `section`: the "pre_tokenizer" of a tokenizer.json, not null. Errors: corrupt, or unsupported by name.
Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer(const Json& section);

Result<std::unique_ptr<PreTokenizer>> make_sequence_pre_tokenizer(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_byte_level_pre_tokenizer(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_split(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_metaspace_pre_tokenizer(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_digits(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_punctuation(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_whitespace(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_whitespace_split(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_bert_pre_tokenizer(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_char_delimiter_split(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_fixed_length(const Json& section);
Result<std::unique_ptr<PreTokenizer>> make_unicode_scripts(const Json& section);

/// Not of a tokenizer.json: cuts with `patterns` in turn, each what the last one left, then writes bytes as letters.
Result<std::unique_ptr<PreTokenizer>> make_pattern_pre_tokenizer(std::span<const std::string_view> patterns);

/// The member "behavior", or `fallback` when it is absent and there is one.
Result<SplitBehavior> read_behavior(const Json& section, std::optional<SplitBehavior> fallback = std::nullopt);

/// Cuts at characters for which `matches` holds; every such character is a match of its own.
Result<void> split_at_characters(Segments& segments, SplitBehavior behavior, bool (*matches)(char32_t));

/// For rewrite_pieces: appends the piece with every byte as its letter of the byte alphabet.
void write_byte_letters(const Segments& segments, const Piece& piece, AlignedText& out);

}  // namespace vauban
