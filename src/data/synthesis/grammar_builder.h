/// GrammarBuilder: the files of a grammar -> one checked Grammar. Private to grammar.cpp.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/node.h"
#include "data/synthesis/grammar.h"
#include "data/synthesis/grammar_file.h"
#include "data/synthesis/source_place.h"

namespace vauban {

class GrammarBuilder {
 public:
  void add_file(std::string name, GrammarSpec spec, ConfigNode document);
  /// All names are known only once every file was added.
  Result<Grammar> finish();

 private:
  struct File {
    std::string name;
    GrammarSpec spec;
    ConfigNode document;
    SourcePlace place() const { return {name, document}; }
  };
  /// A phrase whose holes are still to be checked, in the scope of an intent (index + 1; 0: the grammar's own).
  struct Pending {
    Phrase phrase;
    std::size_t scope;
    SourcePlace place;
  };

  Result<void> add_names(const File& file);
  Result<void> check_included(const File& file) const;
  Result<void> add_intents(const File& file);
  Result<void> add_table(const TableSpec& spec, const SourcePlace& place);
  Result<void> add_style(const StyleSpec& spec, const SourcePlace& place);
  Result<void> add_category(const CategorySpec& spec, const SourcePlace& place);
  Result<void> add_intent(const IntentSpec& spec, const SourcePlace& place);
  Result<void> add_conversation(const ConversationSpec& spec, const SourcePlace& place);
  Result<void> add_slots(const std::vector<SlotSpec>& specs, Slots& slots, const SourcePlace& place);
  Result<std::vector<Phrase>> phrases(const std::vector<std::string>& texts, std::size_t scope,
                                      const SourcePlace& place);
  Result<void> add_answers(const std::vector<std::string>& plain, const std::vector<StyleAnswersSpec>& styled,
                           StyledAnswers& out, std::size_t scope, const SourcePlace& place);

  Result<void> check_holes() const;
  Result<void> check_category_answers(const Intent& intent, const SourcePlace& place) const;
  Result<void> check_cell(const PhrasePiece& piece, const SourcePlace& place) const;
  /// A held-out phrase may equal a training one only where its slots have held-out values.
  Result<void> check_held_out() const;
  Result<void> check_held_out(const std::vector<Phrase>& training, const std::vector<Phrase>& heldout,
                              const Intent* intent, const SourcePlace& place) const;
  bool differs_when_held_out(const Phrase& phrase, const Intent* intent) const;
  Result<void> check_styles() const;
  /// The holes, also those of the values that fill them. `path`: the slots on the way.
  Result<void> check_phrase(const Phrase& phrase, const Intent* intent, std::vector<std::string>& path,
                            const SourcePlace& place) const;

  std::deque<File> files_;
  std::vector<Pending> pending_;
  std::vector<SourcePlace> intent_places_;
  Grammar grammar_;
};

}  // namespace vauban
