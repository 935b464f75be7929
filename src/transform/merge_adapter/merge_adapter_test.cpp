#include "transform/merge_adapter/merge_adapter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include "base/faulty_file_ops.h"
#include "base/json_file.h"
#include "base/rng.h"
#include "base/result.h"
#include "format/safetensors.h"
#include "model/init_adapter.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "transform/merge_adapter/delta.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using namespace test;

struct Services {
  ThreadPool pool{2};
  SilentProgress progress;
  CancelToken cancel;
  Context context{.pool = pool, .clock = system_clock(), .progress = progress, .cancel = cancel};
};

Result<MergeReport> merge(const fs::path& base, std::shared_ptr<const Adapter> adapter, const fs::path& out,
                          const MergeOptions& options = {.tool = "test"}, FileOps& ops = real_file_ops()) {
  Services services;
  VB_TRY(const ModelSource source, ModelSource::open(base));
  return merge_adapter(source, std::move(adapter), out, options, services.context, ops);
}

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
  return largest;
}

/// A tiny model and an adapter with random A and B on some of its layers.
class MergeAdapter : public testing::Test {
 protected:
  MergeAdapter() { EXPECT_TRUE(write_tiny_model(folder_ / "base").has_value()); }
  std::shared_ptr<const Adapter> trained(std::vector<std::string> names, double size = 0.1) const {
    AdapterConfig config;
    config.rank = 4;
    config.target_modules.names = std::move(names);
    const auto fresh = init_adapter(config, ModelSource::open(folder_ / "base").value(), 3);
    EXPECT_TRUE(fresh.has_value()) << (fresh ? "" : describe(fresh.error()));
    std::map<std::string, std::vector<float>> values;
    Rng rng(5);
    for (const AdapterTensor& tensor : (*fresh)->tensors()) {
      auto& made = values[tensor.key];
      for (std::int64_t i = 0; i < tensor.view.shape.elements(); ++i) made.push_back(static_cast<float>(rng.normal() * size));
    }
    return (*fresh)->with_values(values).value();
  }
  std::vector<double> logits(const fs::path& model, std::vector<std::shared_ptr<const Adapter>> adapters = {}) const {
    const auto session = ModelSession::open(ModelSource::open(model).value(), "reference", adapters);
    EXPECT_TRUE(session.has_value());
    return (*session)->logits(std::vector<std::int32_t>{1, 40, 99, 7}).value();
  }
  TempDir folder_;
};

TEST_F(MergeAdapter, GivesTheLogitsOfBaseAndAdapter) {
  const auto adapter = trained({"q_proj", "v_proj", "down_proj", "embed_tokens", "lm_head"});
  const auto report = merge(folder_ / "base", adapter, folder_ / "out");
  VB_ASSERT_OK(report);
  EXPECT_EQ(report->merged.size(), 2u * 3 + 2);
  const auto apart = logits(folder_ / "base", {adapter}), merged = logits(folder_ / "out");
  EXPECT_LE(worst(apart, merged), 1e-5);
  EXPECT_GT(worst(apart, logits(folder_ / "base")), 1e-2) << "the adapter has an effect";
}

TEST_F(MergeAdapter, LeavesEveryOtherTensorAndFileAsItWas) {
  VB_ASSERT_OK(merge(folder_ / "base", trained({"q_proj"}), folder_ / "out"));
  const auto before = ModelSource::open(folder_ / "base"), after = ModelSource::open(folder_ / "out");
  VB_ASSERT_OK(before);
  VB_ASSERT_OK(after);
  ASSERT_EQ(before->file->tensors().size(), after->file->tensors().size());
  int changed = 0;
  for (const TensorEntry& entry : before->file->tensors())
    changed += before->file->tensor_digest(entry) != after->file->tensor_digest(*after->file->find(entry.name));
  EXPECT_EQ(changed, 2);
  EXPECT_EQ(read_text(folder_ / "base/tokenizer.json"), read_text(folder_ / "out/tokenizer.json"));
  EXPECT_EQ(before->config, after->config);
}

TEST_F(MergeAdapter, WritesWhatItWasMadeFrom) {
  const auto adapter = trained({"q_proj"});
  const auto report = merge(folder_ / "base", adapter, folder_ / "out");
  VB_ASSERT_OK(report);
  const auto after = ModelSource::open(folder_ / "out");
  VB_ASSERT_OK(after);
  const auto text = after->file->metadata().dump();
  VB_ASSERT_OK(text);
  EXPECT_NE(text->find(adapter->digest()), std::string::npos) << *text;
  EXPECT_NE(text->find(ModelSource::open(folder_ / "base").value().file->digest()), std::string::npos) << *text;
  EXPECT_EQ(report->digest, after->file->digest());
}

TEST_F(MergeAdapter, InBf16ReportsWhatRoundingTook) {
  const auto adapter = trained({"q_proj"}, 1e-4);  // deltas of about 1e-8, far below half a bf16 step
  const auto report = merge(folder_ / "base", adapter, folder_ / "out", {.dtype = DType::bf16, .tool = "test"});
  VB_ASSERT_OK(report);
  for (const MergedTensor& tensor : report->merged) EXPECT_GT(tensor.rounding_l2, 100 * tensor.delta_l2) << tensor.name;
  const auto after = ModelSource::open(folder_ / "out");
  VB_ASSERT_OK(after);
  EXPECT_EQ(after->file->find("lm_head.weight")->view.dtype, DType::bf16);
  EXPECT_EQ(after->config.find(after->config.find("dtype") ? "dtype" : "torch_dtype")->as_string(), "bfloat16");
  const auto wide = merge(folder_ / "base", adapter, folder_ / "wide", {.dtype = DType::f32, .tool = "test"});
  VB_ASSERT_OK(wide);
  for (const MergedTensor& tensor : wide->merged) EXPECT_LT(tensor.rounding_l2, tensor.delta_l2) << tensor.name;
}

TEST_F(MergeAdapter, RefusesWhatWouldBecomeAnotherModel) {
  const auto adapter = trained({"lm_head"});
  EXPECT_EQ(merge(folder_ / "base", adapter, folder_ / "base").error().code, ErrorCode::invalid_input);

  TinyModel tied = make_tiny_model();
  tied.config["tie_word_embeddings"] = true;
  tied.tensors.erase("lm_head.weight");
  VB_ASSERT_OK(write_tiny_model(folder_ / "tied", tied));
  const auto refused = merge(folder_ / "tied", adapter, folder_ / "out");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("'lm_head'"), std::string::npos);

  VB_ASSERT_OK(write_file_atomic(folder_ / "model.gguf", tiny_gguf(make_tiny_model())));
  EXPECT_EQ(merge(folder_ / "model.gguf", adapter, folder_ / "out").error().code, ErrorCode::unsupported);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(MergeAdapter, RefusesValuesThatTheTypeCannotHold) {
  const auto refused = merge(folder_ / "base", trained({"q_proj"}, 1e4), folder_ / "out", {.dtype = DType::f16, .tool = "test"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(refused.error()).find("f16"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(MergeAdapter, LeavesNothingWhenTheDiskIsFull) {
  FaultyFileOps faulty({.call = "write", .nth = 2, .error_number = ENOSPC, .times = 1000});
  EXPECT_EQ(merge(folder_ / "base", trained({"q_proj"}), folder_ / "out", {.tool = "test"}, faulty).error().code,
            ErrorCode::resource);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST(MergeRounding, IsDoneOnce) {
  // 1 + 2^-8 + 2^-40: above the tie between 1 and 1 + 2^-7 in bf16, but f32 would first cut it to the tie.
  EXPECT_EQ(rounded_once(1.0 + std::ldexp(1.0, -8) + std::ldexp(1.0, -40), DType::bf16), 1.0F + std::ldexp(1.0F, -7));
  EXPECT_EQ(rounded_once(1.0 + std::ldexp(1.0, -8), DType::bf16), 1.0F) << "a tie goes to even";
  EXPECT_EQ(rounded_once(-1.0 - std::ldexp(1.0, -11) - std::ldexp(1.0, -40), DType::f16), -1.0F - std::ldexp(1.0F, -10));
  EXPECT_EQ(rounded_once(0.1, DType::f32), 0.1F);
}

TEST(MergeDelta, IsWorkedOutByHandInBothLayouts) {
  // A = [[1, 2, 3]], B = [[10], [20]]: B A = [[10, 20, 30], [20, 40, 60]]; scale 1/2 on a base of ones.
  const std::vector<float> a{1, 2, 3}, b{10, 20}, ones(6, 1.0F);
  const AdapterTensor ta = adapter_tensor("a", {1, 3}, a), tb = adapter_tensor("b", {2, 1}, b);
  const PlannedPair pair{.a = &ta, .b = &tb, .scale = 0.5};
  ThreadPool pool(2);
  const auto check = [&](const Shape& shape, DeltaLayout layout, std::vector<float> expected) {
    const AdapterTensor base = adapter_tensor("w", shape, ones);
    const auto merged = merge_pair(base.view, pair, layout, DType::f32, pool);
    VB_ASSERT_OK(merged);
    EXPECT_EQ(decode_f32({DType::f32, shape, merged->bytes}).value(), expected);
    EXPECT_NEAR(merged->delta_l2, std::sqrt(25.0 + 100 + 225 + 100 + 400 + 900), 1e-12);
    EXPECT_EQ(merged->rounding_l2, 0.0);
  };
  check({2, 3}, DeltaLayout::out_in, {6, 11, 16, 11, 21, 31});
  check({3, 2}, DeltaLayout::in_out, {6, 11, 11, 21, 16, 31});
}

// ---- PEFT's own sets

std::vector<double> f64_of(const ModelFile& file, const char* name) {
  const auto bytes = file.find(name)->view.bytes;
  std::vector<double> out(bytes.size() / sizeof(double));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

TEST(MergeAdapterOfPeft, GivesTheLogitsOfMergeAndUnload) {
  VB_NEED_SHARED("peft/tiny");
  for (const auto& [set, base] :
       {std::pair{"lora_llama", "llama"}, {"lora_rslora_patterns", "llama"}, {"lora_layers_regex", "llama_bias"},
        {"lora_modules_to_save", "llama_tied"}, {"lora_embedding", "llama"}, {"lora_gpt2_conv1d", "gpt2"},
        {"lora_gpt2_conv1d", "gpt2_hub"}, {"lora_fused_phi3", "phi3"}}) {
    SCOPED_TRACE(std::string(set) + " on " + base);
    const TempDir folder;
    fs::path from = shared_data() / "tiny_models" / base;
    if (std::string(base) == "gpt2_hub") {  // the same weights under the names of the first published files
      from = folder / "hub";
      fs::create_directories(from);
      fs::copy_file(shared_data() / "tiny_models/gpt2/config.json", from / "config.json");
      const auto file = open_safetensors(shared_data() / "tiny_models/gpt2/model.safetensors");
      VB_ASSERT_OK(file);
      std::vector<NamedTensorView> tensors;
      for (const TensorEntry& entry : (*file)->tensors())
        tensors.push_back({entry.name.substr(std::string_view("transformer.").size()), entry.view});
      VB_ASSERT_OK(write_safetensors(from / "model.safetensors", tensors));
    }
    const fs::path adapter_path = shared_data() / "peft/tiny" / set;
    const auto adapter = Adapter::open(adapter_path);
    VB_ASSERT_OK(adapter);
    const auto report = merge(from, *adapter, folder / "out");
    VB_ASSERT_OK(report);
    const auto golden = open_safetensors(adapter_path / "golden.safetensors");
    VB_ASSERT_OK(golden);
    const auto id_bytes = (*golden)->find("ids")->view.bytes;
    std::vector<std::int64_t> wide(id_bytes.size() / sizeof(std::int64_t));
    std::memcpy(wide.data(), id_bytes.data(), id_bytes.size());
    const std::vector<std::int32_t> ids(wide.begin(), wide.end());

    const auto session = ModelSession::open(folder / "out", "reference");
    VB_ASSERT_OK(session);
    const std::vector<double> merged = (*session)->logits(ids).value();
    const std::vector<double> last(merged.end() - (*session)->vocab(), merged.end());
    EXPECT_LE(worst(last, f64_of(**golden, "merged_logits_last_f64")), 1e-5);
    const auto apart = ModelSession::open(from.string() + "+" + adapter_path.string(), "reference");
    VB_ASSERT_OK(apart);
    EXPECT_LE(worst(merged, (*apart)->logits(ids).value()), 1e-5);
  }
}

}  // namespace
}  // namespace vauban
