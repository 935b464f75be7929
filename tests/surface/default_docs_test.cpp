// What a reader meets first runs on the default backend alone.

#include "surface/default_docs.h"

#include <gtest/gtest.h>

#include "app/options.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

const std::string kDefault = CommonOptions{}.backend;

std::vector<std::string> found_in(std::string_view text, bool markdown) {
  std::vector<std::string> out;
  for (const ForeignNeed& need : foreign_needs(text, "cpu", markdown))
    out.push_back(std::to_string(need.line) + " " + need.found);
  return out;
}

TEST(DefaultDocs, NeedOnlyTheDefaultBackend) {
  const auto files = default_facing_files();
  EXPECT_GT(files.size(), 15u) << "README, pages, examples, suites, the recipe";
  for (const auto& path : files)
    for (const ForeignNeed& need : foreign_needs(read_text(path), kDefault, path.extension() == ".md"))
      ADD_FAILURE() << path.string() << ":" << need.line << " asks for '" << need.found << "', and the default is "
                    << kDefault << ": say that it is optional, or move it to a page about backends";
}

TEST(DefaultDocs, ThePagesAboutBackendsAreTheOnlyOnesLeftOut) {
  EXPECT_EQ(std::vector<std::string>(pages_about_backends().begin(), pages_about_backends().end()),
            (std::vector<std::string>{"docs/adding-a-backend.md", "docs/torch.md", "docs/torch_surface_matrix.md"}));
}

TEST(DefaultDocs, ANeedIsFoundInPagesAndInToml) {
  EXPECT_EQ(found_in("# Use\n\n```\nvauban trace M --backend torch\n```\n", true),
            (std::vector<std::string>{"4 --backend torch"}));
  EXPECT_EQ(found_in("# For the torch backend.\n[common]\nbackend = \"torch\"\n", false),
            (std::vector<std::string>{"3 backend = \"torch"}));
  EXPECT_EQ(found_in("vauban run a.toml --backend=torch", true).size(), 1u);
  EXPECT_EQ(found_in("device = \"cuda\"", false).size(), 1u);
  EXPECT_EQ(found_in("vauban generate M --device mps", true).size(), 1u);
  EXPECT_EQ(found_in("model = \"mlx-community/Qwen-4bit\"", false).size(), 1u);
}

TEST(DefaultDocs, TheDefaultAndSynopsesAreNoNeed) {
  EXPECT_EQ(found_in("--backend cpu --device cpu:0, --backend NAME, `--backend`, a backend that computes", true),
            std::vector<std::string>());
  EXPECT_EQ(found_in("backend = \"cpu\"", false), std::vector<std::string>());
}

TEST(DefaultDocs, WhatIsCalledOptionalIsExcusedAndNothingAfterIt) {
  EXPECT_EQ(
      found_in("## Optional: LibTorch\n\nvauban trace M --backend torch\n\n## Use\n\nvauban trace M --backend torch\n",
               true),
      (std::vector<std::string>{"7 --backend torch"}));
  EXPECT_EQ(found_in("# optional, where LibTorch is installed\nbackend = \"torch\"\n\nbackend = \"torch\"\n", false),
            (std::vector<std::string>{"4 backend = \"torch"}))
      << "in TOML a comment speaks of the next line alone";
}

}  // namespace
}  // namespace vauban::test
