// The demo models travel to GGUF: equal answers, equal logits, and a chat template that still works.
#include "base/result.h"
#include "cli/workspace.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

class GarrisonConvert : public testing::TestWithParam<const char*> {
 protected:
  Outcome run(const std::vector<std::string>& args) const { return vauban(args, work_.path()); }
  /// The ids of the greedy answer to a question in the model's chat format.
  Json chat(const std::string& model) const {
    const Outcome done = run({"generate", model, "--prompt", "What should I do with the gate at night?", "--chat", "--max-tokens", "24", "--json"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.exit_code == 0 ? Json::object({{"ids", at(done.json(), {"ids"})}, {"prompt_ids", at(done.json(), {"prompt_ids"})}}) : Json();
  }
  Json logits(const std::string& model) const {
    const Outcome done = run({"logits", model, "--prompt", "The garrison", "--backend", "reference", "--json"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return at(done.json(), {"logits"});
  }
  const std::string folder_ = (source_dir() / "models/garrison" / GetParam()).string();
  TempDir work_;
};

TEST_P(GarrisonConvert, FloatsGiveTheSameLogitsAnswersAndChatTemplate) {
  if (!fs::exists(folder_)) GTEST_SKIP() << folder_ << " is not built";
  const Json expected = chat(folder_);
  const Json expected_logits = logits(folder_);
  EXPECT_EQ(expected_logits.size(), 1024u);
  EXPECT_GT(at(expected, {"prompt_ids"}).size(), 8u);
  for (const char* type : {"f32", "bf16"}) {
    SCOPED_TRACE(type);
    const std::string made = std::string(type) + ".gguf";
    const Outcome done = run({"convert", folder_, made, "--dtype", type, "--json"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    EXPECT_TRUE(chat(made) == expected);
    EXPECT_TRUE(logits(made) == expected_logits);  // the weights are bf16, so neither type rounds
  }
  ASSERT_EQ(run({"convert", "bf16.gguf", "back"}).exit_code, 0);
  EXPECT_TRUE(chat("back") == expected);
  EXPECT_EQ(at(run({"inspect", "back", "--json"}).json(), {"digest"}), at(run({"inspect", folder_, "--json"}).json(), {"digest"}));
}

TEST_P(GarrisonConvert, Q4KeepsTheFormatOfAChatAndAnswers) {
  if (!fs::exists(folder_)) GTEST_SKIP() << folder_ << " is not built";
  const Outcome done = run({"quantize", folder_, "q4.gguf", "Q4_0", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_LT(at(done.json(), {"bits_per_weight"}).as_double(), 5.0);
  const Json answer = chat("q4.gguf");
  EXPECT_TRUE(at(answer, {"prompt_ids"}) == at(chat(folder_), {"prompt_ids"}));
  EXPECT_GT(at(answer, {"ids"}).size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(Models, GarrisonConvert, testing::Values("base", "finetuned"), [](const auto& model) { return std::string(model.param); });

}  // namespace
}  // namespace vauban::test
