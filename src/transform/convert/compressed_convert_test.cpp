// Folders of GPTQ, AWQ, bitsandbytes and compressed-tensors, decoded on their way to a GGUF and to a folder: the logits that
// shared/data/compress holds (float64 transformers on weights of the outside decoders).
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "base/json_file.h"
#include "base/result.h"
#include "format/hf_writer.h"
#include "format/safetensors.h"
#include "support/model_session.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;

std::vector<fs::path> compressed_folders() {
  std::vector<fs::path> folders;
  if (!fs::exists(shared_data() / "compress")) return folders;
  for (const auto& at : fs::directory_iterator(shared_data() / "compress"))
    if (fs::exists(at.path() / "golden.safetensors") && at.path().filename() != "base_m1") folders.push_back(at.path());
  std::ranges::sort(folders);
  return folders;
}

class ConvertCompressed : public testing::Test, protected test::TestContext {
 protected:
  void SetUp() override { VB_NEED_SHARED("compress"); }

  Result<TransformReport> convert(const fs::path& in, const fs::path& out, std::optional<DType> dtype) {
    VB_TRY(const ModelSource source, ModelSource::open(in));
    const Container to = out.extension() == ".gguf" ? Container::gguf : Container::safetensors;
    return convert_model(source, out, {.to = to, .dtype = dtype, .tokenizer = {}, .tool = {}}, context_);
  }

  void expect_golden_logits(const fs::path& model, const fs::path& original) {
    const auto golden = open_safetensors(original / "golden.safetensors");
    VB_ASSERT_OK(golden);
    const TensorView prompt = (*golden)->find("prompt_ids")->view, wanted = (*golden)->find("logits_f64")->view;
    std::vector<std::int64_t> stored(prompt.bytes.size() / sizeof(std::int64_t));
    std::memcpy(stored.data(), prompt.bytes.data(), prompt.bytes.size());
    std::vector<double> expected(wanted.bytes.size() / sizeof(double));
    std::memcpy(expected.data(), wanted.bytes.data(), wanted.bytes.size());
    auto session = test::ModelSession::open(model, "reference");
    VB_ASSERT_OK(session);
    const auto logits = (*session)->logits(std::vector<std::int32_t>(stored.begin(), stored.end()));
    VB_ASSERT_OK(logits);
    ASSERT_EQ(logits->size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR((*logits)[i], expected[i], 1e-5) << i;
  }

  test::TempDir work_;
};

constexpr int kShares = 4;  // of the folders, so that each test takes less than a second
class ConvertEachCompressed : public ConvertCompressed, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Shares, ConvertEachCompressed, testing::Range(0, kShares));

TEST_P(ConvertEachCompressed, BecomesAGgufAndAFolderWithTheLogitsOfTheOutsideDecoders) {
  const std::vector<fs::path> folders = compressed_folders();
  EXPECT_GE(folders.size(), 27U);
  for (std::size_t at = static_cast<std::size_t>(GetParam()); at < folders.size(); at += kShares) {
    const fs::path& folder = folders[at];
    SCOPED_TRACE(folder.filename());
    const std::string name = folder.filename().string();
    VB_ASSERT_OK(convert(folder, work_ / (name + ".gguf"), DType::f32));
    expect_golden_logits(work_ / (name + ".gguf"), folder);
    VB_ASSERT_OK(convert(folder, work_ / name, DType::f32));
    expect_golden_logits(work_ / name, folder);
    const Json config = *read_json_file(work_ / name / "config.json");
    EXPECT_EQ(config.find("quantization_config"), nullptr);
    EXPECT_EQ(*config.find("torch_dtype"), Json("float32"));
  }
}

/// Through a GGUF and back: the folder says nothing of the scheme any more, and holds what was decoded.
TEST_F(ConvertCompressed, ComesBackFromItsGgufAsAPlainFolder) {
  const fs::path folder = shared_data() / "compress/gptq_b4_g64_asym_act";
  VB_ASSERT_OK(convert(folder, work_ / "m.gguf", DType::f32));
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back", std::nullopt));
  VB_ASSERT_OK(convert(folder, work_ / "direct", DType::f32));
  EXPECT_EQ(read_json_file(work_ / "back" / "config.json")->find("quantization_config"), nullptr);
  const auto back = ModelSource::open(work_ / "back"), direct = ModelSource::open(work_ / "direct");
  VB_ASSERT_OK(back);
  VB_ASSERT_OK(direct);
  ASSERT_EQ(back->file->tensors().size(), direct->file->tensors().size());
  for (const TensorEntry& tensor : direct->file->tensors()) {
    const TensorEntry* other = back->file->find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(other->view.bytes, tensor.view.bytes)) << tensor.name;
  }
}

TEST_F(ConvertCompressed, SaysWhatIsComputedOtherwise) {
  const fs::path folder = shared_data() / "compress/ct_w8a8_static";
  const auto source = ModelSource::open(folder);
  VB_ASSERT_OK(source);
  ASSERT_FALSE(source->compressed->notes().empty());
  for (const char* out : {"m.gguf", "folder"}) {
    const auto made = convert(folder, work_ / out, DType::f32);
    VB_ASSERT_OK(made);
    EXPECT_THAT(made->notes, testing::IsSupersetOf(source->compressed->notes())) << out;
  }
}

TEST_F(ConvertCompressed, NeedsATypeAndQuantizingAgainNeedsToBeAskedFor) {
  const fs::path folder = shared_data() / "compress/awq_g32";
  const auto refused = convert(folder, work_ / "m.gguf", std::nullopt);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_THAT(describe(refused.error()), testing::HasSubstr("--dtype f32, f16 or bf16 decodes them"));

  const auto source = ModelSource::open(folder);
  VB_ASSERT_OK(source);
  QuantizeOptions options{.recipe = "Q8_0", .overrides = {}, .tokenizer = {}, .tool = {}};
  const auto twice = quantize_model(*source, work_ / "m.gguf", options, context_);
  ASSERT_FALSE(twice.has_value());
  EXPECT_THAT(describe(twice.error()), testing::HasSubstr("--allow-requantize"));
  options.allow_requantize = true;
  VB_EXPECT_OK(quantize_model(*source, work_ / "m.gguf", options, context_));
}

/// A part that is missing, a tensor too many: nothing is written, and the name is said.
TEST_F(ConvertCompressed, NothingIsLostSilently) {
  const fs::path folder = shared_data() / "compress/gptq_b4_g32_sym";
  const auto file = open_safetensors(folder / "model.safetensors");
  VB_ASSERT_OK(file);
  const auto write = [&](const fs::path& copy, const std::string& without, const std::string& extra) {
    HfFolder out;
    for (const TensorEntry& tensor : (*file)->tensors()) {
      if (tensor.name == without) continue;
      out.tensors.push_back({.name = tensor.name, .dtype = tensor.view.dtype, .shape = tensor.view.shape,
                             .make = [view = tensor.view]() -> Result<TensorBytes> { return TensorBytes{view.bytes, {}}; }});
    }
    if (!extra.empty())
      out.tensors.push_back({.name = extra, .dtype = DType::f32, .shape = {1},
                             .make = []() -> Result<TensorBytes> { return TensorBytes::own(std::vector<std::byte>(4, std::byte{1})); }});
    out.json_files["config.json"] = *read_json_file(folder / "config.json");
    return write_hf_folder(copy, out);
  };
  const std::string scales = "model.layers.0.self_attn.q_proj.scales";
  for (const auto& [without, extra] : {std::pair(scales, std::string()), std::pair(std::string(), std::string("model.layers.0.stray.weight"))}) {
    const fs::path copy = work_ / (extra.empty() ? "one_less" : "one_more");
    VB_ASSERT_OK(write(copy, without, extra));
    const auto made = convert(copy, work_ / "m.gguf", DType::f32);
    ASSERT_FALSE(made.has_value());
    EXPECT_THAT(describe(made.error()), testing::HasSubstr(without.empty() ? "stray" : "q_proj"));
    EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
  }
}

}  // namespace
}  // namespace vauban
