#include "data/synthesis/grammar.h"

#include <algorithm>

#include "base/config/reader.h"
#include "base/config/toml.h"
#include "base/files.h"
#include "base/sha256.h"
#include "data/synthesis/grammar_builder.h"

namespace vauban {
namespace {

struct GrammarFile {
  std::string name, text;
};

Result<Grammar> build(const std::vector<GrammarFile>& files) {
  GrammarBuilder builder;
  Sha256 digest;
  for (const GrammarFile& file : files) {
    digest.update(file.text);
    VB_TRY(GrammarSpec spec, read_toml<GrammarSpec>(file.text, file.name));
    VB_TRY(ConfigNode document, parse_toml(file.text, file.name));
    builder.add_file(file.name, std::move(spec), std::move(document));
  }
  VB_TRY(Grammar grammar, builder.finish());
  grammar.digest = digest.finish_hex();
  return grammar;
}

}  // namespace

std::size_t FactsTable::column(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::find(columns, name) - columns.begin());
}

const Slot* Grammar::find_slot(const Intent* intent, std::string_view slot_name) const {
  if (intent)
    if (const auto own = intent->slots.find(slot_name); own != intent->slots.end()) return &own->second;
  const auto found = slots.find(slot_name);
  return found == slots.end() ? nullptr : &found->second;
}

const std::vector<Phrase>* Grammar::answers_of(const Intent& intent, std::string_view style) const {
  for (const StyledAnswers* answers : {&intent.answers, &categories[intent.category].answers})
    if (const auto found = answers->find(style); found != answers->end()) return &found->second;
  return nullptr;
}

bool Grammar::style_applies(std::string_view style, const Intent& intent) const {
  const auto found = styles.find(style);
  if (found == styles.end()) return false;
  const auto& names = found->second.categories;
  return names.empty() || std::ranges::find(names, categories[intent.category].name) != names.end();
}

Result<Grammar> parse_grammar(std::string_view toml, std::string_view file_name) {
  VB_TRY(const GrammarSpec spec, read_toml<GrammarSpec>(toml, file_name));
  if (!spec.include.empty()) return invalid_input("{}: a text without a folder cannot include files", file_name);
  return build({{std::string(file_name), std::string(toml)}});
}

Result<Grammar> load_grammar(const std::filesystem::path& path) {
  std::vector<GrammarFile> files{{path.string(), ""}};
  VB_TRY(files[0].text, read_file(path, kMaxTomlBytes));
  VB_TRY(const GrammarSpec main, read_toml<GrammarSpec>(files[0].text, files[0].name));
  for (const std::string& name : main.include) {
    VB_TRY(std::string text, read_file(name, kMaxTomlBytes), "included by {}", path.string());
    VB_TRY(const GrammarSpec part, read_toml<GrammarSpec>(text, name));
    if (!part.include.empty()) return invalid_input("{}: an included file may not include others", name);
    files.push_back({name, std::move(text)});
  }
  return build(files);
}

}  // namespace vauban
