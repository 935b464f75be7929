// The list of models that a tokenizer.json may name.
#include <array>

#include "base/strings.h"
#include "text/fields.h"
#include "text/models/bpe.h"
#include "text/models/token_model.h"
#include "text/models/unigram.h"
#include "text/models/word_level.h"
#include "text/models/word_piece.h"

namespace vauban {
namespace {

struct Entry {
  std::string_view type;
  Result<std::unique_ptr<TokenModel>> (*make)(const Json& section);
};

constexpr std::array kModels = {
    Entry{"BPE", make_bpe},
    Entry{"Unigram", make_unigram},
    Entry{"WordPiece", make_word_piece},
    Entry{"WordLevel", make_word_level},
};

/// Old files leave the type out. The reference then takes the first model whose fields are there, in this order.
std::string_view type_by_fields(const Json& section) {
  if (section.find("merges")) return "BPE";
  if (section.find("max_input_chars_per_word")) return "WordPiece";
  const Json* const vocabulary = section.find("vocab");
  if (!vocabulary) return "";
  if (vocabulary->is_array()) return "Unigram";
  return section.find("unk_token") ? "WordLevel" : "";
}

}  // namespace

Result<std::unique_ptr<TokenModel>> make_model(const Json& section) {
  if (!section.is_object()) return corrupt("model: expected an object, found {}", section.type_name());
  VB_TRY(const std::string type, fields::string_or(section, "type", std::string(type_by_fields(section))));
  if (type.empty()) return corrupt("model: expected a 'type'");
  for (const Entry& entry : kModels)
    if (entry.type == type) return entry.make(section);
  std::string known;
  for (const Entry& entry : kModels) known += (known.empty() ? "" : ", ") + std::string(entry.type);
  return unsupported("tokenizer model '{}' is not built (built: {})", type, known);
}

Result<void> TokenModel::tokenize_bytes(std::string_view, std::vector<ModelToken>&) const {
  return unsupported("tokenizer model '{}' does not take bytes", kind());
}

Result<Vocabulary> read_vocabulary(const Json& section) {
  VB_TRY(const Json::Object* const entries, fields::object(section, "vocab"));
  std::vector<std::pair<std::string, std::int64_t>> list;
  list.reserve(entries->size());
  for (const auto& [text, id] : *entries) {
    if (!id.is_integer())
      return corrupt("vocabulary: '{}' has {} for an id, expected an integer", text, id.type_name());
    list.emplace_back(text, id.as_int());
  }
  return Vocabulary::from_entries(std::move(list));
}

}  // namespace vauban
