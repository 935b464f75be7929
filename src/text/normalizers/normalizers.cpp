// The list of normalisers that a tokenizer.json may name.
#include <array>

#include "text/component_list.h"
#include "text/normalizers/normalizer.h"

namespace vauban {
namespace {

constexpr std::array kNormalizers = {
    ComponentEntry<Normalizer>{"Sequence", make_sequence_normalizer},
    ComponentEntry<Normalizer>{"NFC", make_nfc},
    ComponentEntry<Normalizer>{"NFD", make_nfd},
    ComponentEntry<Normalizer>{"NFKC", make_nfkc},
    ComponentEntry<Normalizer>{"NFKD", make_nfkd},
    ComponentEntry<Normalizer>{"Lowercase", make_lowercase},
    ComponentEntry<Normalizer>{"Strip", make_strip},
    ComponentEntry<Normalizer>{"StripAccents", make_strip_accents},
    ComponentEntry<Normalizer>{"Prepend", make_prepend},
    ComponentEntry<Normalizer>{"Replace", make_replace},
    ComponentEntry<Normalizer>{"ByteLevel", make_byte_level_normalizer},
    ComponentEntry<Normalizer>{"Nmt", make_nmt},
    ComponentEntry<Normalizer>{"BertNormalizer", make_bert_normalizer},
    ComponentEntry<Normalizer>{"Precompiled", make_precompiled},
};

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Normalizer>> members) : members_(std::move(members)) {}
  Result<void> apply(AlignedText& text) const override {
    for (const auto& member : members_) VB_CHECK(member->apply(text));
    return ok();
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> members_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_normalizer(const Json& section) {
  return make_component<Normalizer>(kNormalizers, section, "normalizer");
}

Result<std::unique_ptr<Normalizer>> make_sequence_normalizer(const Json& section) {
  VB_TRY(auto members, make_members<Normalizer>(kNormalizers, section, "normalizers", "normalizer"));
  return std::make_unique<Sequence>(std::move(members));
}

}  // namespace vauban
