// A file field may also hold a name that the program knows: config files keep it, unless there is a file of that name.
#include <fstream>
#include <gtest/gtest.h>

#include "base/config/dump.h"
#include "base/config/reader.h"
#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

bool is_clerk(std::string_view value) { return value == "clerk"; }

struct Named {
  std::string model, other;
};
void fields(Named& c, FieldVisitor& f) {
  f("model", c.model, {.help = "a model", .file = true, .is_name = is_clerk});
  f("other", c.other, {.help = "a file", .file = true});
}

struct NamedText {
  std::string text;
};
void fields(NamedText& c, FieldVisitor& f) { f("text", c.text, {.help = "no file", .is_name = is_clerk}); }

Result<Named> read(const test::TempDir& folder, const std::string& text) {
  std::ofstream(folder / "a.toml") << text;
  return read_toml_file<Named>(folder / "a.toml");
}

TEST(ConfigNamedFiles, ANameStaysWhereAnotherFieldWouldBecomeAPath) {
  const test::TempDir folder;
  const auto config = read(folder, "model = 'clerk'\nother = 'clerk'\n");
  VB_ASSERT_OK(config);
  EXPECT_EQ(config->model, "clerk");
  EXPECT_EQ(config->other, (folder / "clerk").string());
  EXPECT_EQ(read(folder, "model = 'clerks'\n")->model, (folder / "clerks").string());
}

TEST(ConfigNamedFiles, AFileOfThatNameWins) {
  const test::TempDir folder;
  std::ofstream(folder / "clerk") << "a file";
  EXPECT_EQ(read(folder, "model = 'clerk'\n")->model, (folder / "clerk").string());
}

TEST(ConfigNamedFiles, ADumpForAnotherFolderReadsBackAsTheSame) {
  const test::TempDir folder;
  const std::string text = to_toml(Named{.model = "clerk", .other = "clerk"}, folder.path());
  const auto config = read(folder, text);
  VB_ASSERT_OK(config);
  EXPECT_EQ(config->model, "clerk") << text;
  EXPECT_EQ(config->other, std::filesystem::absolute("clerk").string()) << text;
}

struct Needed {
  std::string model, other;
  std::optional<std::string> out;
};
void fields(Needed& c, FieldVisitor& f) {
  f("model", c.model, {.help = "a model", .required = true, .file = true});
  f("other", c.other, {.help = "a file, or none", .file = true});
  f("out", c.out, {.help = "a folder", .file = true});
}

TEST(ConfigNamedFiles, AnEmptyPathIsNoPathWhereOneIsNeededOrGiven) {
  for (const std::string text : {"model = ''\n", "model = 'm'\nout = ''\n"}) {
    const auto config = read_toml<Needed>(text, "a.toml");
    ASSERT_FALSE(config) << text;
    EXPECT_NE(config.error().message.find("expected a path"), std::string::npos) << config.error().message;
  }
  VB_EXPECT_OK(read_toml<Needed>("model = 'm'\nother = ''\n", "a.toml"));
}

TEST(ConfigNamedFiles, OnlyAFileCanBeNamed) {
  VB_EXPECT_OK(check_declaration<Named>());
  EXPECT_FALSE(check_declaration<NamedText>());
}

}  // namespace
}  // namespace vauban
