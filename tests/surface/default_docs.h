/// What a reader meets first must run on the default backend: no page, example, suite or recipe asks for another one,
/// but in a part that says it is optional.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vauban::test {

struct ForeignNeed {
  int line = 0;
  std::string found;  ///< "--backend torch"
};

/// Lines of `text` that ask for a backend other than `backend`, for a device other than its own (`cpu`), or for MLX.
/// Excused: lines that say "optional" themselves or in the line above; in Markdown also every line below a heading that
/// does, up to the next heading.
std::vector<ForeignNeed> foreign_needs(std::string_view text, std::string_view backend, bool markdown);

/// README, the pages of docs/ but those that describe other backends, examples, suites, the recipe of the embedded
/// model.
std::vector<std::filesystem::path> default_facing_files();
/// The pages that are about other backends: relative to the project.
std::span<const std::string_view> pages_about_backends();

}  // namespace vauban::test
