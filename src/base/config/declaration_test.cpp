#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/config_test_structs.h"
#include "base/config/dump.h"
#include "base/config/flags.h"
#include "base/config/reader.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

TEST(ConfigDeclaration, OfTheTestStructIsSound) { VB_EXPECT_OK(check_declaration<config_test::Audit>()); }

/// One planted fault per number.
template <int kFault>
struct Faulty {
  int number = 0;
  std::string text;
  bool on = false;
  config_test::Sampling table;
  config_test::Sampling inner_fault;
};
template <int kFault>
void fields(Faulty<kFault>& c, FieldVisitor& f) {
  f("text", c.text, {.help = "t", .aliases = {"body"}, .short_name = 't'});
  if (kFault == 1) f("text", c.number, {.help = "same key"});
  if (kFault == 2) f("body", c.number, {.help = "key that is an alias"});
  if (kFault == 3) f("number", c.number, {.help = "same short name", .short_name = 't'});
  if (kFault == 4) f("number", c.number, {.help = "default out of range", .min = 1});
  if (kFault == 5) f("mode", c.text, {.help = "default is no choice", .choices = {"a"}});
  if (kFault == 6) f("number", c.number, {.help = "choices of a number", .choices = {"1"}});
  if (kFault == 7) f("other", c.text, {.help = "range of a string", .min = 1});
  if (kFault == 8) f("on", c.on, {.help = "bare flag", .positional = true});
  if (kFault == 9) f("table", c.table, {.help = "bare table", .positional = true});
  if (kFault == 10) f("number", c.number, {});
  if (kFault == 11) f("number", c.number, {.help = "a number as a file", .file = true});
  if (kFault == 12) f("help", c.on, {.help = "taken"});
  if (kFault == 13) f("on", c.on, {.help = "also gives --no-on"});
  if (kFault == 13) f("off", c.number, {.help = "the same flag", .flag = "--no-on"});
}

template <int kFault>
std::string found() {
  const Result<void> checked = check_declaration<Faulty<kFault>>();
  return checked ? "sound" : describe(checked.error());
}

TEST(ConfigDeclaration, EveryPlantedFaultIsFound) {
  EXPECT_EQ(found<0>(), "sound");
  EXPECT_THAT(found<1>(), HasSubstr("'text' is already taken"));
  EXPECT_THAT(found<2>(), HasSubstr("'body' is already taken"));
  EXPECT_THAT(found<3>(), HasSubstr("'-t' is already taken"));
  EXPECT_THAT(found<4>(), HasSubstr("would refuse its default"));
  EXPECT_THAT(found<5>(), HasSubstr("would refuse its default"));
  EXPECT_THAT(found<6>(), HasSubstr("choices need a string"));
  EXPECT_THAT(found<7>(), HasSubstr("a range needs a number"));
  EXPECT_THAT(found<8>(), HasSubstr("cannot be a bare argument"));
  EXPECT_THAT(found<9>(), HasSubstr("a table cannot be a bare argument"));
  EXPECT_THAT(found<10>(), HasSubstr("no help"));
  EXPECT_THAT(found<11>(), HasSubstr("a file needs a string"));
  EXPECT_THAT(found<12>(), HasSubstr("'--help' is already taken"));
  EXPECT_THAT(found<13>(), HasSubstr("'--no-on' is already taken"));
}

struct Around {
  std::vector<Faulty<4>> items;
};
void fields(Around& c, FieldVisitor& f) { f("items", c.items, {.help = "i"}); }

TEST(ConfigDeclaration, AFaultInsideATableIsFound) {
  const Result<void> checked = check_declaration<Around>();
  ASSERT_FALSE(checked);
  EXPECT_THAT(describe(checked.error()), HasSubstr("in table 'items'"));
}

TEST(ConfigDeclaration, FlagsThatContradictEachOtherAreAnErrorAndNotAnException) {
  Faulty<3> config;
  const auto parsed = parse_flags(config, std::vector<std::string>{});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace vauban
