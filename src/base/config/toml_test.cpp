#include "base/config/toml.h"

#include <gtest/gtest.h>

#include <random>

#include "base/config/config_test_structs.h"
#include "base/config/reader.h"
#include "base/config/toml_scan.h"

namespace vauban {
namespace {

std::string repeated(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

Error error_of(std::string_view text) {
  const auto node = parse_toml(text, "t.toml");
  return node ? Error{ErrorCode::internal, "accepted", {}, {}} : node.error();
}

TEST(Toml, KeepsPositionsAndTheOrderOfTheSource) {
  const auto node = parse_toml("z = 1\n[b]\nk = 'é'\n\"é\" = { x = [true, 2] }\n[a]\n", "t.toml");
  ASSERT_TRUE(node);
  const ConfigNode::Table& root = *node->table();
  ASSERT_EQ(root.size(), 3U);
  EXPECT_EQ(root[0].key, "z");
  EXPECT_EQ(root[0].value.pos, (SourcePos{1, 5}));
  EXPECT_EQ(root[1].key, "b");
  EXPECT_EQ(root[2].key, "a");
  const ConfigEntry& accented = (*root[1].value.table())[1];
  EXPECT_EQ(accented.key_pos, (SourcePos{4, 1}));
  EXPECT_EQ((*accented.value.table())[0].value.array()->at(1).pos, (SourcePos{4, 20})) << "columns are code points";
}

TEST(Toml, SaysWhereTheSyntaxIsWrong) {
  const Error error = error_of("a = 1\nb = \n");
  EXPECT_EQ(error.code, ErrorCode::invalid_input);
  EXPECT_TRUE(error.message.starts_with("t.toml:2:5: not valid TOML: ")) << error.message;
}

TEST(Toml, RefusesBytesThatAreNotUtf8) {
  for (const std::string_view bad : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
    const Error error = error_of("ok = 1\nx = '" + std::string(bad) + "'\n");
    EXPECT_EQ(error.code, ErrorCode::invalid_input);
    EXPECT_TRUE(error.message.starts_with("t.toml:2:")) << error.message;
  }
}

TEST(Toml, RefusesAHugeFile) {
  const Error error = error_of(std::string(kMaxTomlBytes + 1, '#'));
  EXPECT_EQ(error.code, ErrorCode::resource);
}

TEST(Toml, RefusesDeepNestingInEveryForm) {
  for (const std::string& deep :
       {"x = " + repeated("[", 100000), "x = " + repeated("{a=", 100000), repeated("a.", 1000000) + "a = 1",
        "[" + repeated("a.", 1000000) + "a]", "x = " + repeated("[", 65) + repeated("]", 65),
        "x = { " + repeated("a.", 64) + "a = 1 }"}) {
    const Error error = error_of(deep);
    EXPECT_EQ(error.code, ErrorCode::resource) << deep.substr(0, 40);
    EXPECT_TRUE(error.message.starts_with("t.toml:1:")) << error.message;
  }
  EXPECT_TRUE(parse_toml("x = " + repeated("[", 64) + repeated("]", 64), "t.toml"));
  EXPECT_TRUE(parse_toml(repeated("a.", 63) + "a = 1", "t.toml"));
}

TEST(Toml, RefusesMoreTablesThanTheParserCanLookUpQuickly) {
  std::string headers, dotted;
  for (int i = 0; i <= kMaxTomlTables; ++i) {
    headers += format("[a.t{}]\n", i);
    dotted += format("t{}.x = 1\n", i);
  }
  EXPECT_EQ(error_of(headers).code, ErrorCode::resource);
  EXPECT_EQ(error_of(dotted).code, ErrorCode::resource);
}

TEST(Toml, TheScanIsNotFooledByTextInStringsAndComments) {
  const std::string brackets = repeated("[", 200), dots = repeated(".", 200);
  const std::string text = "a = \"" + brackets + dots + "\\\"" + brackets + "\"\n" +    //
                           "b = '" + brackets + dots + "\\'\n" +                        //
                           "c = \"\"\"\n" + brackets + "\n\"\"" + dots + "\\\"\"\"\"\"\"\n" +  //
                           "d = '''" + brackets + "\n''" + dots + "'''''\n" +            //
                           "# " + brackets + dots + "\n" + "e = [ # " + brackets + "\n 1.5,\n [2.5], [3.5]\n]\n";
  const auto node = parse_toml(text, "t.toml");
  ASSERT_TRUE(node) << describe(node.error());
  EXPECT_EQ(node->table()->size(), 5U);
}

TEST(Toml, AMatrixWithOneRowPerLineIsNotCountedAsTables) {
  std::string text = "m = [\n";
  for (int i = 0; i < kMaxTomlTables + 10; ++i) text += "[0.5, 1.5],\n";
  EXPECT_TRUE(scan_toml(text + "]\n", "t.toml"));
}

constexpr std::string_view kSeedDocument = R"(# comment
model = "m\n\u00e9"
max_tokens = 1_000
seed = -0
memory = 0b101
alpha = 6.5e-3
layers = [ 1, 2,
  3 ]
labels = { a = '''x''', "b" = """y""" }
extra = 1979-05-27T07:32:00Z
[sampling]
temperature = 0.5
[[prompts]]
id = "p"
text = 'q'
[[prompts]]
prompt_id = "p2"
text = """
two \
lines"""
sampling.top_k = 3
)";

/// Random edits of a document that reaches every construct: the answer may be anything, but there must be one.
TEST(Toml, RandomDamageNeverCrashesTheReader) {
  std::mt19937 random(20240611);
  constexpr std::string_view kBytes = "[]{}=.,\"'#\\\n\r\t 09aex_-+:\0\x7f\xc3\xa9\xff";
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text(kSeedDocument);
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
      const std::size_t at = below(text.size());
      const std::size_t kind = below(4);
      if (kind == 0) text[at] = kBytes[below(kBytes.size())];
      if (kind == 1) text.insert(at, 1, kBytes[below(kBytes.size())]);
      if (kind == 2) text.erase(at, 1 + below(20));
      if (kind == 3) text.insert(at, text.substr(below(text.size()), below(40)));
      if (text.empty()) text = "x";
    }
    const auto config = read_toml<config_test::Audit>(text, "r.toml");
    accepted += config.has_value();
    EXPECT_TRUE(config || config.error().message.starts_with("r.toml")) << describe(config.error());
  }
  EXPECT_LT(accepted, 4000);
}

TEST(Toml, RandomBytesNeverCrashTheReader) {
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text(random() % 64, ' ');
    for (char& c : text) c = static_cast<char>(random() % (round % 2 ? 256 : 128));
    const auto config = read_toml<config_test::Audit>(text, "r.toml");
    EXPECT_FALSE(config) << "no model is given";
  }
}

}  // namespace
}  // namespace vauban
