// diff of two models: planted differences whose answers are known; and the diffs of rows and runs stay what they were.
#include <functional>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

const Json& row_of(const Json& report, std::string_view name) {
  static const Json none;
  for (const Json& row : at(report, {"tensors"}).items())
    if (at(row, {"name"}).as_string() == name) return row;
  ADD_FAILURE() << "no tensor " << name;
  return none;
}

/// `base` of the workspace again as `other`, with its tensors through `edit`.
void copy_base(const Workspace& work, const std::function<void(const std::string&, std::vector<float>&, const Shape&)>& edit) {
  fs::copy(work / "base", work / "other", fs::copy_options::recursive);
  const auto file = open_safetensors(work / "base/model.safetensors");
  VB_ASSERT_OK(file);
  std::vector<std::vector<float>> kept;
  std::vector<NamedTensorView> out;
  kept.reserve((*file)->tensors().size());
  for (const TensorEntry& tensor : (*file)->tensors()) {
    kept.push_back(decode_f32(tensor.view).value());
    edit(tensor.name, kept.back(), tensor.view.shape);
    out.push_back({tensor.name, TensorView{DType::f32, tensor.view.shape, std::as_bytes(std::span(kept.back()))}});
  }
  VB_ASSERT_OK(write_safetensors(work / "other/model.safetensors", out));
}

TEST(ModelDiff, PlantedChangesComeBackWithTheirNumbers) {
  const Workspace work;
  copy_base(work, [](const std::string& name, std::vector<float>& values, const Shape& shape) {
    if (name == "model.layers.0.self_attn.q_proj.weight")
      for (float& v : values) v = -v;
    if (name == "model.layers.1.self_attn.q_proj.weight")
      for (float& v : values) v *= 2.0F;
    if (name == "model.layers.0.mlp.up_proj.weight")  // three entries of the diagonal: rank 3, equal singular values
      for (std::int64_t i = 0; i < 3; ++i) values[static_cast<std::size_t>(i * shape[1] + i)] += 1.0F;
  });
  edit_json(work / "other/config.json", [](Json& config) { config["rope_theta"] = 20000.0; });
  const Outcome done = work.run({"diff", "base", "other", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json report = done.json();
  EXPECT_EQ(at(report, {"kind"}).as_string(), "models");
  const Json& negated = row_of(report, "model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(at(negated, {"sign_flips"}).as_double(), 1.0);
  EXPECT_NEAR(at(negated, {"cosine"}).as_double(), -1.0, 1e-12);
  const Json& scaled = row_of(report, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_NEAR(at(scaled, {"cosine"}).as_double(), 1.0, 1e-12);
  EXPECT_NEAR(at(scaled, {"relative"}).as_double(), 1.0, 1e-12);
  const Json& low_rank = row_of(report, "model.layers.0.mlp.up_proj.weight");
  EXPECT_NEAR(at(low_rank, {"effective_rank"}).as_double(), 3.0, 1e-4);
  EXPECT_EQ(at(low_rank, {"changed"}).as_int(), 3);
  EXPECT_EQ(at(row_of(report, "model.norm.weight"), {"changed"}).as_int(), 0);
  EXPECT_EQ(at(report, {"summary", "changed_tensors"}).as_int(), 3);
  EXPECT_TRUE(at(report, {"tokenizer", "equal"}).as_bool());
  EXPECT_TRUE(at(report, {"template", "equal"}).as_bool());
  const Json& config = at(report, {"config", "changed"});
  ASSERT_EQ(config.size(), 1u);
  EXPECT_EQ(at(config.items()[0], {"key"}).as_string(), "rope_theta");
  EXPECT_NE(work.run({"diff", "base", "other"}).out.find("3 of"), std::string::npos);
}

TEST(ModelDiff, AFolderAndItsGgufAreEqual) {
  const Workspace work;
  ASSERT_EQ(work.run({"convert", "base", "same.gguf", "--dtype", "f32"}).exit_code, 0);
  const Outcome done = work.run({"diff", "base", "same.gguf", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(at(done.json(), {"summary", "changed_values"}).as_int(), 0) << "rows of q and k lie in another order in a GGUF";
  EXPECT_EQ(at(done.json(), {"unpaired"}).size(), 0u);
}

TEST(ModelDiff, TokensAndTemplatesThatChangedAreNamed) {
  const Workspace work;
  copy_base(work, [](const std::string&, std::vector<float>&, const Shape&) {});
  edit_json(work / "other/tokenizer_config.json", [](Json& config) { config["chat_template"] = "{{ messages[0]['content'] }}!"; });
  const Json report = work.run({"diff", "base", "other", "--json"}).json();
  EXPECT_FALSE(at(report, {"template", "equal"}).as_bool());
  EXPECT_EQ(at(report, {"template", "rendered_b"}).as_string(), "A question.!");
  EXPECT_EQ(at(report, {"summary", "changed_values"}).as_int(), 0);
}

TEST(ModelDiff, OptionsForRowsAreRefusedAndOneModelIsNotEnough) {
  const Workspace work;
  EXPECT_EQ(work.run({"diff", "base", "changed", "--out", "x"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(work / "x"));
  work.write("rows.jsonl", "{}\n");
  EXPECT_NE(work.run({"diff", "base", "rows.jsonl"}).exit_code, 0);
}

}  // namespace
}  // namespace vauban::test
