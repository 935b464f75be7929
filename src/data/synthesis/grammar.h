/// Grammar: what a dialogue generator may say. Read from TOML, checked as a whole, then immutable.
///
/// Wordings and slot values marked `heldout` are for evaluation: the training split never draws them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/synthesis/phrase.h"

namespace vauban {

struct Slot {
  std::vector<Phrase> values, heldout;
};
using Slots = std::map<std::string, Slot, std::less<>>;

struct FactsTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;       ///< as many cells as columns
  std::size_t column(std::string_view name) const;  ///< columns.size() when there is none
};

/// Answers by style; "" is the ordinary one.
using StyledAnswers = std::map<std::string, std::vector<Phrase>, std::less<>>;

struct Category {
  std::string name, role, expected_behavior;
  double weight = 1.0;
  StyledAnswers answers;
};

struct Intent {
  std::string id;
  std::size_t category = 0;  ///< index
  double weight = 1.0;
  std::vector<Phrase> wordings, heldout;
  StyledAnswers answers;
  Slots slots;
  std::vector<Phrase> then_user, then_answers;
};

struct Style {
  std::vector<Phrase> before;
  std::vector<std::string> categories;  ///< empty: all
};

struct Conversation {
  std::vector<Phrase> systems, before, after;
  double system_share = 0, before_share = 0, after_share = 0, casual_share = 0, follow_up_share = 0, turns_share = 0;
  int max_turns = 1;
};

struct Grammar {
  std::string name, version, description;
  Conversation conversation;
  Slots slots;
  std::map<std::string, FactsTable, std::less<>> tables;
  std::map<std::string, Style, std::less<>> styles;
  std::vector<Category> categories;
  std::vector<Intent> intents;
  std::string digest;  ///< SHA-256 over the files, in the order of reading

  /// The slot of the intent, else the grammar's; nullptr when there is none.
  const Slot* find_slot(const Intent* intent, std::string_view slot_name) const;
  /// nullptr when `style` puts nothing in this intent's words: then the ordinary answers hold, after style.before.
  const std::vector<Phrase>* answers_of(const Intent& intent, std::string_view style) const;
  bool style_applies(std::string_view style, const Intent& intent) const;
};

/// Errors, with file, line and column: those of read_toml; an unknown slot, table, column, category or style; a name
/// given twice; a wording given twice, or both for training and held out; a slot that contains itself; a row with too
/// few or too many cells; an intent without answers.
Result<Grammar> load_grammar(const std::filesystem::path& path);
/// A text that includes nothing.
Result<Grammar> parse_grammar(std::string_view toml, std::string_view file_name);

}  // namespace vauban
