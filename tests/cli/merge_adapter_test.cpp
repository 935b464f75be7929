// merge-adapter, and BASE+ADAPTER as a MODEL.
#include <cmath>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/peft/adapter.h"
#include "format/model_source.h"
#include "model/init_adapter.h"

namespace vauban::test {
namespace {

/// An adapter for the workspace's `base`, in the folder `adapter`.
void write_adapter(const Workspace& work) {
  AdapterConfig config;
  config.rank = 2;
  config.target_modules.names = {"q_proj", "up_proj"};
  const auto fresh = init_adapter(config, ModelSource::open(work / "base").value(), 1);
  VB_ASSERT_OK(fresh);
  std::map<std::string, std::vector<float>> values;
  for (const AdapterTensor& tensor : (*fresh)->tensors())
    if (tensor.parsed.part == AdapterPart::lora_b)
      values[tensor.key] = std::vector<float>(static_cast<std::size_t>(tensor.view.shape.elements()), 0.05F);
  VB_ASSERT_OK((*fresh)->with_values(values).value()->write(work / "adapter"));
}

std::vector<double> logits_of(const Workspace& work, const std::string& model) {
  const Outcome done = work.run({"logits", model, "--ids", "1,40,99", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  std::vector<double> logits;
  for (const Json& value : at(answer, {"logits"}).items()) logits.push_back(value.as_double());
  return logits;
}

TEST(MergeAdapterCommand, GivesWhatBasePlusAdapterGives) {
  const Workspace work;
  write_adapter(work);
  const Outcome done = work.run({"merge-adapter", "base", "adapter", "merged", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  EXPECT_EQ(at(answer, {"tensors"}).size(), 4u);
  EXPECT_EQ(at(answer, {"in"}).as_string(), "base");
  EXPECT_TRUE(at(answer, {"lineage", "adapter_digest"}).is_string());
  EXPECT_EQ(at(answer, {"digest"}), at(work.run({"inspect", "merged", "--json"}).json(), {"digest"}));

  const auto merged = logits_of(work, "merged"), apart = logits_of(work, "base+adapter"), base = logits_of(work, "base");
  ASSERT_EQ(merged.size(), apart.size());
  double distance = 0, effect = 0;
  for (std::size_t i = 0; i < merged.size(); ++i) {
    distance = std::max(distance, std::fabs(merged[i] - apart[i]));
    effect = std::max(effect, std::fabs(apart[i] - base[i]));
  }
  EXPECT_LE(distance, 1e-5);
  EXPECT_GT(effect, 1e-3);
}

TEST(MergeAdapterCommand, InspectShowsTheAdapterOfAModel) {
  const Workspace work;
  write_adapter(work);
  const Json answer = work.run({"inspect", "base+adapter", "--json"}).json();
  ASSERT_EQ(at(answer, {"adapters"}).size(), 1u);
  EXPECT_EQ(at(answer, {"adapters"}).items().front().find("rank")->as_int(), 2);
}

TEST(MergeAdapterCommand, RefusesAnExistingFolderAndAMissingAdapter) {
  const Workspace work;
  write_adapter(work);
  EXPECT_EQ(work.run({"merge-adapter", "base", "adapter", "changed"}).exit_code, 2);
  EXPECT_EQ(work.run({"merge-adapter", "base", "nowhere", "merged"}).exit_code, 2);
  EXPECT_EQ(work.run({"logits", "base+nowhere", "--ids", "1"}).exit_code, 2);
}

}  // namespace
}  // namespace vauban::test
