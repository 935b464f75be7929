#include "suite/observation.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

std::vector<Observation> rows_of(const std::string& text) {
  const auto rows = parse_observations(text, "rows.jsonl", {.model_label = "m"});
  EXPECT_TRUE(rows.has_value()) << describe(rows.error());
  return rows.value_or(std::vector<Observation>{});
}

TEST(Observations, OldRowsLoadWithTheirDefaults) {
  const auto rows = rows_of("# comment\n\n{\"id\": \"p1\", \"refused\": true, \"response\": \"I can't.\", \"text\": \"Q\"}\n{}\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].prompt_id, "p1");
  EXPECT_EQ(rows[0].id, "p1");
  EXPECT_EQ(rows[0].metrics.at("refusal_rate"), 1.0);
  EXPECT_EQ(rows[0].metrics.at("output_length_chars"), 8.0);
  EXPECT_EQ(rows[0].redaction, Redaction::redacted);
  EXPECT_EQ(rows[1].prompt_id, "prompt-0002");
  EXPECT_EQ(rows[1].id, "m:prompt-0002");
}

TEST(Observations, PublishedCompletionArraysLoad) {
  const auto rows = rows_of(R"([{"category": null, "prompt": "Q", "response": "A"}, {"prompt": "R", "response": "B"}])");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].category, "default");
  EXPECT_EQ(rows[1].prompt_id, "prompt-0002");
}

TEST(Observations, RoundTripKeepsEveryKey) {
  Observation row{.id = "m:p", .prompt_id = "p", .model_label = "m", .category = "c", .prompt = "Q", .output_text = "A",
                  .expected_behavior = "comply", .refused = false, .metrics = {{"refusal_rate", 0.0}, {"output_length_chars", 1.0}},
                  .redaction = Redaction::safe, .metadata = Json::object({{"k", 1}}), .outcome = "ok", .behaviour_class = "comply",
                  .sample_index = 2, .family = "f", .role = "benign", .prompt_ids_sha256 = "00", .finish_reason = "eos",
                  .numerics = "exact", .trace_id = "t", .output_ids = {1, 2}, .first_token_logprobs = {-0.5f}, .seed = 7,
                  .output_sha256 = "11"};
  const Json json = to_json(row);
  const auto back = observation_from_json(json, 1, {});
  VB_ASSERT_OK(back);
  EXPECT_EQ(to_json(*back).dump().value(), json.dump().value());
}

TEST(Observations, WithheldTextIsNeverWritten) {
  for (const Redaction redaction : {Redaction::redacted, Redaction::omitted}) {
    const Observation row{.id = "i", .prompt_id = "p", .model_label = "m", .prompt = "secret", .output_text = "secret",
                          .redaction = redaction, .output_ids = {5}};
    EXPECT_EQ(to_json(row).dump().value().find("secret"), std::string::npos);
    EXPECT_EQ(to_json(row).find("output_ids"), nullptr);
  }
}

TEST(Observations, BadRowsNameTheLine) {
  const auto refused = [](const std::string& text) {
    const auto rows = parse_observations(text, "rows.jsonl", {});
    return rows ? std::string() : describe(rows.error());
  };
  EXPECT_NE(refused("{}\n{\"metrics\": 3}\n").find("rows.jsonl:2"), std::string::npos);
  EXPECT_NE(refused("{\"id\": \"a\"}\n{\"id\": \"a\"}\n").find("a second row"), std::string::npos);
  EXPECT_NE(refused("{\"id\": 3}\n").find("expected a string"), std::string::npos);
  EXPECT_NE(refused("{\"id\": \"a\"").find("rows.jsonl:1"), std::string::npos);
  EXPECT_NE(refused("{\"redaction\": \"none\"}\n"), "");
}

TEST(Observations, TheStrictestRedactionWins) {
  EXPECT_EQ(strictest(Redaction::safe, Redaction::omitted), Redaction::omitted);
  EXPECT_EQ(strictest(Redaction::redacted, Redaction::safe), Redaction::redacted);
}

TEST(Observations, RealCompletionsLoad) {
  const std::string file = "behavior/refusal_direction/qwen-1_8b-chat/completions/harmless_baseline_completions.json";
  VB_NEED_SHARED(file);
  const auto rows = read_observations(test::shared_data() / file, {.model_label = "baseline"});
  VB_ASSERT_OK(rows);
  EXPECT_EQ(rows->size(), 100u);
  EXPECT_TRUE(rows->front().output_text.has_value());
}

}  // namespace
}  // namespace vauban
