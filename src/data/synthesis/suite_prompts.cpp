#include "data/synthesis/suite_prompts.h"

#include <algorithm>
#include <set>

#include "base/config/dump.h"
#include "base/config/toml.h"
#include "base/strings.h"
#include "data/synthesis/synthesize.h"

namespace vauban {

void fields(SuitePromptSpec& c, FieldVisitor& f) {
  f("id", c.id, {.help = "unique name"});
  f("category", c.category, {.help = "group"});
  f("role", c.role, {.help = "what the category is for"});
  f("expected_behavior", c.expected_behavior, {.help = "what a good answer does"});
  f("family", c.family, {.help = "paraphrase cluster"});
  f("text", c.text, {.help = "what the model is asked"});
  f("reference", c.reference, {.help = "a right answer"});
}

namespace {

struct PromptSuite {
  std::vector<SuitePromptSpec> prompts;
};

void fields(PromptSuite& c, FieldVisitor& f) { f("prompts", c.prompts, {.help = "the prompts"}); }

/// How often a wording of one intent is drawn anew before the intent counts as used up.
constexpr std::uint64_t kAttempts = 200;

class PromptDrawer {
 public:
  PromptDrawer(const Grammar& grammar, std::uint64_t seed)
      : grammar_(grammar), options_{.seed = seed, .split = WordingSplit::heldout, .plain = true} {}

  /// False when the intent gave nothing new.
  bool draw(std::size_t intent, std::vector<SuitePromptSpec>& out) {
    for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
      const Dialogue dialogue = synthesize_one(grammar_, intent, options_, next_stream_++);
      const std::string& text = dialogue.messages.front().content;
      if (!seen_.insert(text).second) continue;
      out.push_back(spec(intent, text, dialogue.messages.back().content));
      return true;
    }
    return false;
  }

 private:
  SuitePromptSpec spec(std::size_t index, const std::string& text, const std::string& answer) {
    const Intent& intent = grammar_.intents[index];
    const Category& category = grammar_.categories[intent.category];
    return {.id = format("{}-{}", intent.id, ++numbers_[index]),
            .category = category.name,
            .role = category.role,
            .expected_behavior = category.expected_behavior,
            .family = intent.id,
            .text = text,
            .reference = answer};
  }

  const Grammar& grammar_;
  SynthesisOptions options_;
  std::uint64_t next_stream_ = 0;
  std::set<std::string> seen_;
  std::map<std::size_t, int> numbers_;
};

/// Of a category, those with held-out wordings.
std::vector<std::size_t> intents_of(const Grammar& grammar, std::size_t category) {
  std::vector<std::size_t> intents;
  for (std::size_t i = 0; i < grammar.intents.size(); ++i)
    if (grammar.intents[i].category == category && !grammar.intents[i].heldout.empty()) intents.push_back(i);
  return intents;
}

}  // namespace

Result<std::vector<SuitePromptSpec>> suite_prompts(const Grammar& grammar, const SuitePromptOptions& options) {
  for (const std::string& name : options.only)
    if (std::ranges::find(grammar.categories, name, &Category::name) == grammar.categories.end())
      return not_found("the grammar has no category '{}'", printable(name));
  std::vector<SuitePromptSpec> prompts;
  PromptDrawer drawer(grammar, options.seed);
  for (std::size_t c = 0; c < grammar.categories.size(); ++c) {
    const std::string& name = grammar.categories[c].name;
    if (!options.only.empty() && std::ranges::find(options.only, name) == options.only.end()) continue;
    std::vector<std::size_t> intents = intents_of(grammar, c);
    const std::size_t wanted = prompts.size() + static_cast<std::size_t>(options.per_category);
    for (std::size_t turn = 0; prompts.size() < wanted; ++turn) {
      if (intents.empty())
        return invalid_input("category '{}' has fewer than {} different held-out wordings", name, options.per_category);
      const std::size_t at = turn % intents.size();
      if (!drawer.draw(intents[at], prompts)) intents.erase(intents.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  std::ranges::stable_sort(prompts, {},
                           [](const SuitePromptSpec& prompt) { return std::pair(prompt.category, prompt.family); });
  return prompts;
}

Result<std::string> suite_toml(std::string_view head, std::string_view head_name,
                               const std::vector<SuitePromptSpec>& prompts) {
  VB_TRY(ConfigNode document, parse_toml(head, head_name));
  auto* entries = std::get_if<ConfigNode::Table>(&document.value);
  const auto suite = std::ranges::find(*entries, "behavior_suite", &ConfigEntry::key);
  if (suite == entries->end() || !suite->value.table())
    return invalid_input("{}: expected a table [behavior_suite]", head_name);
  auto& suite_entries = std::get<ConfigNode::Table>(suite->value.value);
  if (std::ranges::find(suite_entries, "prompts", &ConfigEntry::key) != suite_entries.end())
    return invalid_input("{}: the head of a suite may not hold prompts of its own", head_name);
  ConfigNode made = detail::dump_node(detail::struct_ref(PromptSuite{prompts}));
  std::ranges::move(std::get<ConfigNode::Table>(made.value), std::back_inserter(suite_entries));
  return "# Made by `vauban data suite`: change the grammar or the head, not this file.\n" + toml_text(document);
}

}  // namespace vauban
