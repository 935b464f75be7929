#include "trace/profile_fields.h"

#include <gtest/gtest.h>
#include <set>

#include "base/files.h"
#include "support/test_data.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

using Stages = std::vector<std::string>;

TEST(ProfileFields, AreTheKeysOfAProfile) {
  std::set<std::string> table, keys;
  for (const ProfileField& field : profile_fields()) EXPECT_TRUE(table.emplace(field.name).second) << field.name;
  const Json json = to_json(StageProfile{.name = "prefill"});
  for (const auto& [key, value] : json.entries()) keys.insert(key);
  EXPECT_EQ(table, keys);
}

/// The page quotes the table as profile_fields_markdown() prints it.
TEST(ProfileFields, StandInTheDocumentedTable) {
  const auto page = read_file(test::source_dir() / "docs/trace-format.md");
  VB_ASSERT_OK(page);
  EXPECT_NE(page->find(profile_fields_markdown()), std::string::npos) << "expected:\n" << profile_fields_markdown();
}

TEST(ProfileFields, StagesAreReadInAnyOrderAndKnownOnly) {
  EXPECT_EQ(profile_stages(), (Stages{"batch", "prefill", "observe", "intervene", "decode", "score"}));
  EXPECT_EQ(*parse_profile_stages(""), Stages{});
  EXPECT_EQ(*parse_profile_stages("all"), profile_stages());
  EXPECT_EQ(*parse_profile_stages("decode, prefill"), (Stages{"prefill", "decode"}));
  for (const char* wrong : {"load", "all,prefill", "prefill,prefill", "prefill,", "Prefill"}) {
    const auto stages = parse_profile_stages(wrong);
    ASSERT_FALSE(stages) << wrong;
    EXPECT_EQ(stages.error().code, ErrorCode::invalid_input);
  }
  EXPECT_NE(parse_profile_stages("load").error().message.find("prefill, observe"), std::string::npos);
}

Result<Trace> with_profile(const StageProfile& profile) {
  TraceParts parts;
  parts.trace_id = "t";
  parts.device = {"cpu", "cpu:0"};
  parts.spans = {{.span_id = "s", .name = "prefill", .profile = profile}};
  return Trace::make(std::move(parts));
}

TEST(ProfileFields, NegativeAndNonFiniteCostsAreRefusedByName) {
  StageProfile device{.name = "p"}, peak{.name = "p"}, samples{.name = "p"};
  VB_EXPECT_OK(with_profile(device));
  device.device_s = -0.5;
  peak.host_peak_bytes = -1;
  samples.step_duration_s = {0.5, std::numeric_limits<double>::quiet_NaN()};
  for (const auto& [profile, field] :
       {std::pair(device, "device_s"), {peak, "host_peak_bytes"}, {samples, "step_duration_s"}}) {
    const auto trace = with_profile(profile);
    ASSERT_FALSE(trace) << field;
    EXPECT_NE(trace.error().message.find(field), std::string::npos) << trace.error().message;
  }
}

/// Two runs of one request agree in the stable digest, however long they took and whatever memory they met.
TEST(ProfileFields, CostsAreNotPartOfTheStableDigest) {
  StageProfile quiet{.name = "p"}, costly{.name = "p"};
  costly.device_s = 0.5;
  costly.host_peak_bytes = 7;
  costly.step_duration_s = {0.5};
  EXPECT_EQ(stable_digest(*with_profile(quiet)).value(), stable_digest(*with_profile(costly)).value());
}

}  // namespace
}  // namespace vauban
