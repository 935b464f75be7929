/// The one declaration of a grammar file (docs: `vauban man data`): TOML reader and schema come from it.
#pragma once

#include <string>
#include <vector>

#include "base/config/fields.h"

namespace vauban {

struct SlotSpec {
  std::string name;
  std::vector<std::string> values, heldout;
};

struct TableSpec {
  std::string name;
  std::vector<std::string> columns, rows;  ///< cells of a row stand between '|'
};

struct StyleAnswersSpec {
  std::string style;
  std::vector<std::string> answers;
};

struct StyleSpec {
  std::string name;
  std::vector<std::string> before, categories;
};

struct CategorySpec {
  std::string name, role = "neutral", expected_behavior = "unknown";
  double weight = 1.0;
  std::vector<std::string> answers;
  std::vector<StyleAnswersSpec> styles;
};

struct IntentSpec {
  std::string id, category;
  double weight = 1.0;
  std::vector<std::string> wordings, heldout, answers;
  std::vector<StyleAnswersSpec> styles;
  std::vector<SlotSpec> slots;
  std::vector<std::string> then_user, then_answers;
};

struct ConversationSpec {
  std::vector<std::string> systems, before, after;
  double system_share = 0, before_share = 0, after_share = 0, casual_share = 0, follow_up_share = 0, turns_share = 0;
  int max_turns = 1;
};

struct GrammarSpec {
  std::string name, version, description;
  std::vector<std::string> include;
  ConversationSpec conversation;
  std::vector<SlotSpec> slots;
  std::vector<TableSpec> tables;
  std::vector<StyleSpec> styles;
  std::vector<CategorySpec> categories;
  std::vector<IntentSpec> intents;
};

inline void fields(SlotSpec& c, FieldVisitor& f) {
  f("name", c.name, {.help = "what stands between the braces", .required = true});
  f("values", c.values, {.help = "what may be filled in", .required = true});
  f("heldout", c.heldout, {.help = "what is filled in where held-out wordings are asked for; default: the values"});
}

inline void fields(TableSpec& c, FieldVisitor& f) {
  f("name", c.name, {.help = "used as {name.column}", .required = true});
  f("columns", c.columns, {.help = "names of the columns", .required = true});
  f("rows", c.rows, {.help = "one text per row, cells between '|'", .required = true});
}

inline void fields(StyleAnswersSpec& c, FieldVisitor& f) {
  f("style", c.style, {.help = "name of a style", .required = true});
  f("answers", c.answers, {.help = "what is answered in that style", .required = true});
}

inline void fields(StyleSpec& c, FieldVisitor& f) {
  f("name", c.name, {.help = "value of --style", .required = true});
  f("before", c.before,
    {.help = "openers put before the ordinary answers; without them every intent needs answers of its own"});
  f("categories", c.categories, {.help = "categories with another wording in this style; default: all"});
}

inline void fields(CategorySpec& c, FieldVisitor& f) {
  f("name", c.name, {.help = "name of the category", .required = true});
  f("role", c.role,
    {.help = "what it is for", .choices = {"benign", "boundary", "ambiguous", "capability", "neutral"}});
  f("expected_behavior", c.expected_behavior,
    {.help = "what its answers do",
     .choices = {"refuse", "comply", "express_uncertainty", "ask_clarifying_question", "defer", "unknown"}});
  f("weight", c.weight, {.help = "share of the dialogues, relative to the other categories", .min = 0});
  f("answers", c.answers, {.help = "for intents without answers of their own"});
  f("styles", c.styles, {.help = "the same in other styles"});
}

inline void fields(IntentSpec& c, FieldVisitor& f) {
  f("id", c.id, {.help = "unique name; also the paraphrase family", .required = true});
  f("category", c.category, {.help = "name of a category", .required = true});
  f("weight", c.weight, {.help = "share within its category", .min = 0});
  f("wordings", c.wordings, {.help = "what a user may say", .required = true});
  f("heldout", c.heldout, {.help = "wordings that no training dialogue contains"});
  f("answers", c.answers, {.help = "what is answered; default: the category's"});
  f("styles", c.styles, {.help = "the same in other styles"});
  f("slots", c.slots, {.help = "slots of this intent only"});
  f("then_user", c.then_user, {.help = "what the user may say to the answer"});
  f("then_answers", c.then_answers, {.help = "and what is answered to that"});
}

inline void fields(ConversationSpec& c, FieldVisitor& f) {
  f("systems", c.systems, {.help = "system prompts"});
  f("before", c.before, {.help = "put before a user's wording"});
  f("after", c.after, {.help = "put behind a user's wording"});
  f("system_share", c.system_share, {.help = "share of dialogues with a system prompt", .min = 0, .max = 1});
  f("before_share", c.before_share, {.help = "share of wordings with something before", .min = 0, .max = 1});
  f("after_share", c.after_share, {.help = "share of wordings with something behind", .min = 0, .max = 1});
  f("casual_share", c.casual_share, {.help = "share of wordings without capital and final mark", .min = 0, .max = 1});
  f("follow_up_share", c.follow_up_share,
    {.help = "how often a follow-up is asked where an intent has one", .min = 0, .max = 1});
  f("turns_share", c.turns_share, {.help = "share of dialogues that go on with another intent", .min = 0, .max = 1});
  f("max_turns", c.max_turns, {.help = "most intents in one dialogue", .min = 1, .max = 16});
}

inline void fields(GrammarSpec& c, FieldVisitor& f) {
  f("name", c.name, {.help = "name of the grammar"});
  f("version", c.version, {.help = "changes when a wording changes"});
  f("description", c.description, {.help = "what the dialogues are about"});
  f("include", c.include, {.help = "further files; they may not include others", .file = true});
  f("conversation", c.conversation, {.help = "how dialogues are put together"});
  f("slots", c.slots, {.help = "slots of all intents"});
  f("tables", c.tables, {.help = "facts"});
  f("styles", c.styles, {.help = "other ways to answer"});
  f("categories", c.categories, {.help = "groups of intents"});
  f("intents", c.intents, {.help = "what may be asked, and the answers"});
}

}  // namespace vauban
