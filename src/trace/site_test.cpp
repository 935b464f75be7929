#include "vauban/site.h"

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

#include "base/result.h"
#include "support/test_data.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

TEST(Sites, NamesAreUniqueAndReadBack) {
  std::set<std::string_view> names;
  for (const SiteInfo& site : all_sites()) {
    EXPECT_TRUE(names.insert(site.name).second) << site.name;
    const auto parsed = site_from(site.name);
    VB_ASSERT_OK(parsed);
    EXPECT_EQ(*parsed, site.id);
    EXPECT_EQ(info(site.id).name, site.name);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kSiteCount));
}

TEST(Sites, AliasesAreABijection) {
  std::map<std::string_view, Site> sites;
  for (const SiteInfo& site : all_sites()) {
    if (site.alias.empty()) continue;
    EXPECT_TRUE(sites.emplace(site.alias, site.id).second) << site.alias;
  }
  for (const auto& [alias, site] : sites) EXPECT_EQ(info(site).alias, alias);
  EXPECT_GE(sites.size(), 20u);
}

TEST(Sites, AliasesNameALayerExactlyWhenTheSiteHasOne) {
  for (const SiteInfo& site : all_sites()) {
    if (site.alias.empty()) continue;
    EXPECT_EQ(site.alias.find("{L}") != std::string_view::npos, site.per_layer) << site.name;
  }
}

TEST(Sites, ComeInTheOrderOfAForwardPass) {
  const std::vector<Site> expected{
      Site::embed_out, Site::resid_pre, Site::q,    Site::q_rot,   Site::attn_scores, Site::attn_pattern, Site::z,
      Site::attn_out,  Site::resid_mid, Site::gate, Site::mlp_out, Site::resid_post,  Site::logits};
  for (std::size_t i = 1; i < expected.size(); ++i) EXPECT_LT(expected[i - 1], expected[i]);
}

TEST(Sites, RefuseAnUnknownNameWithASuggestion) {
  const auto parsed = site_from("resid_pos");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(parsed.error()).find("resid_post"), std::string::npos) << describe(parsed.error());
  EXPECT_FALSE(site_from(""));
  EXPECT_FALSE(site_from("RESID_POST"));
}

TEST(Sites, KnowTheKindOfTheirArtifact) {
  EXPECT_EQ(artifact_kind_of(Site::logits), ArtifactKind::logits);
  EXPECT_EQ(artifact_kind_of(Site::logprobs), ArtifactKind::logprobs);
  EXPECT_EQ(artifact_kind_of(Site::tokens), ArtifactKind::tokens);
  EXPECT_EQ(artifact_kind_of(Site::attn_pattern), ArtifactKind::activation);
}

}  // namespace
}  // namespace vauban
