#include "data/synthesis/grammar_builder.h"

#include <algorithm>
#include <set>

#include "base/strings.h"

namespace vauban {
namespace {

/// For phrases of slots and categories: their holes are checked for each intent that uses them, since its own slots may
/// fill them.
constexpr std::size_t kLater = static_cast<std::size_t>(-1);

/// What two wordings are compared by: letters and digits only, lower case.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80 || c == '{' || c == '}')
      out += c;
  return with_case(std::move(out), LetterCase::lower);
}

/// No text twice.
Result<void> check_distinct(const std::vector<std::string>& texts, const SourcePlace& place) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (!seen.insert(bare(texts[i])).second) return place[i].fault("'{}' is given twice", printable(texts[i]));
  return ok();
}

template <class Map>
std::string near_name(const Map& map, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [known, value] : map) names.push_back(known);
  const std::string near = did_you_mean(name, names);
  if (!near.empty()) return format("did you mean '{}'?", near);
  return names.empty() ? "" : "known: " + join(names, ", ");
}

}  // namespace

void GrammarBuilder::add_file(std::string name, GrammarSpec spec, ConfigNode document) {
  files_.push_back({std::move(name), std::move(spec), std::move(document)});
}

Result<Grammar> GrammarBuilder::finish() {
  for (const File& file : files_) VB_CHECK(add_names(file));
  for (const File& file : files_) VB_CHECK(add_intents(file));
  if (grammar_.intents.empty()) return files_.front().place().fault("the grammar has no intents");
  VB_CHECK(check_holes());
  VB_CHECK(check_held_out());
  VB_CHECK(check_styles());
  return std::move(grammar_);
}

Result<void> GrammarBuilder::add_names(const File& file) {
  const GrammarSpec& spec = file.spec;
  if (&file == &files_.front()) {
    grammar_.name = spec.name;
    grammar_.version = spec.version;
    grammar_.description = spec.description;
    VB_CHECK(add_conversation(spec.conversation, file.place()["conversation"]));
  } else {
    VB_CHECK(check_included(file));
  }
  VB_CHECK(add_slots(spec.slots, grammar_.slots, file.place()["slots"]));
  for (std::size_t i = 0; i < spec.tables.size(); ++i) VB_CHECK(add_table(spec.tables[i], file.place()["tables"][i]));
  for (std::size_t i = 0; i < spec.styles.size(); ++i) VB_CHECK(add_style(spec.styles[i], file.place()["styles"][i]));
  for (std::size_t i = 0; i < spec.categories.size(); ++i)
    VB_CHECK(add_category(spec.categories[i], file.place()["categories"][i]));
  return ok();
}

Result<void> GrammarBuilder::check_included(const File& file) const {
  for (const ConfigEntry& entry : *file.document.table())
    for (const char* key : {"name", "version", "description", "conversation"})
      if (entry.key == key)
        return SourcePlace(file.name, entry.value).fault("'{}' belongs into the file that includes this one", key);
  return ok();
}

Result<void> GrammarBuilder::add_intents(const File& file) {
  for (std::size_t i = 0; i < file.spec.intents.size(); ++i)
    VB_CHECK(add_intent(file.spec.intents[i], file.place()["intents"][i]));
  return ok();
}

Result<std::vector<Phrase>> GrammarBuilder::phrases(const std::vector<std::string>& texts, std::size_t scope,
                                                    const SourcePlace& place) {
  std::vector<Phrase> parsed;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto phrase = parse_phrase(texts[i]);
    if (!phrase) return with_hint(place[i].fault("{}", phrase.error().message), phrase.error().hint);
    if (scope != kLater) pending_.push_back({*phrase, scope, place[i]});
    parsed.push_back(*std::move(phrase));
  }
  return parsed;
}

Result<void> GrammarBuilder::add_slots(const std::vector<SlotSpec>& specs, Slots& slots, const SourcePlace& place) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const SlotSpec& spec = specs[i];
    if (spec.values.empty()) return place[i].fault("slot '{}' has no values", spec.name);
    VB_CHECK(check_distinct(spec.values, place[i]["values"]));
    VB_CHECK(check_distinct(spec.heldout, place[i]["heldout"]));
    Slot slot;
    VB_TRY(slot.values, phrases(spec.values, kLater, place[i]["values"]));
    VB_TRY(slot.heldout, phrases(spec.heldout, kLater, place[i]["heldout"]));
    if (!slots.emplace(spec.name, std::move(slot)).second) return place[i].fault("slot '{}' is given twice", spec.name);
  }
  return ok();
}

Result<void> GrammarBuilder::add_table(const TableSpec& spec, const SourcePlace& place) {
  FactsTable table{.columns = spec.columns};
  for (std::size_t i = 0; i < spec.rows.size(); ++i) {
    std::vector<std::string> cells;
    for (const std::string_view cell : split(spec.rows[i], '|')) cells.emplace_back(trim(cell));
    if (cells.size() != spec.columns.size())
      return place["rows"][i].fault("table '{}' has {} columns, this row {} cells", spec.name, spec.columns.size(),
                                    cells.size());
    table.rows.push_back(std::move(cells));
  }
  if (table.rows.empty()) return place.fault("table '{}' has no rows", spec.name);
  if (!grammar_.tables.emplace(spec.name, std::move(table)).second)
    return place.fault("table '{}' is given twice", spec.name);
  return ok();
}

Result<void> GrammarBuilder::add_style(const StyleSpec& spec, const SourcePlace& place) {
  Style style{.categories = spec.categories};
  VB_TRY(style.before, phrases(spec.before, 0, place["before"]));
  if (!grammar_.styles.emplace(spec.name, std::move(style)).second)
    return place.fault("style '{}' is given twice", spec.name);
  return ok();
}

Result<void> GrammarBuilder::add_answers(const std::vector<std::string>& plain,
                                         const std::vector<StyleAnswersSpec>& styled, StyledAnswers& out,
                                         std::size_t scope, const SourcePlace& place) {
  if (!plain.empty()) {
    VB_TRY(out[""], phrases(plain, scope, place["answers"]));
  }
  for (std::size_t i = 0; i < styled.size(); ++i) {
    const SourcePlace here = place["styles"][i];
    if (styled[i].answers.empty()) return here.fault("no answers in style '{}'", styled[i].style);
    VB_TRY(std::vector<Phrase> answers, phrases(styled[i].answers, scope, here["answers"]));
    if (!out.emplace(styled[i].style, std::move(answers)).second)
      return here.fault("style '{}' is given twice", styled[i].style);
  }
  return ok();
}

Result<void> GrammarBuilder::add_category(const CategorySpec& spec, const SourcePlace& place) {
  Category category{
      .name = spec.name, .role = spec.role, .expected_behavior = spec.expected_behavior, .weight = spec.weight};
  VB_CHECK(add_answers(spec.answers, spec.styles, category.answers, kLater, place));
  if (std::ranges::find(grammar_.categories, spec.name, &Category::name) != grammar_.categories.end())
    return place.fault("category '{}' is given twice", spec.name);
  grammar_.categories.push_back(std::move(category));
  return ok();
}

Result<void> GrammarBuilder::add_intent(const IntentSpec& spec, const SourcePlace& place) {
  const auto category = std::ranges::find(grammar_.categories, spec.category, &Category::name);
  if (category == grammar_.categories.end())
    return place["category"].fault("intent '{}': unknown category '{}'", spec.id, spec.category);
  if (std::ranges::find(grammar_.intents, spec.id, &Intent::id) != grammar_.intents.end())
    return place.fault("intent '{}' is given twice", spec.id);
  if (spec.wordings.empty()) return place.fault("intent '{}' has no wordings", spec.id);
  if (spec.then_user.empty() != spec.then_answers.empty())
    return place.fault("intent '{}': then_user and then_answers belong together", spec.id);
  VB_CHECK(check_distinct(spec.wordings, place["wordings"]));
  VB_CHECK(check_distinct(spec.heldout, place["heldout"]));
  Intent intent{.id = spec.id,
                .category = static_cast<std::size_t>(category - grammar_.categories.begin()),
                .weight = spec.weight};
  const std::size_t scope = grammar_.intents.size() + 1;
  VB_CHECK(add_slots(spec.slots, intent.slots, place["slots"]));
  VB_TRY(intent.wordings, phrases(spec.wordings, scope, place["wordings"]));
  VB_TRY(intent.heldout, phrases(spec.heldout, scope, place["heldout"]));
  VB_TRY(intent.then_user, phrases(spec.then_user, scope, place["then_user"]));
  VB_TRY(intent.then_answers, phrases(spec.then_answers, scope, place["then_answers"]));
  VB_CHECK(add_answers(spec.answers, spec.styles, intent.answers, scope, place));
  if (spec.answers.empty() && !category->answers.contains(""))
    return place.fault("intent '{}' has no answers, and neither has its category '{}'", spec.id, spec.category);
  grammar_.intents.push_back(std::move(intent));
  intent_places_.push_back(place);
  return ok();
}

Result<void> GrammarBuilder::add_conversation(const ConversationSpec& spec, const SourcePlace& place) {
  Conversation& out = grammar_.conversation;
  out = {.system_share = spec.system_share,
         .before_share = spec.before_share,
         .after_share = spec.after_share,
         .casual_share = spec.casual_share,
         .follow_up_share = spec.follow_up_share,
         .turns_share = spec.turns_share,
         .max_turns = spec.max_turns};
  VB_TRY(out.systems, phrases(spec.systems, 0, place["systems"]));
  VB_TRY(out.before, phrases(spec.before, 0, place["before"]));
  VB_TRY(out.after, phrases(spec.after, 0, place["after"]));
  for (const auto& [share, list, name] :
       {std::tuple{spec.system_share, &out.systems, "systems"}, std::tuple{spec.before_share, &out.before, "before"},
        std::tuple{spec.after_share, &out.after, "after"}})
    if (share > 0 && list->empty()) return place.fault("a share above 0 of '{}' needs some to choose from", name);
  return ok();
}

Result<void> GrammarBuilder::check_holes() const {
  for (const Pending& pending : pending_) {
    std::vector<std::string> path;
    VB_CHECK(check_phrase(pending.phrase, pending.scope ? &grammar_.intents[pending.scope - 1] : nullptr, path,
                          pending.place));
  }
  for (std::size_t i = 0; i < grammar_.intents.size(); ++i)
    VB_CHECK(check_category_answers(grammar_.intents[i], intent_places_[i]));
  return ok();
}

Result<void> GrammarBuilder::check_category_answers(const Intent& intent, const SourcePlace& place) const {
  const Category& category = grammar_.categories[intent.category];
  for (const auto& [style, answers] : category.answers) {
    if (intent.answers.contains(style)) continue;
    std::vector<std::string> path;
    for (const Phrase& answer : answers)
      VB_CHECK(check_phrase(answer, &intent, path, place), "in the answers of category '{}'", category.name);
  }
  return ok();
}

Result<void> GrammarBuilder::check_phrase(const Phrase& phrase, const Intent* intent, std::vector<std::string>& path,
                                          const SourcePlace& place) const {
  for (const PhrasePiece& piece : phrase.pieces) {
    if (!piece.is_hole) continue;
    if (!piece.column.empty()) {
      VB_CHECK(check_cell(piece, place));
      continue;
    }
    const Slot* slot = grammar_.find_slot(intent, piece.text);
    if (!slot)
      return with_hint(place.fault("unknown slot '{}' in '{}'", piece.text, printable(phrase.source)),
                       near_name(grammar_.slots, piece.text));
    if (std::ranges::find(path, piece.text) != path.end())
      return place.fault("slot '{}' contains itself: {} -> {}", piece.text, join(path, " -> "), piece.text);
    path.push_back(piece.text);
    for (const std::vector<Phrase>* values : {&slot->values, &slot->heldout})
      for (const Phrase& value : *values) VB_CHECK(check_phrase(value, intent, path, place));
    path.pop_back();
  }
  return ok();
}

Result<void> GrammarBuilder::check_cell(const PhrasePiece& piece, const SourcePlace& place) const {
  VB_TRY(const TableReference reference, parse_table_reference(piece.text));
  const auto table = grammar_.tables.find(reference.table);
  if (table == grammar_.tables.end())
    return with_hint(place.fault("unknown table '{}'", reference.table), near_name(grammar_.tables, reference.table));
  if (table->second.column(piece.column) == table->second.columns.size())
    return with_hint(place.fault("table '{}' has no column '{}'", reference.table, piece.column),
                     "columns: " + join(table->second.columns, ", "));
  if (static_cast<std::size_t>(reference.number) > table->second.rows.size())
    return place.fault("'{}' asks for {} different rows, the table has {}", piece.text, reference.number,
                       table->second.rows.size());
  return ok();
}

bool GrammarBuilder::differs_when_held_out(const Phrase& phrase, const Intent* intent) const {
  return std::ranges::any_of(phrase.pieces, [&](const PhrasePiece& piece) {
    const Slot* slot = piece.is_hole && piece.column.empty() ? grammar_.find_slot(intent, piece.text) : nullptr;
    if (!slot) return false;
    if (!slot->heldout.empty()) return true;
    return std::ranges::all_of(slot->values, [&](const Phrase& value) { return differs_when_held_out(value, intent); });
  });
}

Result<void> GrammarBuilder::check_held_out(const std::vector<Phrase>& training, const std::vector<Phrase>& heldout,
                                            const Intent* intent, const SourcePlace& place) const {
  std::set<std::string> seen;
  for (const Phrase& phrase : training) seen.insert(bare(phrase.source));
  for (std::size_t i = 0; i < heldout.size(); ++i)
    if (seen.contains(bare(heldout[i].source)) && !differs_when_held_out(heldout[i], intent))
      return place[i].fault("'{}' is held out, but training draws it too", printable(heldout[i].source));
  return ok();
}

Result<void> GrammarBuilder::check_held_out() const {
  const SourcePlace top = files_.front().place();
  for (const auto& [name, slot] : grammar_.slots)
    VB_CHECK(check_held_out(slot.values, slot.heldout, nullptr, top), "in slot '{}'", name);
  for (std::size_t i = 0; i < grammar_.intents.size(); ++i) {
    const Intent& intent = grammar_.intents[i];
    VB_CHECK(check_held_out(intent.wordings, intent.heldout, &intent, intent_places_[i]["heldout"]), "in intent '{}'",
             intent.id);
    for (const auto& [name, slot] : intent.slots)
      VB_CHECK(check_held_out(slot.values, slot.heldout, &intent, intent_places_[i]["slots"]),
               "in slot '{}' of intent '{}'", name, intent.id);
  }
  return ok();
}

Result<void> GrammarBuilder::check_styles() const {
  const auto check_known = [&](const StyledAnswers& answers, const SourcePlace& place) -> Result<void> {
    for (const auto& [style, phrases] : answers)
      if (!style.empty() && !grammar_.styles.contains(style))
        return with_hint(place.fault("unknown style '{}'", style), near_name(grammar_.styles, style));
    return ok();
  };
  for (const Category& category : grammar_.categories) VB_CHECK(check_known(category.answers, files_.front().place()));
  for (std::size_t i = 0; i < grammar_.intents.size(); ++i) {
    const Intent& intent = grammar_.intents[i];
    VB_CHECK(check_known(intent.answers, intent_places_[i]));
    for (const auto& [name, style] : grammar_.styles)
      if (style.before.empty() && grammar_.style_applies(name, intent) && !grammar_.answers_of(intent, name))
        return intent_places_[i].fault("intent '{}' has no answers in style '{}', and the style has no openers",
                                       intent.id, name);
  }
  return ok();
}

}  // namespace vauban
