#include "trace/vocabulary.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TEST(Vocabulary, ArtifactKindsHaveTheNamesAndOrderOfTheContract) {
  std::string names;
  for (const ArtifactKind kind : all_artifact_kinds()) names += std::string(to_string(kind)) + " ";
  EXPECT_EQ(names,
            "text tokens logits logprobs activation intervention_result weight_snapshot metric report_evidence profile "
            "other ");
}

TEST(Vocabulary, EveryWordReadsBack) {
  for (const ArtifactKind kind : all_artifact_kinds()) EXPECT_EQ(artifact_kind_from(to_string(kind)).value(), kind);
  for (const auto level : {SupportLevel::unsupported, SupportLevel::partial, SupportLevel::full})
    EXPECT_EQ(support_level_from(to_string(level)).value(), level);
  for (const auto mode : {Numerics::exact, Numerics::native, Numerics::fast})
    EXPECT_EQ(numerics_from(to_string(mode)).value(), mode);
  for (const auto form : {Form::summary, Form::payload, Form::top_k})
    EXPECT_EQ(form_from(to_string(form)).value(), form);
  for (const auto moment : {Moment::before, Moment::after}) EXPECT_EQ(moment_from(to_string(moment)).value(), moment);
  for (int mode = 0; mode <= static_cast<int>(PrimitiveMode::offset); ++mode)
    EXPECT_EQ(mode_from_word(mode_word(static_cast<PrimitiveMode>(mode))).value(), static_cast<PrimitiveMode>(mode));
}

TEST(Vocabulary, AnUnknownWordIsRefusedWithASuggestion) {
  const auto kind = artifact_kind_from("activations");
  ASSERT_FALSE(kind);
  EXPECT_EQ(kind.error().hint, "did you mean 'activation'?");
  EXPECT_FALSE(numerics_from("exactly"));
  EXPECT_FALSE(form_from(""));
}

TEST(Positions, ReadBackWhatTheyPrint) {
  for (const std::string text : {"all", "last", "decode", "0-0", "3-7", "5", "1,4,9"}) {
    const auto positions = positions_from(text);
    VB_ASSERT_OK(positions);
    EXPECT_EQ(positions->to_string(), text);
    EXPECT_EQ(positions_from(positions->to_string()).value(), *positions);
  }
}

TEST(Positions, ContainWhatTheySay) {
  const auto holds = [](std::string_view text, std::int64_t position) {
    return positions_from(text).value().contains(position, /*last_position=*/9, /*prompt_rows=*/6);
  };
  EXPECT_TRUE(holds("all", 0));
  EXPECT_TRUE(holds("last", 9));
  EXPECT_FALSE(holds("last", 8));
  EXPECT_TRUE(holds("3-7", 3) && holds("3-7", 7));
  EXPECT_FALSE(holds("3-7", 2) || holds("3-7", 8));
  EXPECT_TRUE(holds("1,4,9", 4));
  EXPECT_FALSE(holds("1,4,9", 5));
  EXPECT_TRUE(holds("decode", 6));
  EXPECT_FALSE(holds("decode", 5));
}

TEST(Positions, RefuseWhatCannotBeMeant) {
  for (const std::string_view text :
       {"", "first", "7-3", "-1", "3-", "1,,2", "4,1", "2,2", "1 ,2", "+3", "3--7", "99999999999999999999", "1-2-3"}) {
    const auto positions = positions_from(text);
    ASSERT_FALSE(positions) << text;
    EXPECT_EQ(positions.error().code, ErrorCode::invalid_input);
  }
}

}  // namespace
}  // namespace vauban
