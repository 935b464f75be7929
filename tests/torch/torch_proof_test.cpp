/// torch_proof on the host: its result file has the agreed form, all its checks pass, and each can fail.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdlib>
#include <set>

#include "base/json_file.h"
#include "base/result.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

struct Proved {
  int exit_code = -1;
  Json result;
  std::string text;
};

Proved prove(const std::string& args) {
  const TempDir folder;
  const std::string line = format("'{}' {} --out '{}' > '{}' 2>&1", VAUBAN_TORCH_PROOF, args,
                                  (folder / "result.json").string(), (folder / "text").string());
  const int status = std::system(line.c_str());
  Proved proved{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .result = {}, .text = read_text(folder / "text")};
  auto json = read_json_file(folder / "result.json");
  if (json) proved.result = *std::move(json);
  return proved;
}

std::string text_at(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value && value->is_string() ? value->as_string() : "";
}

const std::set<std::string> kRows{"forward", "logits", "activations", "interventions", "kv_cache", "weight_access", "mutable_weights"};

TEST(TorchProof, PassesOnTheHostAndSaysWhatItMeasuredWhere) {
  const Proved proved = prove("--device cpu");
  EXPECT_EQ(proved.exit_code, 0) << proved.text;
  ASSERT_TRUE(proved.result.is_object());
  EXPECT_THAT(text_at(proved.result, "date"), testing::MatchesRegex("20[0-9-]+T[0-9:]+Z"));
  EXPECT_EQ(text_at(proved.result, "source_digest"), VAUBAN_PROOF_DIGEST);
  EXPECT_EQ(text_at(*proved.result.find("device"), "kind"), "cpu");
  EXPECT_EQ(text_at(*proved.result.find("device"), "label"), "cpu:0");
  EXPECT_NE(text_at(*proved.result.find("device"), "name"), "");
  EXPECT_NE(text_at(*proved.result.find("versions"), "libtorch"), "");
  EXPECT_NE(text_at(*proved.result.find("versions"), "compiler"), "");
  std::set<std::string> rows, ids;
  for (const Json& check : proved.result.find("checks")->items()) {
    EXPECT_TRUE(check.find("passed")->as_bool()) << text_at(check, "id");
    EXPECT_TRUE(check.find("bound") && check.find("measured")) << text_at(check, "id");
    EXPECT_TRUE(ids.insert(text_at(check, "id")).second) << text_at(check, "id") << " comes twice";
    rows.insert(text_at(check, "row"));
  }
  EXPECT_EQ(rows, kRows);
  EXPECT_GT(ids.size(), 150u);
}

TEST(TorchProof, EveryCheckFailsWhenItsMeasurementIsSpoilt) {
  const Proved proved = prove("--device cpu --plant all");
  EXPECT_EQ(proved.exit_code, 1);
  ASSERT_TRUE(proved.result.is_object());
  for (const Json& check : proved.result.find("checks")->items())
    EXPECT_FALSE(check.find("passed")->as_bool()) << text_at(check, "id") << " cannot fail";
  const Proved one = prove("--device cpu --plant primitive.clamp.output");
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_THAT(one.text, testing::HasSubstr("FAILED primitive.clamp.output"));
  EXPECT_THAT(one.text, testing::HasSubstr(" 1 failed"));
}

TEST(TorchProof, ADeviceThatIsNotThereIsNoFailedProof) {
  const Proved proved = prove("--device cuda:99");
  EXPECT_EQ(proved.exit_code, 3);
  EXPECT_TRUE(proved.result.is_null()) << "no result file without a device";
  EXPECT_THAT(proved.text, testing::HasSubstr("present: cpu"));
  EXPECT_EQ(prove("--devcie cpu").exit_code, 2);
}

/// What a device alone can show (proof_memory.cpp).
const std::set<std::string> kOfDevices{"profile.device_seconds", "profile.sync_points", "profile.host_device_copies"};

/// docs/torch_surface_matrix.md counts them: a file must not know of checks that this program does not make.
TEST(TorchProof, EveryCommittedProofHasOnlyChecksThatThisProgramMakes) {
  const Proved here = prove("--device cpu");
  std::set<std::string> known = kOfDevices;
  for (const Json& check : here.result.find("checks")->items()) known.insert(text_at(check, "id"));
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "docs/surface/results")) {
    const std::string name = entry.path().filename().string();
    if (name.find("-operations") == std::string::npos) continue;  // of the whole suite: tests/surface
    const auto file = read_json_file(entry.path());
    VB_ASSERT_OK(file);
    for (const Json& check : file->find("checks")->items())
      EXPECT_TRUE(known.contains(text_at(check, "id"))) << name << ": " << text_at(check, "id");
  }
}

}  // namespace
}  // namespace vauban::test
