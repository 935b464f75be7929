// Quantising: llama.cpp's own files of the same model are the answer, byte for byte.
#include "transform/quantize/quantize.h"

#include <cerrno>
#include <limits>

#include "base/faulty_file_ops.h"
#include "base/result.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;
using test::TempDir;

class Quantize : public testing::Test {
 protected:
  Result<TransformReport> quantize(const fs::path& in, const fs::path& out, QuantizeOptions options, FileOps& ops = real_file_ops()) {
    options.tool = "vauban test";
    options.tokenizer.allow_inexact = true;
    VB_TRY(const ModelSource source, ModelSource::open(in));
    return quantize_model(source, out, options, context_, ops);
  }
  Result<TransformReport> quantize(const fs::path& in, const fs::path& out, const char* recipe) {
    return quantize(in, out, QuantizeOptions{.recipe = recipe});
  }

  TempDir work_;
  ThreadPool pool_{2};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{pool_, clock_, progress_, cancel_};
};

std::shared_ptr<const ModelFile> weights(const fs::path& path) { return ModelSource::open(path)->file; }

struct Answer {
  const char* recipe;
  const char* file;
};
class QuantizeAnswer : public Quantize, public testing::WithParamInterface<Answer> {};

TEST_P(QuantizeAnswer, EqualsLlamaCppsFileByteForByte) {
  VB_NEED_SHARED("models/gguf");
  const fs::path gguf = shared_data() / "models/gguf";
  VB_ASSERT_OK(quantize(gguf / "TinyStories-656K-F32.gguf", work_ / "m.gguf", GetParam().recipe));
  // The whole file, apart from the lineage that ours carries.
  const std::string made = test::read_text(work_ / "m.gguf");
  const auto contents = parse_gguf(std::as_bytes(std::span(made)));
  VB_ASSERT_OK(contents);
  std::vector<GgufKey> keys = gguf_keys(*contents);
  EXPECT_EQ(std::erase_if(keys, [](const GgufKey& key) { return key.name.starts_with("vauban.lineage."); }), 4u);
  std::vector<TensorOut> tensors;
  for (const TensorEntry& tensor : contents->tensors)
    tensors.push_back({.name = tensor.name, .dtype = tensor.view.dtype, .shape = tensor.view.shape, .make = [&tensor]() -> Result<TensorBytes> {
                         return TensorBytes{.bytes = tensor.view.bytes, .owner = {}};
                       }});
  VB_ASSERT_OK(write_gguf(work_ / "plain.gguf", keys, tensors));
  EXPECT_TRUE(test::read_text(work_ / "plain.gguf") == test::read_text(gguf / GetParam().file));
}

TEST_P(QuantizeAnswer, AFolderGivesTheSameTensorsAsItsGguf) {
  VB_NEED_SHARED("models/TinyStories-656K");
  VB_ASSERT_OK(quantize(shared_data() / "models/TinyStories-656K", work_ / "m.gguf", GetParam().recipe));
  EXPECT_EQ(weights(work_ / "m.gguf")->digest(), weights(shared_data() / "models/gguf" / GetParam().file)->digest());
}

INSTANTIATE_TEST_SUITE_P(Files, QuantizeAnswer,
                         testing::Values(Answer{"F16", "TinyStories-656K-F16.gguf"}, Answer{"Q8_0", "TinyStories-656K-Q8_0.gguf"},
                                         Answer{"Q5_0", "TinyStories-656K-Q5_0.gguf"}, Answer{"q4_1", "TinyStories-656K-Q4_1.gguf"},
                                         Answer{"Q4_0", "TinyStories-656K-Q4_0.gguf"}),
                         [](const auto& answer) { return std::string(answer.param.recipe); });

TEST_F(Quantize, RowsThatDoNotDivideIntoBlocksAreRefusedUnlessToldOtherwise) {
  VB_NEED_SHARED("models/gguf/stories260K-F32.gguf");
  const fs::path source = shared_data() / "models/gguf/stories260K-F32.gguf";  // the MLP is 172 wide
  const auto refused = quantize(source, work_ / "m.gguf", "Q4_0");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(describe(refused.error()).find("ffn_down"), std::string::npos) << describe(refused.error());
  EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
  VB_ASSERT_OK(quantize(source, work_ / "m.gguf", QuantizeOptions{.recipe = "Q4_0", .overrides = {"ffn_down=f16"}}));
  const auto made = weights(work_ / "m.gguf");
  EXPECT_EQ(made->find("blk.0.ffn_down.weight")->view.dtype, DType::f16);
  EXPECT_EQ(made->find("blk.0.ffn_up.weight")->view.dtype, DType::q4_0);
  EXPECT_EQ(made->find("token_embd.weight")->view.dtype, DType::q4_0);
  EXPECT_EQ(made->find("output.weight")->view.dtype, DType::q8_0);
  EXPECT_EQ(made->find("output_norm.weight")->view.dtype, DType::f32);
  VB_EXPECT_OK(test::ModelSession::open(work_ / "m.gguf", "reference"));
}

TEST_F(Quantize, OverridesAndPureDecide) {
  const auto choose = [](std::vector<TypeOverride> overrides, bool pure, std::string_view name, Shape shape) {
    return choose_type({.recipe = *find_quantize_recipe("Q4_0"), .overrides = std::move(overrides), .pure = pure, .tied_head = false}, name, shape, DType::f32);
  };
  EXPECT_EQ(choose({}, false, "output.weight", {512, 256})->dtype, DType::q8_0);
  EXPECT_NE(choose({}, false, "output.weight", {512, 256})->note.find("q6_K"), std::string::npos);
  EXPECT_EQ(choose({}, true, "output.weight", {512, 256})->dtype, DType::q4_0);
  EXPECT_EQ(choose({{"^blk\\.[01]\\.", DType::q8_0}, {"attn", DType::f16}}, false, "blk.1.attn_q.weight", {64, 64})->dtype, DType::q8_0);
  EXPECT_EQ(choose({{"^blk\\.[01]\\.", DType::q8_0}, {"attn", DType::f16}}, false, "blk.2.attn_q.weight", {64, 64})->dtype, DType::f16);
  EXPECT_EQ(choose({{"norm", DType::q8_0}}, false, "blk.2.attn_norm.weight", {64})->dtype, DType::f32);
  EXPECT_EQ(choose({}, false, "blk.2.attn_q.bias", {64})->dtype, DType::f32);
  EXPECT_FALSE(choose({}, false, "blk.2.attn_q.weight", {64, 33}).has_value());
}

TEST_F(Quantize, WordsThatAreNotRecipesAreRefused) {
  EXPECT_EQ(find_quantize_recipe("Q4_K_M").error().code, ErrorCode::unsupported);
  EXPECT_EQ(find_quantize_recipe("iq2_xs").error().code, ErrorCode::unsupported);
  EXPECT_EQ(find_quantize_recipe("Q4_9").error().code, ErrorCode::invalid_input);
  for (const char* text : {"", "x", "=q4_0", "a=", "a=q9", "(=q4_0"}) EXPECT_FALSE(parse_type_override(text).has_value()) << text;
  EXPECT_EQ(parse_type_override("a=b=Q8_0")->pattern, "a=b");
  for (const QuantizeRecipe& recipe : quantize_recipes()) EXPECT_EQ(gguf_file_type(recipe.matrices).value(), recipe.file_type) << recipe.name;
}

TEST_F(Quantize, AQuantisedSourceNeedsAWord) {
  VB_NEED_SHARED("models/gguf");
  const fs::path source = shared_data() / "models/gguf/TinyStories-656K-Q8_0.gguf";
  const auto refused = quantize(source, work_ / "m.gguf", "Q4_0");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("--allow-requantize"), std::string::npos);
  VB_EXPECT_OK(quantize(source, work_ / "m.gguf", QuantizeOptions{.recipe = "Q4_0", .allow_requantize = true}));
}

TEST_F(Quantize, ThePlanIsWhatIsWritten) {
  VB_NEED_SHARED("models/gguf");
  const auto source = ModelSource::open(shared_data() / "models/gguf/TinyStories-656K-F32.gguf");
  const auto plan = plan_quantize(*source, {.recipe = "Q4_0", .tool = "vauban test"}, context_);
  VB_ASSERT_OK(plan);
  EXPECT_TRUE(plan->digest.empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(work_.path()), {}), 0);
  const auto made = quantize(source->path, work_ / "m.gguf", "Q4_0");
  VB_ASSERT_OK(made);
  EXPECT_EQ(plan->totals.bytes, made->totals.bytes);
  EXPECT_EQ(plan->lineage.recipe, "quantize Q4_0");
  std::uint64_t stored = 0;
  const std::shared_ptr<const ModelFile> file = weights(work_ / "m.gguf");
  for (const TensorEntry& tensor : file->tensors()) stored += tensor.view.bytes.size();
  EXPECT_EQ(stored, plan->totals.bytes);
  EXPECT_LT(plan->totals.bits_per_weight, 6.2);  // 4.5, and 8.5 for the tied table, which is 43 % of this model
  EXPECT_GT(plan->totals.bits_per_weight, 4.5);
}

TEST_F(Quantize, WeightsThatAreNotFiniteAreRefused) {
  test::TinyModel model = test::make_tiny_model();
  model.tensors["model.layers.1.mlp.up_proj.weight"].values[70] = std::numeric_limits<float>::quiet_NaN();
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", model));
  const auto refused = quantize(work_ / "tiny", work_ / "m.gguf", "Q4_0");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_NE(describe(refused.error()).find("blk.1.ffn_up.weight"), std::string::npos);
  EXPECT_NE(describe(refused.error()).find("element 70"), std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator(work_.path()), {}), 1);
}

TEST_F(Quantize, AFullDiskLeavesTheOldFile) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  VB_ASSERT_OK(write_file_atomic(work_ / "m.gguf", "old"));
  test::FaultyFileOps faulty({.call = "write", .nth = 9, .error_number = ENOSPC, .times = 1000});
  EXPECT_FALSE(quantize(work_ / "tiny", work_ / "m.gguf", QuantizeOptions{.recipe = "Q8_0"}, faulty).has_value());
  EXPECT_EQ(test::read_text(work_ / "m.gguf"), "old");
  VB_ASSERT_OK(quantize(work_ / "tiny", work_ / "m.gguf", "Q8_0"));
  EXPECT_EQ(weights(work_ / "m.gguf")->find("blk.0.attn_q.weight")->view.dtype, DType::q8_0);
}

TEST_F(Quantize, TheThreadsDoNotChangeTheBytes) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  VB_ASSERT_OK(quantize(work_ / "tiny", work_ / "two.gguf", "Q5_1"));
  ThreadPool one(1);
  const Context alone{one, clock_, progress_, cancel_};
  const auto source = ModelSource::open(work_ / "tiny");
  VB_ASSERT_OK(quantize_model(*source, work_ / "one.gguf", {.recipe = "Q5_1", .tokenizer = {.allow_inexact = true}, .tool = "vauban test"}, alone));
  EXPECT_TRUE(test::read_text(work_ / "one.gguf") == test::read_text(work_ / "two.gguf"));
}

}  // namespace
}  // namespace vauban
