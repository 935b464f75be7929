#include "evidence/directions/selection.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <limits>

#include "base/json.h"
#include "format/safetensors.h"
#include "support/test_data.h"

namespace vauban {
namespace {

DirectionCandidate candidate(int layer, double refusal, double steering = 1, double divergence = 0.01) {
  return {.position = -1,
          .layer = layer,
          .refusal_score = refusal,
          .steering_score = steering,
          .kl_divergence = divergence};
}

TEST(DirectionSelection, TakesTheLowestRefusalScoreAmongThoseThatPass) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<DirectionCandidate> all{candidate(3, -1),         candidate(4, -2),
                                            candidate(5, -9, 1, 0.2),  // the last of these damages the model
                                            candidate(5, -8, -0.5),    // does not induce it
                                            candidate(8, -7),          // of 10 layers: too late
                                            candidate(2, nan),        candidate(7, -2)};
  EXPECT_EQ(admissible_directions(all, 10), (std::vector<std::size_t>{1, 6, 0})) << "equal scores: the first given";
  EXPECT_EQ(*select_direction(all, 10), 1u);
  EXPECT_EQ(*select_direction(all, 12), 4u) << "with twelve layers the ninth is early enough";
  EXPECT_EQ(*select_direction(all, 10, {.max_kl_divergence = 0.3}), 2u);
}

TEST(DirectionSelection, SaysWhatEveryCandidateFailedOn) {
  const std::vector<DirectionCandidate> all{candidate(9, -1), candidate(1, -1, 1, 2), candidate(1, -1, 1, 3)};
  const auto none = select_direction(all, 10);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_NE(none.error().message.find("1 lie in layers from 8 on, 2 have a divergence above 0.1"), std::string::npos)
      << none.error().message;
  EXPECT_EQ(select_direction(all, 0).error().code, ErrorCode::invalid_input);
}

const std::string kPublished = "behavior/refusal_direction/qwen-1_8b-chat/";

std::vector<DirectionCandidate> published(const std::string& name) {
  std::vector<DirectionCandidate> out;
  const auto json = Json::parse(test::read_text(test::shared_data() / (kPublished + "select_direction/" + name)));
  if (!json) return out;
  for (const Json& row : json->items())
    out.push_back({.position = row.find("position")->as_int(),
                   .layer = static_cast<int>(row.find("layer")->as_int()),
                   .refusal_score = row.find("refusal_score")->as_double(),
                   .steering_score = row.find("steering_score")->as_double(),
                   .kl_divergence = row.find("kl_div_score")->as_double()});
  return out;
}

/// 120 mean differences of a real model with the scores that its authors measured: the rule keeps the ones that they
/// kept, in their order, and chooses the one that they chose; that row of the real differences is the published
/// direction.
TEST(DirectionSelection, GivesThePublishedChoiceFromThePublishedScores) {
  VB_NEED_SHARED(kPublished + "select_direction/direction_evaluations.json");
  const std::vector<DirectionCandidate> all = published("direction_evaluations.json"),
                                        filtered = published("direction_evaluations_filtered.json");
  const auto file = open_safetensors(test::shared_data() / (kPublished + "directions.safetensors"));
  VB_ASSERT_OK(file);
  const Shape& shape = (*file)->find("mean_diffs")->view.shape;
  const int layers = static_cast<int>(shape[1]);
  ASSERT_EQ(static_cast<std::int64_t>(all.size()), shape[0] * shape[1]);

  const std::vector<std::size_t> kept = admissible_directions(all, layers);
  ASSERT_EQ(kept.size(), filtered.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(all[kept[i]].position, filtered[i].position) << i;
    EXPECT_EQ(all[kept[i]].layer, filtered[i].layer) << i;
  }

  const auto choice = Json::parse(test::read_text(test::shared_data() / (kPublished + "direction_metadata.json")));
  VB_ASSERT_OK(choice);
  const auto best = select_direction(all, layers);
  VB_ASSERT_OK(best);
  EXPECT_EQ(all[*best].position, choice->find("pos")->as_int());
  EXPECT_EQ(all[*best].layer, choice->find("layer")->as_int());

  const auto differences = decode_f64((*file)->find("mean_diffs")->view);
  const auto direction = decode_f64((*file)->find("direction")->view);
  VB_ASSERT_OK(differences);
  VB_ASSERT_OK(direction);
  const auto row = differences->begin() + ((shape[0] + all[*best].position) * shape[1] + all[*best].layer) * shape[2];
  EXPECT_TRUE(std::equal(direction->begin(), direction->end(), row));
}

TEST(DirectionSelection, EachPartOfTheRuleMattersOnThePublishedScores) {
  VB_NEED_SHARED(kPublished + "select_direction/direction_evaluations.json");
  const std::vector<DirectionCandidate> all = published("direction_evaluations.json");
  const auto kept = [&](const SelectionRule& rule) { return admissible_directions(all, 24, rule).size(); };
  const double none = std::numeric_limits<double>::infinity();
  EXPECT_GT(kept({.max_kl_divergence = none}), kept({}));
  EXPECT_GT(kept({.min_steering_score = -none}), kept({}));
  EXPECT_GT(kept({.layer_share = 1.0}), kept({}));
}

}  // namespace
}  // namespace vauban
