#include "text/models/word_piece.h"

#include <algorithm>

#include "base/strings.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace vauban {

WordPiece::WordPiece(Vocabulary vocabulary, WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)), unknown_(vocabulary_.find(options_.unknown)) {
  for (std::int32_t id = 0; id < vocabulary_.size(); ++id)
    if (const std::string* text = vocabulary_.text(id)) longest_bytes_ = std::max(longest_bytes_, text->size());
}

ModelToken WordPiece::longest(std::string_view word, std::size_t begin, std::string& buffer) const {
  buffer = begin > 0 ? options_.prefix : std::string();
  const std::size_t prefix = buffer.size();
  buffer += word.substr(begin, longest_bytes_);
  std::size_t size = buffer.size();
  // A stretch that was cut off inside a character is shortened to whole characters first.
  while (size > prefix && begin + size - prefix < word.size() && is_continuation_byte(word[begin + size - prefix]))
    --size;
  while (size > prefix) {
    if (const auto id = vocabulary_.find(std::string_view(buffer).substr(0, size)))
      return {*id, begin, begin + size - prefix};
    do --size;
    while (size > prefix && is_continuation_byte(buffer[size]));
  }
  return {-1, begin, begin};
}

Result<void> WordPiece::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  const std::size_t before = out.size();
  std::string buffer;
  std::size_t at = 0;
  if (piece.size() <= options_.max_characters || count_code_points(piece) <= options_.max_characters) {
    while (at < piece.size()) {
      const ModelToken token = longest(piece, at, buffer);
      if (token.id < 0) break;
      out.push_back(token);
      at = token.end;
    }
  }
  if (at == piece.size()) return ok();
  out.resize(before);
  if (!unknown_)
    return invalid_input("'{}' has no tokens, and the vocabulary has no unknown token '{}'",
                         printable(piece.substr(0, 100)), options_.unknown);
  out.push_back({*unknown_, 0, piece.size()});
  return ok();
}

Result<std::unique_ptr<TokenModel>> make_word_piece(const Json& section) {
  VB_TRY(Vocabulary vocabulary, read_vocabulary(section));
  WordPieceOptions options;
  VB_TRY(options.unknown, fields::string(section, "unk_token"));
  VB_TRY(options.prefix, fields::string(section, "continuing_subword_prefix"));
  VB_TRY(const std::int64_t most, fields::integer(section, "max_input_chars_per_word", 0, INT64_MAX));
  options.max_characters = static_cast<std::size_t>(most);
  return std::make_unique<WordPiece>(std::move(vocabulary), std::move(options));
}

}  // namespace vauban
