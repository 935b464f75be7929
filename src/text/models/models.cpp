// The list of models that a tokenizer.json may name.
#include <array>

#include "base/strings.h"
#include "text/fields.h"
#include "text/models/bpe.h"
#include "text/models/token_model.h"
#include "text/models/unigram.h"

namespace vauban {
namespace {

struct Entry {
  std::string_view type;
  Result<std::unique_ptr<TokenModel>> (*make)(const Json& section);
};

constexpr std::array kModels = {
    Entry{"BPE", make_bpe},
    Entry{"Unigram", make_unigram},
};

}  // namespace

Result<std::unique_ptr<TokenModel>> make_model(const Json& section) {
  if (!section.is_object()) return corrupt("model: expected an object, found {}", section.type_name());
  // Old files leave the type out; a list of merges tells a BPE.
  const std::string fallback = section.find("merges") ? "BPE" : "";
  VB_TRY(const std::string type, fields::string_or(section, "type", fallback));
  if (type.empty()) return corrupt("model: expected a 'type'");
  for (const Entry& entry : kModels)
    if (entry.type == type) return entry.make(section);
  return unsupported("tokenizer model '{}' is not built (built: BPE, Unigram)", type);
}

}  // namespace vauban
