// check: intact real models pass, and each planted fault fails the stage that it belongs to.
#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

std::string status_of(const Json& answer, std::string_view stage) {
  for (const Json& row : at(answer, {"stages"}).items())
    if (at(row, {"name"}).as_string() == stage) return at(row, {"status"}).as_string();
  return "absent";
}
std::string detail_of(const Json& answer, std::string_view stage) {
  for (const Json& row : at(answer, {"stages"}).items())
    if (at(row, {"name"}).as_string() == stage) return at(row, {"detail"}).as_string();
  return "absent";
}

struct RealModel {
  std::string name;
  fs::path folder;
};
void PrintTo(const RealModel& model, std::ostream* out) { *out << model.name; }

/// Small trained models: the one of this repository is always there.
std::vector<RealModel> real_models() {
  return {{"garrison", source_dir() / "models/garrison/base"},
          {"stories260K", shared_data() / "models/stories260K/hf"},
          {"TinyStories", shared_data() / "models/TinyStories-656K"}};
}

class Check : public ::testing::TestWithParam<RealModel> {
 protected:
  void SetUp() override {
    if (!fs::exists(GetParam().folder)) GTEST_SKIP() << "'" << GetParam().folder.string() << "' is not there (set VAUBAN_SHARED_DATA)";
    fs::copy(GetParam().folder, copy(), fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(copy())) fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  fs::path copy() const { return folder_ / "model"; }
  Outcome run() const { return vauban({"check", copy().string(), "--json"}); }

  using Values = std::map<std::string, std::vector<float>>;
  /// Every tensor as f32 through `edit`, under the names it leaves.
  void edit_tensors(const std::function<void(Values& values, std::map<std::string, Shape>& shapes)>& edit) {
    Values values;
    std::map<std::string, Shape> shapes;
    {
      const auto file = open_safetensors(copy() / "model.safetensors");
      VB_ASSERT_OK(file);
      for (const TensorEntry& tensor : (*file)->tensors()) {
        values[tensor.name] = decode_f32(tensor.view).value();
        shapes[tensor.name] = tensor.view.shape;
      }
    }
    edit(values, shapes);
    std::vector<NamedTensorView> out;
    for (const auto& [name, list] : values) out.push_back({name, TensorView{DType::f32, shapes[name], std::as_bytes(std::span(list))}});
    VB_ASSERT_OK(write_safetensors(copy() / "model.safetensors", out, {}));
  }
  void expect_fault(std::string_view stage) const {
    const Outcome done = run();
    EXPECT_EQ(done.exit_code, 1) << done.err;
    EXPECT_EQ(status_of(done.json(), stage), "fail") << done.out;
    EXPECT_FALSE(at(done.json(), {"ok"}).as_bool());
  }
  TempDir folder_;
};

TEST_P(Check, AnIntactModelPassesAllTenStages) {
  const Outcome done = run();
  EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
  EXPECT_EQ(at(done.json(), {"stages"}).size(), 10u);
  for (const Json& row : at(done.json(), {"stages"}).items()) EXPECT_EQ(at(row, {"status"}).as_string(), "pass") << at(row, {"detail"}).as_string();
}

TEST_P(Check, ANormAtFourTimesItsSizeFails) {
  edit_tensors([](Values& values, auto&) {
    for (float& v : values.at("model.layers.1.input_layernorm.weight")) v *= 4.0F;
  });
  expect_fault("norm");
}

// garrison knows its answers so well that they survive these two: what changes no prediction cannot be seen.
TEST_P(Check, OneDamagedValueOfANormFails) {
  if (GetParam().name == "garrison") GTEST_SKIP() << "its answers do not change";
  edit_tensors([](Values& values, auto&) { values.at("model.norm.weight")[5] = 60.0F; });
  expect_fault("norm");
}

TEST_P(Check, AnotherRopeBaseFails) {
  edit_json(copy() / "config.json", [](Json& config) { config["rope_theta"] = 100.0; });
  expect_fault("positional");
}

TEST_P(Check, ALargerRopeBaseFails) {
  if (GetParam().name == "garrison") GTEST_SKIP() << "its answers do not change";
  edit_json(copy() / "config.json", [](Json& config) { config["rope_theta"] = 1000000.0; });
  expect_fault("positional");
}

TEST_P(Check, TwoMergesThatChangedPlacesFail) {
  edit_json(copy() / "tokenizer.json", [](Json& file) {
    Json merges = Json::array();
    const Json::Array& list = at(file, {"model", "merges"}).items();
    for (std::size_t i = 0; i < list.size(); ++i) merges.push_back(list[i == 1 ? 5 : i == 5 ? 1 : i]);
    file["model"]["merges"] = std::move(merges);
  });
  expect_fault("tokenizer");
}

TEST_P(Check, ATiedModelWithAnotherHeadFails) {
  edit_tensors([](Values& values, std::map<std::string, Shape>& shapes) {
    const std::string table = values.contains("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
    const std::string other = table == "lm_head.weight" ? "model.embed_tokens.weight" : "lm_head.weight";
    values[other] = values[table];
    for (float& v : values[other]) v *= 1.5F;
    shapes[other] = shapes[table];
  });
  expect_fault("head");
}

TEST_P(Check, AnUntiedHeadThatIsDamagedFails) {
  edit_json(copy() / "config.json", [](Json& config) { config["tie_word_embeddings"] = false; });
  edit_tensors([](Values& values, std::map<std::string, Shape>& shapes) {
    const std::string table = values.contains("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
    const std::string other = table == "lm_head.weight" ? "model.embed_tokens.weight" : "lm_head.weight";
    values[other] = values[table];
    shapes[other] = shapes[table];
    std::vector<float>& head = values["lm_head.weight"];
    const auto width = static_cast<std::size_t>(shapes["lm_head.weight"][1]);
    std::rotate(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(3 * width), head.end());  // every row is another token's
  });
  expect_fault("head");
}

TEST_P(Check, ValuesThatAreNotFiniteFail) {
  edit_tensors([](Values& values, auto&) { values.at("model.layers.0.mlp.up_proj.weight")[7] = std::numeric_limits<float>::quiet_NaN(); });
  expect_fault("file");
}

INSTANTIATE_TEST_SUITE_P(Models, Check, ::testing::ValuesIn(real_models()), [](const auto& p) { return p.param.name; });

TEST(CheckCommand, AModelThatPredictsNothingFailsAndOneWithoutATokenizerIsInconclusive) {
  const Workspace work;
  const Outcome random = work.run({"check", "base", "--json"});
  EXPECT_EQ(random.exit_code, 1) << random.out;
  EXPECT_EQ(status_of(random.json(), "logits"), "fail") << detail_of(random.json(), "logits");
  EXPECT_EQ(status_of(random.json(), "attention"), "pass") << detail_of(random.json(), "attention");
  EXPECT_EQ(status_of(random.json(), "sampler"), "pass") << detail_of(random.json(), "sampler");
  fs::remove(work / "base/tokenizer.json");
  const Outcome bare = work.run({"check", "base", "--json"});
  EXPECT_EQ(bare.exit_code, 4) << bare.out;
  EXPECT_EQ(status_of(bare.json(), "tokenizer"), "skipped");
  EXPECT_EQ(status_of(bare.json(), "logits"), "skipped");
  EXPECT_NE(detail_of(bare.json(), "logits").find("no tokenizer"), std::string::npos);
}

TEST(CheckCommand, AGgufPassesToo) {
  VB_NEED_SHARED("models/gguf/TinyStories-656K-Q8_0.gguf");
  for (const char* name : {"TinyStories-656K-Q8_0.gguf", "stories260K-F32.gguf"}) {
    const Outcome done = vauban({"check", (shared_data() / "models/gguf" / name).string(), "--json"});
    EXPECT_EQ(done.exit_code, 0) << name << done.out;
  }
}

TEST(CheckCommand, WhatIsNoModelIsAnError) {
  const Workspace work;
  EXPECT_EQ(work.run({"check", "nowhere"}).exit_code, 2);
  work.write("bad.gguf", "GGUF\x03");
  EXPECT_EQ(work.run({"check", "bad.gguf"}).exit_code, 3);
}

}  // namespace
}  // namespace vauban::test
