#include "suite/suite.h"

#include <gtest/gtest.h>

#include "base/config/fields.h"
#include "suite/suite_fields.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr const char* kSmall = R"(
[behavior_suite]
name = "small"
version = "1"
[[behavior_suite.prompts]]
id = "a"
text = "Hello"
category = "greeting"
role = "benign"
[[behavior_suite.prompts]]
prompt_id = "b"
prompt = "Bye"
category = "parting"
[[behavior_suite.gates]]
id = "g"
metric = "refusal_rate"
category = "greeting"
value = 0.02
)";

std::string error_of(const std::string& toml) {
  const auto suite = parse_suite(toml, "s.toml");
  return suite ? "" : describe(suite.error());
}

TEST(Suite, DeclarationIsConsistent) { VB_EXPECT_OK(check_declaration<SuiteFile>()); }

TEST(Suite, ReadsPromptsAliasesRolesAndGates) {
  const auto suite = parse_suite(kSmall, "s.toml");
  VB_ASSERT_OK(suite);
  ASSERT_EQ(suite->prompts.size(), 2u);
  EXPECT_EQ(suite->prompts[1].text, "Bye");
  EXPECT_EQ(suite->categories(), (std::vector<std::string>{"greeting", "parting"}));
  EXPECT_EQ(suite->role_of("greeting"), Role::benign);
  EXPECT_EQ(suite->role_of("parting"), Role::neutral);
  EXPECT_EQ(suite->gates[0].on, "interval");
  EXPECT_EQ(suite->digest.size(), 64u);
}

TEST(Suite, DigestChangesWithOneByte) {
  const auto a = parse_suite(kSmall, "s.toml"), b = parse_suite(std::string(kSmall) + "\n", "s.toml");
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_NE(a->digest, b->digest);
}

TEST(Suite, RefusesDuplicateIds) {
  const std::string twice = std::string(kSmall) + "[[behavior_suite.prompts]]\nid = \"a\"\ntext = \"x\"\n";
  EXPECT_NE(error_of(twice).find("two prompts are called 'a'"), std::string::npos) << error_of(twice);
}

TEST(Suite, RefusesUnknownKeysWithLineAndSuggestion) {
  const std::string message = error_of("[behavior_suite]\nname = \"x\"\ndescripton = \"y\"\n");
  EXPECT_NE(message.find("description"), std::string::npos) << message;
  EXPECT_NE(message.find("3"), std::string::npos) << message;
}

TEST(Suite, RefusesDisagreeingRoles) {
  const std::string toml =
      std::string(kSmall) + "[[behavior_suite.prompts]]\nid=\"c\"\ntext=\"x\"\ncategory=\"greeting\"\nrole=\"boundary\"\n";
  EXPECT_NE(error_of(toml).find("an earlier one said 'benign'"), std::string::npos);
}

TEST(Suite, RefusesGatesOnUnknownCategories) {
  const std::string toml = std::string(kSmall) + "[[behavior_suite.gates]]\nid=\"h\"\nmetric=\"m\"\ncategory=\"nope\"\nvalue=1.0\n";
  EXPECT_NE(error_of(toml).find("no prompt has the category 'nope'"), std::string::npos);
}

TEST(Suite, RefusesAnEmptySuiteAndAPromptWithoutText) {
  EXPECT_NE(error_of("[behavior_suite]\nname = \"x\"\n"), "");
  EXPECT_NE(error_of("[behavior_suite]\nname = \"x\"\n[[behavior_suite.prompts]]\nid = \"a\"\n"), "");
}

}  // namespace
}  // namespace vauban
