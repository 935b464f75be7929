#include "surface/default_docs.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>
#include <sstream>

#include "support/test_data.h"

namespace vauban::test {
namespace {

constexpr std::array<std::string_view, 3> kAboutBackends{"docs/adding-a-backend.md", "docs/torch.md",
                                                         "docs/torch_surface_matrix.md"};

bool says_optional(std::string line) {
  std::ranges::transform(line, line.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return line.find("optional") != std::string::npos;
}

/// Asks for something other than what is allowed; "" if not.
std::string foreign_part(const std::string& line, std::string_view backend) {
  // A word, as a flag's value or a TOML value; NAME and B in a synopsis are not words of this form.
  static const std::regex backends(R"re((?:--backend[ =]+|\bbackend\s*=\s*)["']?([a-z][a-z0-9_]*))re");
  static const std::regex devices(R"re((?:--device[ =]+|\bdevice\s*=\s*)["']?([a-z][a-z0-9_]*))re");
  static const std::regex mlx(R"re(\bmlx[-_](?:community|lm)\b|\bimport mlx\b|["']mlx["'])re");
  for (std::sregex_iterator it(line.begin(), line.end(), backends), end; it != end; ++it)
    if ((*it)[1].str() != backend) return it->str();
  for (std::sregex_iterator it(line.begin(), line.end(), devices), end; it != end; ++it)
    if ((*it)[1].str() != "cpu") return it->str();
  std::smatch match;
  return std::regex_search(line, match, mlx) ? match.str() : "";
}

void add_files(std::vector<std::filesystem::path>& out, const std::string& folder,
               std::initializer_list<const char*> endings) {
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / folder)) {
    const auto is = [&](const char* ending) { return entry.path().extension() == ending; };
    if (entry.is_regular_file() && std::ranges::any_of(endings, is)) out.push_back(entry.path());
  }
}

}  // namespace

std::vector<ForeignNeed> foreign_needs(std::string_view text, std::string_view backend, bool markdown) {
  std::vector<ForeignNeed> out;
  std::istringstream lines{std::string(text)};
  std::string line, above;
  bool optional_part = false, in_code = false;
  for (int number = 1; std::getline(lines, line); above = line, ++number) {
    if (line.starts_with("```")) in_code = !in_code;
    if (markdown && !in_code && line.starts_with('#')) optional_part = says_optional(line);
    const std::string found = foreign_part(line, backend);
    if (!found.empty() && !optional_part && !says_optional(line) && !says_optional(above))
      out.push_back({number, found});
  }
  return out;
}

std::span<const std::string_view> pages_about_backends() { return kAboutBackends; }

std::vector<std::filesystem::path> default_facing_files() {
  std::vector<std::filesystem::path> out{source_dir() / "README.md"};
  add_files(out, "docs", {".md"});
  add_files(out, "examples", {".toml"});
  add_files(out, "suites", {".toml"});
  add_files(out, "models/garrison", {".toml", ".md", ""});
  std::erase_if(out, [](const std::filesystem::path& path) {
    const std::string relative = std::filesystem::relative(path, source_dir()).string();
    return std::ranges::find(kAboutBackends, relative) != kAboutBackends.end();
  });
  std::ranges::sort(out);
  return out;
}

}  // namespace vauban::test
