// The list of pre-tokenisers that a tokenizer.json may name.
#include <array>

#include "text/component_list.h"
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban {
namespace {

constexpr std::array kPreTokenizers = {
    ComponentEntry<PreTokenizer>{"Sequence", make_sequence_pre_tokenizer},
    ComponentEntry<PreTokenizer>{"ByteLevel", make_byte_level_pre_tokenizer},
    ComponentEntry<PreTokenizer>{"Split", make_split},
    ComponentEntry<PreTokenizer>{"Metaspace", make_metaspace_pre_tokenizer},
    ComponentEntry<PreTokenizer>{"Digits", make_digits},
    ComponentEntry<PreTokenizer>{"Punctuation", make_punctuation},
    ComponentEntry<PreTokenizer>{"Whitespace", make_whitespace},
    ComponentEntry<PreTokenizer>{"WhitespaceSplit", make_whitespace_split},
    ComponentEntry<PreTokenizer>{"BertPreTokenizer", make_bert_pre_tokenizer},
    ComponentEntry<PreTokenizer>{"CharDelimiterSplit", make_char_delimiter_split},
    ComponentEntry<PreTokenizer>{"FixedLength", make_fixed_length},
    ComponentEntry<PreTokenizer>{"UnicodeScripts", make_unicode_scripts},
};

struct NamedBehavior {
  std::string_view name;
  SplitBehavior behavior;
};
constexpr std::array kBehaviors = {
    NamedBehavior{"Removed", SplitBehavior::removed},
    NamedBehavior{"Isolated", SplitBehavior::isolated},
    NamedBehavior{"MergedWithPrevious", SplitBehavior::merged_with_previous},
    NamedBehavior{"MergedWithNext", SplitBehavior::merged_with_next},
    NamedBehavior{"Contiguous", SplitBehavior::contiguous},
};

class Sequence final : public PreTokenizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<PreTokenizer>> members) : members_(std::move(members)) {}
  Result<void> apply(Segments& segments) const override {
    for (const auto& member : members_) VB_CHECK(member->apply(segments));
    return ok();
  }
  bool ends_in_letters() const override { return !members_.empty() && members_.back()->ends_in_letters(); }
  Result<void> apply_but_letters(Segments& segments) const override {
    for (const auto& member : members_)
      VB_CHECK(member == members_.back() ? member->apply_but_letters(segments) : member->apply(segments));
    return ok();
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> members_;
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer(const Json& section) {
  return make_component<PreTokenizer>(kPreTokenizers, section, "pre-tokenizer");
}

Result<std::unique_ptr<PreTokenizer>> make_sequence_pre_tokenizer(const Json& section) {
  VB_TRY(auto members, make_members<PreTokenizer>(kPreTokenizers, section, "pretokenizers", "pre-tokenizer"));
  return std::make_unique<Sequence>(std::move(members));
}

Result<SplitBehavior> read_behavior(const Json& section, std::optional<SplitBehavior> fallback) {
  if (fallback && !fields::present(section, "behavior")) return *fallback;
  VB_TRY(const std::string name, fields::string(section, "behavior"));
  for (const NamedBehavior& entry : kBehaviors)
    if (entry.name == name) return entry.behavior;
  return corrupt(
      "key 'behavior': expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, found '{}'", name);
}

Result<void> split_at_characters(Segments& segments, SplitBehavior behavior, bool (*matches)(char32_t)) {
  return split_pieces(segments, behavior, [&](std::string_view text) -> Result<std::vector<SplitPart>> {
    std::vector<ByteRange> found;
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint c = code_point_at(text, at);
      if (matches(c.value)) found.push_back({at, at + c.size});
      at += c.size;
    }
    return parts_of(found, text.size());
  });
}

}  // namespace vauban
