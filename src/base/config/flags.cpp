#include "base/config/flags.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "base/config/field_text.h"
#include "base/config/leaf.h"
#include "base/strings.h"

namespace vauban {
namespace {

bool on_command_line(const BoundField& field) {
  if (!field.leaf()) return false;
  const LeafShape shape = leaf_info(*field.leaf()).shape;
  return shape == LeafShape::scalar || shape == LeafShape::list;
}

bool is_bool(const BoundField& field) { return leaf_info(*field.leaf()).kind == ScalarKind::boolean; }
bool is_list(const BoundField& field) { return leaf_info(*field.leaf()).shape == LeafShape::list; }

std::string dashed(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string negated(std::string_view flag) {
  return "--no-" + std::string(flag.substr(flag.find_first_not_of('-')));
}

/// A field and the raw words that were given for it.
struct Slot {
  const BoundField* field;
  CLI::Option* option;
};

CLI::Option* add_option(CLI::App& app, const BoundField& field) {
  if (field.spec.positional) return app.add_option(field.name)->expected(is_list(field) ? -1 : 1);
  std::vector<std::string> names = flag_spellings(field);
  if (is_bool(field)) {
    for (std::string& name : names)
      if (name.starts_with("--no-")) name.insert(0, "!");  // CLI11's mark of a negation
    return app.add_flag(join(names, ","));
  }
  CLI::Option* option = app.add_option(join(names, ","));
  return option->expected(1)->allow_extra_args(false);
}

std::vector<std::string> known_flags(const std::vector<BoundField>& fields) {
  std::vector<std::string> known{"--help"};
  for (const BoundField& field : fields)
    for (std::string& name : flag_spellings(field)) known.push_back(std::move(name));
  return known;
}

Error refused_word(const std::string& word, bool bare, const std::vector<BoundField>& fields, const FlagStyle& style) {
  const std::string help = format("see {} --help", style.program);
  if (bare || !word.starts_with('-'))
    return with_hint(invalid_input("{}: unexpected argument '{}'", style.program, printable(word)), help);
  const std::string flag = word.substr(0, word.find('='));
  const std::string near = did_you_mean(printable(flag, 60), known_flags(fields));
  return with_hint(invalid_input("{}: unknown flag '{}'", style.program, printable(flag)),
                   near.empty() ? help : format("did you mean '{}'?", near));
}

/// CLI11 gives back the words that it could not place, the "--" mark too; after the mark every word is a bare argument.
Result<void> check_rest(const std::vector<std::string>& rest, const std::vector<BoundField>& fields,
                        const FlagStyle& style) {
  if (rest.empty()) return ok();
  const bool bare = rest.front() == "--";
  if (bare && rest.size() == 1) return ok();
  return refused_word(rest[bare ? 1 : 0], bare, fields, style);
}

/// CLI11 reads `--name=` as a flag whose value is the next word; here the value is the empty text. The order is
/// reversed, since CLI11 takes the words from the back.
std::vector<std::string> words_for_parser(std::span<const std::string> args, const std::vector<BoundField>& fields) {
  const std::vector<std::string> known = known_flags(fields);
  std::vector<std::string> words;
  bool bare = false;
  for (const std::string& arg : args) {
    bare = bare || arg == "--";
    const std::string flag = arg.ends_with('=') ? arg.substr(0, arg.size() - 1) : "";
    const bool split_here = !bare && flag.starts_with("--") && std::ranges::find(known, flag) != known.end();
    words.push_back(split_here ? flag : arg);
    if (split_here) words.emplace_back();
  }
  std::ranges::reverse(words);
  return words;
}

/// Splits at commas; `\,` stands for a comma.
std::vector<std::string> list_items(std::string_view word) {
  std::vector<std::string> items(1);
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && i + 1 < word.size() && word[i + 1] == ',')
      items.back() += word[++i];
    else if (word[i] == ',')
      items.emplace_back();
    else
      items.back() += word[i];
  }
  return items;
}

/// The word as the node that a config file would hold. What does not parse stays a string, which the leaf refuses.
ConfigNode word_node(const std::string& word, ScalarKind kind) {
  if (kind == ScalarKind::boolean && (word == "true" || word == "false")) return {word == "true", {}};
  if (kind == ScalarKind::integer) {
    if (const Result<std::int64_t> value = parse_int(word)) return {*value, {}};
  }
  if (kind == ScalarKind::number) {
    if (const Result<double> value = parse_double(word)) return {*value, {}};
  }
  return {word, {}};
}

ConfigNode words_node(const std::vector<std::string>& words, const LeafInfo& info, bool positional) {
  if (info.shape == LeafShape::scalar) return word_node(words.back(), info.kind);
  ConfigNode::Array items;
  for (const std::string& word : words)
    for (const std::string& item : positional ? std::vector{word} : list_items(word))
      items.push_back(word_node(item, info.kind));
  return {std::move(items), {}};
}

std::string shown_name(const BoundField& field) {
  return field.spec.positional ? "argument '" + metavar_of(field) + "'" : "flag '" + flag_of(field) + "'";
}

Result<void> assign(const Slot& slot, const std::vector<std::string>& words, const FlagStyle& style) {
  const BoundField& field = *slot.field;
  const LeafInfo info = leaf_info(*field.leaf());
  if (info.shape == LeafShape::scalar && words.size() > 1)
    return invalid_input("{}: {} is given {} times", style.program, shown_name(field), words.size());
  if (!field.spec.file && !std::ranges::all_of(words, [](const std::string& word) { return is_valid_utf8(word); }))
    return invalid_input("{}: {}: expected UTF-8 text", style.program, shown_name(field));
  if (field.spec.file && std::ranges::find(words, "") != words.end())  // it would mean the working folder
    return with_hint(invalid_input("{}: {}: expected a path, found an empty word", style.program, shown_name(field)),
                     field.spec.help);
  const auto fault = assign_leaf(*field.leaf(), words_node(words, info, field.spec.positional), field.spec);
  if (!fault) return ok();
  return with_hint(invalid_input("{}: {}{}: {}", style.program, shown_name(field), fault->where, fault->message),
                   fault->hint);
}

class FlagParser {
 public:
  FlagParser(const StructRef& target, const FlagStyle& style) : fields_(fields_of(target)), style_(style) {}

  Result<ParsedFlags> parse(std::span<const std::string> args) {
    try {
      declare();
      app_.parse(words_for_parser(args, fields_));
    } catch (const CLI::ParseError& error) {
      if (help_ && help_->count() > 0) return ParsedFlags{.help = true};
      return with_hint(invalid_input("{}: {}", style_.program, printable(error.what())),
                       format("see {} --help", style_.program));
    } catch (const std::exception& error) {
      return internal("{}: the flags contradict each other: {}", style_.program, error.what());
    }
    if (help_->count() > 0) return ParsedFlags{.help = true};
    VB_CHECK(check_rest(app_.remaining(), fields_, style_));
    return fill();
  }

 private:
  void declare() {
    app_.set_help_flag();
    app_.allow_extras();
    app_.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    help_ = app_.add_flag("--help,-h");
    for (const BoundField& field : fields_)
      if (on_command_line(field)) slots_.push_back({&field, add_option(app_, field)});
  }

  Result<ParsedFlags> fill() const {
    ParsedFlags parsed;
    for (const Slot& slot : slots_) {
      if (slot.option->count() > 0) {
        VB_CHECK(assign(slot, slot.option->results(), style_));
        parsed.given.push_back(slot.field->name);
      } else if (slot.field->spec.required && style_.check_required) {
        return missing(*slot.field);
      }
    }
    return parsed;
  }

  Error missing(const BoundField& field) const {
    return with_hint(invalid_input("{}: missing {}: {}", style_.program, shown_name(field), field.spec.help),
                     format("see {} --help", style_.program));
  }

  std::vector<BoundField> fields_;
  const FlagStyle& style_;
  CLI::App app_;
  CLI::Option* help_ = nullptr;
  std::vector<Slot> slots_;
};

}  // namespace

bool ParsedFlags::was_given(std::string_view name) const { return std::ranges::find(given, name) != given.end(); }

std::string flag_of(const BoundField& field) {
  if (!on_command_line(field) || field.spec.positional) return {};
  return field.spec.flag.empty() ? dashed(field.name) : field.spec.flag;
}

std::vector<std::string> flag_spellings(const BoundField& field) {
  const std::string flag = flag_of(field);
  if (flag.empty()) return {};
  std::vector<std::string> names{flag};
  if (field.spec.short_name) names.push_back(std::string{'-', field.spec.short_name});
  for (const std::string& alias : field.spec.aliases) names.push_back(dashed(alias));
  const std::size_t positive = is_bool(field) ? names.size() : 0;
  for (std::size_t i = 0; i < positive; ++i)
    if (names[i].starts_with("--")) names.push_back(negated(names[i]));
  return names;
}

namespace detail {

Result<ParsedFlags> parse_flags(const StructRef& target, std::span<const std::string> args, const FlagStyle& style) {
  return FlagParser(target, style).parse(args);
}

}  // namespace detail
}  // namespace vauban
