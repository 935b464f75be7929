#include "data/synthesis/synthesize.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/strings.h"
#include "data/synthesis/expander.h"

namespace vauban {
namespace {

/// How often one dialogue is drawn anew before the grammar counts as exhausted.
constexpr std::uint64_t kAttempts = 256;

std::string casual(std::string text) {
  if (!text.empty()) text = with_case(text.substr(0, 1), LetterCase::lower) + text.substr(1);
  if (text.ends_with('.') || text.ends_with('?') || text.ends_with('!')) text.pop_back();
  return text;
}

class Composer {
 public:
  Composer(const Grammar& grammar, const SynthesisOptions& options) : grammar_(grammar), options_(options) {
    for (std::size_t i = 0; i < grammar.intents.size(); ++i)
      if (is_wanted(grammar.intents[i])) by_category_[grammar.intents[i].category].push_back(i);
  }
  bool has_intents() const { return !by_category_.empty(); }

  Dialogue dialogue(Rng& rng) const {
    Dialogue out;
    if (!options_.plain && rng.uniform() < grammar_.conversation.system_share) {
      Expander expander(grammar_, nullptr, options_.split, rng);
      out.messages.push_back({"system", expander.expand(expander.choose(grammar_.conversation.systems))});
    }
    for (int turn = 0;;) {
      out.intent = choose_intent(rng);
      add_exchange(out, rng);
      if (options_.plain || ++turn >= grammar_.conversation.max_turns ||
          rng.uniform() >= grammar_.conversation.turns_share)
        return out;
    }
  }

  void add_exchange(Dialogue& out, Rng& rng) const {
    const Intent& intent = grammar_.intents[out.intent];
    Expander expander(grammar_, &intent, options_.split, rng);
    const std::vector<Phrase>& wordings = options_.split == WordingSplit::heldout ? intent.heldout : intent.wordings;
    const std::string wording = expander.expand(expander.choose(wordings));
    out.messages.push_back({"user", options_.plain ? wording : dressed(wording, rng)});
    out.messages.push_back({"assistant", answer(intent, expander, rng)});
    if (options_.plain || intent.then_user.empty() || rng.uniform() >= grammar_.conversation.follow_up_share) return;
    out.messages.push_back({"user", expander.expand(expander.choose(intent.then_user))});
    out.messages.push_back({"assistant", expander.expand(expander.choose(intent.then_answers))});
  }

 private:
  bool is_wanted(const Intent& intent) const {
    const Category& category = grammar_.categories[intent.category];
    const bool named = options_.only.empty() || std::ranges::find(options_.only, category.name) != options_.only.end();
    const bool worded = options_.split == WordingSplit::train || !intent.heldout.empty();
    return named && worded && intent.weight > 0 && category.weight > 0;
  }

  /// An index of `weights`, with probability proportional to its value.
  static std::size_t weighted(const std::vector<double>& weights, Rng& rng) {
    double left = rng.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
      if (left < weights[i]) return i;
      left -= weights[i];
    }
    return weights.size() - 1;
  }

  std::size_t choose_intent(Rng& rng) const {
    std::vector<double> shares;
    for (const auto& [category, intents] : by_category_) shares.push_back(grammar_.categories[category].weight);
    const auto& intents = std::next(by_category_.begin(), static_cast<std::ptrdiff_t>(weighted(shares, rng)))->second;
    shares.clear();
    for (const std::size_t intent : intents) shares.push_back(grammar_.intents[intent].weight);
    return intents[weighted(shares, rng)];
  }

  std::string dressed(std::string wording, Rng& rng) const {
    const Conversation& conversation = grammar_.conversation;
    Expander expander(grammar_, nullptr, options_.split, rng);
    if (rng.uniform() < conversation.casual_share) return casual(std::move(wording));
    if (rng.uniform() < conversation.before_share)
      wording = expander.expand(expander.choose(conversation.before)) + wording;
    if (rng.uniform() < conversation.after_share) wording += expander.expand(expander.choose(conversation.after));
    return wording;
  }

  std::string answer(const Intent& intent, Expander& expander, Rng& rng) const {
    const bool styled = !options_.style.empty() && grammar_.style_applies(options_.style, intent);
    if (styled)
      if (const std::vector<Phrase>* own = grammar_.answers_of(intent, options_.style))
        return expander.expand(expander.choose(*own));
    std::string opener;
    if (styled) {
      Expander style_expander(grammar_, nullptr, options_.split, rng);
      opener = style_expander.expand(style_expander.choose(grammar_.styles.find(options_.style)->second.before));
    }
    return opener + expander.expand(expander.choose(*grammar_.answers_of(intent, "")));
  }

  const Grammar& grammar_;
  const SynthesisOptions& options_;
  std::map<std::size_t, std::vector<std::size_t>> by_category_;
};

std::string key_of(const Dialogue& dialogue) {
  std::string key;
  for (const DialogueMessage& message : dialogue.messages) key += message.role + '\x1f' + message.content + '\x1e';
  return key;
}

Result<void> check_options(const Grammar& grammar, const SynthesisOptions& options) {
  if (options.count < 1) return invalid_input("expected a count of at least 1, found {}", options.count);
  std::vector<std::string> names, styles;
  for (const Category& category : grammar.categories) names.push_back(category.name);
  for (const auto& [style, value] : grammar.styles) styles.push_back(style);
  for (const std::string& name : options.only)
    if (std::ranges::find(names, name) == names.end())
      return with_hint(not_found("the grammar has no category '{}'", printable(name)),
                       "categories: " + join(names, ", "));
  if (!options.style.empty() && !grammar.styles.contains(options.style))
    return with_hint(not_found("the grammar has no style '{}'", printable(options.style)),
                     "styles: " + join(styles, ", "));
  return ok();
}

}  // namespace

Dialogue synthesize_one(const Grammar& grammar, std::size_t intent, const SynthesisOptions& options,
                        std::uint64_t stream) {
  Dialogue out{.intent = intent};
  Rng rng(options.seed, stream);
  Composer(grammar, options).add_exchange(out, rng);
  return out;
}

Result<std::vector<Dialogue>> synthesize(const Grammar& grammar, const SynthesisOptions& options) {
  VB_CHECK(check_options(grammar, options));
  const Composer composer(grammar, options);
  if (!composer.has_intents()) return invalid_input("no intent of the chosen categories has wordings in this split");
  std::vector<Dialogue> dialogues;
  std::set<std::string> seen;
  for (std::int64_t i = 0; i < options.count; ++i) {
    bool found = false;
    for (std::uint64_t attempt = 0; attempt < kAttempts && !found; ++attempt) {
      Rng rng(options.seed, static_cast<std::uint64_t>(i) * kAttempts + attempt);
      Dialogue dialogue = composer.dialogue(rng);
      found = options.duplicates || seen.insert(key_of(dialogue)).second;
      if (found) dialogues.push_back(std::move(dialogue));
    }
    if (!found)
      return with_hint(invalid_input("the grammar gave no new dialogue after {}, {} were asked for", dialogues.size(),
                                     options.count),
                       "ask for fewer, or allow duplicates");
  }
  return dialogues;
}

Json to_json(const Dialogue& dialogue, const Grammar& grammar) {
  const Intent& intent = grammar.intents[dialogue.intent];
  const Category& category = grammar.categories[intent.category];
  Json messages = Json::array();
  for (const DialogueMessage& message : dialogue.messages)
    messages.push_back(Json::object({{"content", message.content}, {"role", message.role}}));
  return Json::object({{"messages", std::move(messages)},
                       {"metadata", Json::object({{"category", category.name},
                                                  {"expected_behavior", category.expected_behavior},
                                                  {"family", intent.id},
                                                  {"intent", intent.id}})}});
}

}  // namespace vauban
