// tree: sums of modules are those of the header; names of any kind are one line of plain text.
#include "base/result.h"
#include "cli/file_sums.h"
#include "cli/workspace.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

const Json& child(const Json& node, std::string_view name) {
  static const Json kNone;
  const Json* children = node.find("children");
  if (!children) return kNone;
  for (const Json& one : children->items())
    if (one.find("name")->as_string() == name) return one;
  ADD_FAILURE() << "no child " << name;
  return kNone;
}

TEST(Tree, ModulesSumWhatTheHeaderSays) {
  const Workspace work;
  const std::filesystem::path file = work / "base/model.safetensors";
  const Json answer = work.run({"tree", "base", "--json"}).json();
  const Json& root = at(answer, {"tree"});
  const auto expect_sums = [](const Json& node, const FileSums& sums) {
    EXPECT_GT(sums.tensors, 0);
    EXPECT_EQ(at(node, {"tensors"}).as_int(), sums.tensors);
    EXPECT_EQ(at(node, {"parameters"}).as_int(), sums.parameters);
    EXPECT_EQ(at(node, {"bytes"}).as_int(), sums.bytes);
  };
  expect_sums(root, file_sums(file));
  const Json& layer = child(child(child(root, "model"), "layers"), "1");
  expect_sums(layer, file_sums(file, [](const std::string& name) { return name.starts_with("model.layers.1."); }));
  expect_sums(child(layer, "mlp"), file_sums(file, [](const std::string& name) { return name.starts_with("model.layers.1.mlp."); }));
  const Json& leaf = child(child(child(layer, "mlp"), "up_proj"), "weight");
  EXPECT_EQ(at(leaf, {"tensor"}).as_string(), "model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(at(leaf, {"shape"}).dump().value_or(""), "[128,64]");
}

TEST(Tree, FoldsAndCuts) {
  const Workspace work;
  const Outcome folded = work.run({"tree", "base"});
  EXPECT_NE(folded.out.find("0-1 (2 alike)"), std::string::npos) << folded.out;
  const Outcome all = work.run({"tree", "base", "--all"});
  EXPECT_EQ(all.out.find("alike"), std::string::npos);
  EXPECT_GT(all.out.size(), folded.out.size());
  const Json cut = at(work.run({"tree", "base", "--depth", "1", "--json"}).json(), {"tree"});
  EXPECT_EQ(child(cut, "model").find("children"), nullptr);
  EXPECT_EQ(at(child(cut, "model"), {"tensors"}).as_int(), 20);
  EXPECT_EQ(work.run({"tree", "base", "--depth", "1"}).out.find("layers"), std::string::npos);
}

/// Numbers go by value; a name with a hundred thousand dots does not end the program; escapes are shown.
TEST(Tree, NamesOfAnyKind) {
  const Workspace work;
  const std::vector<float> values(4, 1.0F);
  const TensorView view{.dtype = DType::f32, .shape = {4}, .bytes = std::as_bytes(std::span(values))};
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "a.";
  VB_ASSERT_OK(write_safetensors(work / "base/model.safetensors",
                                 std::vector<NamedTensorView>{{"l.10.w", view}, {"l.2.w", {DType::f32, {2, 2}, view.bytes}}, {"l.9.w", view}, {deep + "w", view}, {"x\x1b[31m.w", view}, {"x\x1b[31m", view}, {".", view}}));
  const Outcome text = work.run({"tree", "base"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  EXPECT_NE(text.out.find("9-10 (2 alike)"), std::string::npos) << text.out.substr(0, 2000);
  const Json answer = work.run({"tree", "base", "--json"}).json();
  EXPECT_EQ(at(answer, {"tree", "tensors"}).as_int(), 7);
  const Json& layers = child(at(answer, {"tree"}), "l");
  ASSERT_EQ(at(layers, {"children"}).size(), 3u);
  EXPECT_EQ(at(layers, {"children"}).items()[0].find("name")->as_string(), "2");
}

}  // namespace
}  // namespace vauban::test
