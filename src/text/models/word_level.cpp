#include "text/models/word_level.h"

#include "base/strings.h"
#include "text/fields.h"

namespace vauban {

Result<void> WordLevel::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  const auto word = vocabulary_.find(piece);
  const auto id = word ? word : unknown_;
  if (!id)
    return invalid_input("the vocabulary has no '{}' and no unknown token '{}'", printable(piece.substr(0, 100)),
                         unknown_text_);
  out.push_back({*id, 0, piece.size()});
  return ok();
}

Result<std::unique_ptr<TokenModel>> make_word_level(const Json& section) {
  VB_TRY(Vocabulary vocabulary, read_vocabulary(section));
  VB_TRY(std::string unknown, fields::string(section, "unk_token"));
  return std::make_unique<WordLevel>(std::move(vocabulary), std::move(unknown));
}

}  // namespace vauban
