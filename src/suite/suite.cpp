#include "suite/suite.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/config/dump.h"
#include "base/config/reader.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "suite/suite_fields.h"

namespace vauban {
namespace {

template <class E>
struct Named {
  E value;
  std::string_view name;
};

constexpr std::array kRoles{Named<Role>{Role::benign, "benign"}, Named<Role>{Role::boundary, "boundary"},
                            Named<Role>{Role::ambiguous, "ambiguous"}, Named<Role>{Role::capability, "capability"},
                            Named<Role>{Role::neutral, "neutral"}};
constexpr std::array kRedactions{Named<Redaction>{Redaction::safe, "safe"}, Named<Redaction>{Redaction::redacted, "redacted"},
                                 Named<Redaction>{Redaction::omitted, "omitted"}};

template <class Table, class E>
std::string_view name_in(const Table& table, E value) {
  for (const auto& entry : table)
    if (entry.value == value) return entry.name;
  return "";
}

template <class E, class Table>
Result<E> value_in(const Table& table, std::string_view name, std::string_view what) {
  std::vector<std::string> names;
  for (const auto& entry : table) {
    if (entry.name == name) return entry.value;
    names.emplace_back(entry.name);
  }
  return with_hint(invalid_input("unknown {} '{}'", what, name), "one of: " + join(names, ", "));
}

std::string digest_and_length(const SuitePrompt& prompt) {
  Sha256 digest;
  std::size_t size_bytes = 0;
  const auto add = [&](const std::string& text) {
    digest.update(text);
    size_bytes += text.size();
  };
  add(prompt.text);
  add(prompt.system);
  for (const SuiteMessage& message : prompt.messages) add(message.content);
  return format("redacted: {} bytes, sha256 {}", size_bytes, digest.finish_hex());
}

void withhold(SuitePrompt& prompt) {
  prompt.text = prompt.redaction == "omitted" ? "omitted" : digest_and_length(prompt);
  prompt.messages.clear();
  prompt.system.clear();
  prompt.reference.clear();
  prompt.rubric.clear();
}

Result<void> check_prompt(const SuitePrompt& prompt) {
  if (trim(prompt.id).empty()) return invalid_input("a prompt has a blank id");
  if (!prompt.text.empty() && trim(prompt.text).empty()) return invalid_input("prompt '{}': the text is blank", prompt.id);
  if (prompt.text.empty() == prompt.messages.empty())
    return invalid_input("prompt '{}': expected exactly one of text and messages", prompt.id);
  return ok();
}

Result<void> check_roles(const Suite& suite) {
  std::map<std::string, std::string> roles;
  for (const SuitePrompt& prompt : suite.prompts) {
    if (prompt.role.empty()) continue;
    const auto [entry, fresh] = roles.emplace(prompt.category, prompt.role);
    if (!fresh && entry->second != prompt.role)
      return invalid_input("prompt '{}' gives category '{}' the role '{}', an earlier one said '{}'", prompt.id, prompt.category,
                           prompt.role, entry->second);
  }
  return ok();
}

Result<void> check_gates(const Suite& suite) {
  std::vector<std::string> categories = suite.categories();
  categories.insert(categories.begin(), "overall");
  std::set<std::string> ids;
  for (const SuiteGate& gate : suite.gates) {
    if (!ids.insert(gate.id).second) return invalid_input("two gates are called '{}'", gate.id);
    if (std::find(categories.begin(), categories.end(), gate.category) == categories.end())
      return with_hint(invalid_input("gate '{}': no prompt has the category '{}'", gate.id, gate.category),
                       "categories: " + join(categories, ", "));
    if (gate.on == "equivalence" && gate.value <= 0)
      return invalid_input("gate '{}': an equivalence margin must be above 0, found {}", gate.id, gate.value);
  }
  return ok();
}

Result<void> check_suite(const Suite& suite) {
  if (suite.prompts.empty()) return invalid_input("the suite has no prompts");
  std::set<std::string> ids;
  for (const SuitePrompt& prompt : suite.prompts) {
    VB_CHECK(check_prompt(prompt));
    if (!ids.insert(prompt.id).second) return invalid_input("two prompts are called '{}'", prompt.id);
  }
  VB_CHECK(check_roles(suite));
  return check_gates(suite);
}

}  // namespace

std::string_view to_string(Role role) { return name_in(kRoles, role); }
Result<Role> role_from(std::string_view name) { return value_in<Role>(kRoles, name, "role"); }
std::string_view to_string(Redaction redaction) { return name_in(kRedactions, redaction); }
Result<Redaction> redaction_from(std::string_view name) { return value_in<Redaction>(kRedactions, name, "redaction"); }
Redaction strictest(Redaction a, Redaction b) { return std::max(a, b); }

std::vector<std::string> Suite::categories() const {
  std::set<std::string> names;
  for (const SuitePrompt& prompt : prompts) names.insert(prompt.category);
  return {names.begin(), names.end()};
}

Role Suite::role_of(std::string_view category) const {
  for (const SuitePrompt& prompt : prompts)
    if (prompt.category == category && !prompt.role.empty()) return role_from(prompt.role).value_or(Role::neutral);
  return Role::neutral;
}

const SuitePrompt* Suite::find(std::string_view prompt_id) const {
  const auto found = std::find_if(prompts.begin(), prompts.end(), [&](const SuitePrompt& p) { return p.id == prompt_id; });
  return found == prompts.end() ? nullptr : &*found;
}

Result<Suite> parse_suite(std::string_view toml, std::string_view file_name) {
  VB_TRY(SuiteFile file, read_toml<SuiteFile>(toml, file_name));
  file.behavior_suite.digest = sha256_hex(toml);
  VB_CHECK(check_suite(file.behavior_suite), "in suite {}", file_name);
  return std::move(file.behavior_suite);
}

Result<std::string> storable_suite(std::string_view toml, std::string_view file_name) {
  SuiteFile file;
  VB_TRY(file.behavior_suite, parse_suite(toml, file_name));
  std::vector<SuitePrompt>& prompts = file.behavior_suite.prompts;
  const auto is_safe = [](const SuitePrompt& prompt) { return prompt.redaction == "safe"; };
  if (std::ranges::all_of(prompts, is_safe)) return std::string(toml);
  for (SuitePrompt& prompt : prompts)
    if (!is_safe(prompt)) withhold(prompt);
  return "# The suite of this run; texts that may not be stored are replaced.\n" + to_toml(file);
}

Result<Suite> load_suite(const std::filesystem::path& path) {
  VB_TRY(const std::string text, read_file(path));
  return parse_suite(text, path.string());
}

}  // namespace vauban
