/// A folder with two tiny models (`base`, and `changed`: the same with a known change), and what tests do in it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/program.h"

namespace vauban::test {

class Workspace {
 public:
  Workspace();
  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }

  /// The program in this folder, so that arguments can be relative.
  Outcome run(const std::vector<std::string>& args) const { return vauban(args, path()); }
  /// `audit BASE CANDIDATE --suite suite.toml --out OUT --max-tokens 12 --json` and `more`.
  Outcome audit(const std::string& base, const std::string& candidate, const std::string& out,
                const std::vector<std::string>& more = {}) const;
  void write(std::string_view name, std::string_view text) const;

 private:
  TempDir folder_;
};

struct PromptLine {
  std::string id, category, text, more;  ///< `more`: further TOML lines
};
std::string suite_toml(const std::vector<PromptLine>& prompts, const std::string& gates = "");
/// Twelve short prompts in two categories, one of them benign.
std::string small_suite(const std::string& gates = "");
std::string gate(const std::string& id, const std::string& metric, const std::string& bound, double value, const std::string& on);

/// A value inside nested objects; null where the path does not exist. A copy where the whole is a temporary.
const Json& at(const Json& json, std::initializer_list<std::string_view> path);
inline Json at(Json&& json, std::initializer_list<std::string_view> path) { return at(static_cast<const Json&>(json), path); }
/// The row of metric_deltas; a failure of the test when it is absent.
const Json& delta_row(const Json& report, std::string_view metric, std::string_view category = "overall");
inline Json delta_row(Json&& report, std::string_view metric, std::string_view category = "overall") {
  return delta_row(static_cast<const Json&>(report), metric, category);
}
std::vector<std::string> keys_of(const Json& object);

Json read_json(const std::filesystem::path& path);
void write_json(const std::filesystem::path& path, const Json& json);
void edit_json(const std::filesystem::path& path, const std::function<void(Json&)>& edit);
/// Every line of a JSONL file through `edit`; a line for which it returns false is left out.
void edit_lines(const std::filesystem::path& path, const std::function<bool(Json&)>& edit);
void write_text(const std::filesystem::path& path, std::string_view text);

/// Contents of every regular file below a folder, by relative path.
std::map<std::string, std::string> files_below(const std::filesystem::path& folder);

/// The keys of a report that may hold clock, host, path or random values taken out.
Json stable_part(Json report);
/// report.md without its section Reproducibility.
std::string stable_markdown(const std::string& markdown);

}  // namespace vauban::test
