// Texts that may not be stored are nowhere in the run folder, neither as text nor as ids.
#include <algorithm>
#include <cstring>

#include "base/result.h"
#include "base/sha256.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

constexpr const char* kSafe = "Once upon a time Lily";
constexpr const char* kSecret = "The zebra quux hides";
constexpr const char* kHidden = "Nobody may know this";

struct Secret {
  std::string name;
  std::vector<std::string> forms;  ///< any of these in a file gives it away
};

/// The ids as JSON prints them once white space is gone, and as 32-bit numbers in a binary file.
void add_ids(Secret& secret, const Json& ids) {
  std::string printed, binary;
  for (const Json& id : ids.items()) {
    printed += (printed.empty() ? "" : ",") + std::to_string(id.as_int());
    const auto value = static_cast<std::int32_t>(id.as_int());
    binary.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  secret.forms.push_back(printed);
  secret.forms.push_back(binary);
}

std::string without_spaces(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

bool gives_away(const std::string& bytes, const std::string& form) {
  return bytes.find(form) != std::string::npos || without_spaces(bytes).find(form) != std::string::npos;
}

class Redaction : public testing::Test {
 protected:
  Redaction() {
    work_.write("suite.toml", suite_toml({{"safe", "a", kSafe, ""},
                                          {"secret", "a", kSecret, "redaction = \"redacted\"\nreference = \"The zebra quux hides well\"\n"},
                                          {"hidden", "b", kHidden, "redaction = \"omitted\"\nsystem = \"\"\n"}}));
  }

  /// The prompt, its ids, and what both models answer.
  Secret secret_of(const char* prompt) const {
    Secret secret{prompt, {prompt}};
    add_ids(secret, at(work_.run({"tokenize", "base", "--text", prompt, "--json"}).json(), {"ids"}));
    for (const char* model : {"base", "changed"}) {
      const Json answer = work_.run({"generate", model, "--prompt", prompt, "--max-tokens", "12", "--json"}).json();
      secret.forms.push_back(at(answer, {"text"}).as_string());
      add_ids(secret, at(answer, {"ids"}));
    }
    for (const std::string& form : secret.forms) EXPECT_GT(form.size(), 6u) << "too short to search for";
    return secret;
  }

  std::vector<std::string> files_with(const Secret& secret, const std::string& run) const {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files_below(work_ / run))
      if (std::ranges::any_of(secret.forms, [&](const std::string& form) { return gives_away(bytes, form); })) names.push_back(name);
    return names;
  }

  const Workspace work_;
};

TEST_F(Redaction, WithheldTextsAndIdsAreInNoFile) {
  const Outcome done = work_.audit("base", "changed", "run", {"--observe", "logprobs:top5,resid_post:0:summary"});
  ASSERT_EQ(done.exit_code, 4) << done.err;
  const std::vector<std::string> none;
  for (const char* prompt : {kSecret, kHidden}) EXPECT_EQ(files_with(secret_of(prompt), "run"), none) << prompt;
  EXPECT_GE(files_with(secret_of(kSafe), "run").size(), 4u) << "the search must find what may be stored";
  for (const char* prompt : {kSecret, kHidden})
    for (const std::string& form : secret_of(prompt).forms) EXPECT_EQ(done.out.find(form), std::string::npos);
}

TEST_F(Redaction, RedactedTextsLeaveTheirDigestOmittedOnesNothing) {
  ASSERT_EQ(work_.audit("base", "changed", "run").exit_code, 4);
  const auto files = files_below(work_ / "run");
  EXPECT_NE(files.at("suite.toml").find(sha256_hex(kSecret)), std::string::npos);
  EXPECT_EQ(files.at("suite.toml").find("The zebra quux hides well"), std::string::npos);
  for (const char* name : {"suite.toml", "observations.jsonl", "traces.jsonl", "report.json"})
    EXPECT_EQ(files.at(name).find(sha256_hex(kHidden)), std::string::npos) << name;
  edit_lines(work_ / "run/observations.jsonl", [](Json& row) {
    const bool omitted = at(row, {"prompt_id"}).as_string() == "hidden", safe = at(row, {"prompt_id"}).as_string() == "safe";
    EXPECT_EQ(at(row, {"output_text"}).is_string(), safe);
    EXPECT_EQ(at(row, {"output_ids"}).is_array(), safe);
    EXPECT_EQ(at(row, {"output_sha256"}).is_string(), !omitted);
    EXPECT_EQ(at(row, {"prompt_ids_sha256"}).is_string(), !omitted);
    EXPECT_TRUE(at(row, {"metrics", "output_length_chars"}).is_number()) << "metrics stay";
    return true;
  });
}

TEST_F(Redaction, WithheldRowsAreComparedAndVerifiedFromTheirMetrics) {
  const Json report = work_.audit("base", "changed", "run").json();
  EXPECT_EQ(at(delta_row(report, "output_length_chars"), {"stats", "n"}).as_int(), 3);
  EXPECT_EQ(at(delta_row(report, "mean_kld", "b"), {"category"}).as_string(), "b");
  const Outcome checked = work_.run({"verify", "run", "--json"});
  EXPECT_EQ(checked.exit_code, 0) << checked.out;
  EXPECT_NE(at(checked.json(), {"notes"}).dump().value_or("").find("withhold their text"), std::string::npos);
}

TEST_F(Redaction, WithoutRecordedOutputsNoTextIsStoredAtAll) {
  const Outcome done = work_.audit("base", "changed", "run", {"--no-record-outputs"});
  ASSERT_EQ(done.exit_code, 4) << done.err;
  const Secret safe = secret_of(kSafe);
  const std::vector<std::string> where = files_with(safe, "run");
  EXPECT_EQ(where, std::vector<std::string>{"suite.toml"}) << "the suite itself may show a safe prompt";
  EXPECT_EQ(work_.run({"verify", "run"}).exit_code, 0);
}

TEST_F(Redaction, TheStrictestOfAPairIsKeptInADiff) {
  const auto row = [](const char* text, const char* redaction) {
    return format("{{\"prompt_id\":\"p\",\"prompt\":\"{}\",\"redaction\":\"{}\",\"output_text\":\"{}\"}}\n", kSecret, redaction, text);
  };
  work_.write("a.jsonl", row("The first answer is open", "safe"));
  work_.write("b.jsonl", row("The second answer is closed", "redacted"));
  const Outcome done = work_.run({"diff", "a.jsonl", "b.jsonl", "--out", "run", "--json"});
  ASSERT_EQ(done.exit_code, 4) << done.err;
  const Json report = done.json();
  ASSERT_GT(at(report, {"examples"}).size(), 0u);
  for (const Json& example : at(report, {"examples"}).items())
    for (const char* key : {"prompt", "output_baseline", "output_candidate"}) EXPECT_TRUE(at(example, {key}).is_null()) << key;
  EXPECT_EQ(files_with({"second", {"The second answer is closed"}}, "run").size(), 0u);
}

}  // namespace
}  // namespace vauban::test
