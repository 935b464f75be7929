#include "cli/workspace.h"

#include <fstream>

#include "base/json_file.h"
#include "base/strings.h"
#include "support/tiny_model.h"

namespace vauban::test {

namespace fs = std::filesystem;

Workspace::Workspace() {
  VB_EXPECT_OK(write_tiny_model(folder_ / "base"));
  VB_EXPECT_OK(write_tiny_model(folder_ / "changed", {.perturb = 0.5}));
  write("suite.toml", small_suite());
}

Outcome Workspace::audit(const std::string& base, const std::string& candidate, const std::string& out,
                         const std::vector<std::string>& more) const {
  std::vector<std::string> args{"audit", base, candidate, "--suite", "suite.toml", "--out", out, "--max-tokens", "12", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return run(args);
}

void Workspace::write(std::string_view name, std::string_view text) const { write_text(folder_ / name, text); }

std::string suite_toml(const std::vector<PromptLine>& prompts, const std::string& gates) {
  std::string text = "[behavior_suite]\nname = \"small\"\nversion = \"1\"\n" + gates;
  for (const PromptLine& prompt : prompts)
    text += format("[[behavior_suite.prompts]]\nid = \"{}\"\ncategory = \"{}\"\ntext = \"{}\"\n{}", prompt.id, prompt.category, prompt.text,
                   prompt.more);
  return text;
}

std::string small_suite(const std::string& gates) {
  std::vector<PromptLine> prompts;
  for (const char* name : {"Lily", "Tom", "Sue", "Ben", "Mia", "Max"}) {
    prompts.push_back({format("greeting-{}", name), "greeting", format("Once upon a time {} said", name), "role = \"benign\"\n"});
    prompts.push_back({format("ending-{}", name), "ending", format("In the end {} and the dog", name), ""});
  }
  return suite_toml(prompts, gates);
}

std::string gate(const std::string& id, const std::string& metric, const std::string& bound, double value, const std::string& on) {
  return format("[[behavior_suite.gates]]\nid = \"{}\"\nmetric = \"{}\"\nbound = \"{}\"\nvalue = {:.6f}\non = \"{}\"\n", id, metric, bound,
                value, on);
}

const Json& at(const Json& json, std::initializer_list<std::string_view> path) {
  static const Json null;
  const Json* value = &json;
  for (const std::string_view key : path) {
    value = value->find(key);
    if (!value) return null;
  }
  return *value;
}

const Json& delta_row(const Json& report, std::string_view metric, std::string_view category) {
  static const Json null;
  for (const Json& row : at(report, {"metric_deltas"}).items())
    if (at(row, {"name"}).as_string() == metric && at(row, {"category"}).as_string() == category) return row;
  ADD_FAILURE() << "no delta of " << metric << " in " << category;
  return null;
}

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.entries()) keys.push_back(key);
  return keys;
}

Json read_json(const fs::path& path) {
  const Result<Json> json = read_json_file(path);
  VB_EXPECT_OK(json);
  return json ? *json : Json();
}

void write_json(const fs::path& path, const Json& json) { VB_EXPECT_OK(write_json_file(path, json)); }

void edit_json(const fs::path& path, const std::function<void(Json&)>& edit) {
  Json json = read_json(path);
  edit(json);
  write_json(path, json);
}

void edit_lines(const fs::path& path, const std::function<bool(Json&)>& edit) {
  const std::string before = read_text(path);
  std::string text;
  for (const std::string_view line : split(before, '\n')) {
    if (line.empty()) continue;
    Result<Json> json = Json::parse(line);
    ASSERT_TRUE(json.has_value()) << line;
    if (edit(*json)) text += json->dump().value_or("") + "\n";
  }
  write_text(path, text);
}

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  EXPECT_TRUE(out.good()) << path;
}

std::map<std::string, std::string> files_below(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).generic_string()] = read_text(entry.path());
  return files;
}

Json stable_part(Json report) {
  Json kept = Json::object();
  for (const auto& [key, value] : report.entries())
    if (key != "run" && key != "timings" && key != "commands" && key != "reproducibility") kept[key] = value;
  return kept;
}

std::string stable_markdown(const std::string& markdown) { return markdown.substr(0, markdown.find("\n## Reproducibility\n")); }

}  // namespace vauban::test
