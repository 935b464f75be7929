// Quantising: llama.cpp's own files of the same model are the answer, byte for byte.
#include "transform/quantize/quantize.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/faulty_file_ops.h"
#include "base/json.h"
#include "base/result.h"
#include "base/sha256.h"
#include "support/model_session.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;
using test::TempDir;

class Quantize : public testing::Test, protected test::TestContext {
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
};

TensorSpec matrix(std::string_view name, Shape shape) {
  return {.hf = {}, .gguf = std::string(name), .shape = std::move(shape), .role = TensorRole::linear};
}

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

TEST_F(Quantize, RowsThatDoNotDivideInto256GetANarrowerType) {
  VB_NEED_SHARED("models/gguf/stories260K-F32.gguf");
  const auto made = quantize(shared_data() / "models/gguf/stories260K-F32.gguf", work_ / "m.gguf", "Q4_K_M");
  VB_ASSERT_OK(made);
  const auto file = weights(work_ / "m.gguf");
  EXPECT_EQ(file->find("blk.1.ffn_up.weight")->view.dtype, DType::q5_0);    // 64 wide, Q4_K
  EXPECT_EQ(file->find("output.weight")->view.dtype, DType::q8_0);          // 64 wide, Q6_K
  EXPECT_EQ(file->find("blk.0.ffn_down.weight")->view.dtype, DType::f16);   // 172 wide
  EXPECT_EQ(file->metadata().find("general.file_type")->as_int(), 15);
  const auto says = [&](std::string_view text) {
    return std::ranges::any_of(made->notes, [text](const std::string& note) { return note.find(text) != std::string::npos; });
  };
  EXPECT_TRUE(says("blk.1.ffn_up.weight: q5_0 (q4_K needs rows of a multiple of 256, these have 64)"));
  VB_EXPECT_OK(test::ModelSession::open(work_ / "m.gguf", "reference"));
}

TEST_F(Quantize, OverridesAndPureDecide) {
  const auto choose = [](std::vector<TypeOverride> overrides, bool pure, std::string_view name, Shape shape) {
    RecipeContext context{.recipe = *find_quantize_recipe("Q4_0"), .overrides = std::move(overrides)};
    context.pure = pure;
    return choose_type(context, matrix(name, std::move(shape)), DType::f32);
  };
  EXPECT_EQ(choose({}, false, "output.weight", {512, 256})->dtype, DType::q6_k);
  EXPECT_EQ(choose({}, false, "output.weight", {512, 96})->dtype, DType::q8_0);
  EXPECT_EQ(choose({}, true, "output.weight", {512, 256})->dtype, DType::q4_0);
  EXPECT_EQ(choose({{"^blk\\.[01]\\.", DType::q8_0}, {"attn", DType::f16}}, false, "blk.1.attn_q.weight", {64, 64})->dtype, DType::q8_0);
  EXPECT_EQ(choose({{"^blk\\.[01]\\.", DType::q8_0}, {"attn", DType::f16}}, false, "blk.2.attn_q.weight", {64, 64})->dtype, DType::f16);
  EXPECT_EQ(choose({{"norm", DType::q8_0}}, false, "blk.2.attn_norm.weight", {64})->dtype, DType::f32);
  EXPECT_EQ(choose({}, false, "blk.2.attn_q.bias", {64})->dtype, DType::f32);
  EXPECT_EQ(choose({}, false, "blk.2.ffn_gate_inp.weight", {8, 64})->dtype, DType::f32);
  EXPECT_FALSE(choose({}, false, "blk.2.attn_q.weight", {64, 33}).has_value());
}

TEST_F(Quantize, WordsThatAreNotRecipesAreRefused) {
  EXPECT_EQ(find_quantize_recipe("Q4_9").error().code, ErrorCode::invalid_input);
  EXPECT_EQ((*find_quantize_recipe("q4_k"))->name, "Q4_K_M");
  for (const char* text : {"", "x", "=q4_0", "a=", "a=q9", "(=q4_0", "a=q8_K", "a=i8"}) EXPECT_FALSE(parse_type_override(text).has_value()) << text;
  EXPECT_EQ(parse_type_override("a=b=Q8_0")->pattern, "a=b");
  EXPECT_EQ(parse_type_override("a=iq2_s")->dtype, DType::iq2_s) << "the type, not the recipe of that name";
  EXPECT_EQ(parse_type_override("a=Q4_K")->dtype, DType::q4_k);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q5_1, DType::q5_0, DType::q4_1, DType::q4_0})
    EXPECT_EQ(gguf_file_type(dtype).value(), static_cast<int>((*find_quantize_recipe(to_string(dtype)))->file_type));
}

// ---- mixtures

/// llama.cpp tests/snapshots/qwen3-0.6b.schema: 28 layers, 16 heads, 8 of keys, an untied head, no importance matrix. Per
/// recipe the types that differ from its own, and the layers that have them ("all": every one).
struct Snapshot {
  const char* recipe;
  const char* tensor;
  DType dtype;
  std::vector<int> layers;
};

const std::vector<int> kAll = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27};
const std::vector<int> kMoreBits = {0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27};
std::vector<int> layers(int begin, int end) { return {kAll.begin() + begin, kAll.begin() + end}; }

const std::vector<Snapshot> kSnapshots = {
    {"Q2_K", "attn_output", DType::q3_k, kAll},   {"Q2_K", "attn_v", DType::q3_k, kAll},         {"Q2_K", "ffn_down", DType::q3_k, kAll},
    {"Q3_K_M", "attn_output", DType::q4_k, kAll}, {"Q3_K_M", "attn_v", DType::q5_k, layers(0, 2)}, {"Q3_K_M", "attn_v", DType::q4_k, layers(2, 28)},
    {"Q3_K_M", "ffn_down", DType::q5_k, {0}},     {"Q3_K_M", "ffn_down", DType::q4_k, layers(1, 28)},
    {"Q3_K_L", "attn_output", DType::q5_k, kAll}, {"Q3_K_L", "attn_v", DType::q5_k, kAll},       {"Q3_K_L", "ffn_down", DType::q5_k, kAll},
    {"Q4_K_S", "attn_v", DType::q5_k, layers(0, 4)}, {"Q4_K_S", "ffn_down", DType::q5_k, layers(0, 3)},
    {"Q4_K_M", "attn_v", DType::q6_k, kMoreBits}, {"Q4_K_M", "ffn_down", DType::q6_k, kMoreBits},
    {"Q5_K_M", "attn_v", DType::q6_k, kMoreBits}, {"Q5_K_M", "ffn_down", DType::q6_k, kMoreBits},
    {"IQ2_XXS", "attn_v", DType::q2_k, kAll},     {"IQ2_XXS", "ffn_down", DType::q2_k, layers(0, 3)},
    {"IQ2_XS", "attn_v", DType::q2_k, kAll},      {"IQ2_XS", "ffn_down", DType::q2_k, layers(0, 3)},
    {"Q2_K_S", "ffn_down", DType::q4_k, layers(0, 3)},
    {"IQ3_XS", "attn_k", DType::iq3_xxs, kAll},   {"IQ3_XS", "attn_q", DType::iq3_xxs, kAll},
    {"IQ3_XS", "ffn_gate", DType::iq3_xxs, layers(3, 24)}, {"IQ3_XS", "ffn_up", DType::iq3_xxs, layers(3, 24)},
    {"IQ3_XXS", "attn_k", DType::iq2_s, kAll},    {"IQ3_XXS", "attn_q", DType::iq2_s, kAll},     {"IQ3_XXS", "attn_v", DType::iq3_s, kAll},
    {"IQ3_XXS", "attn_output", DType::iq3_s, kAll}, {"IQ3_XXS", "ffn_down", DType::q4_k, layers(0, 3)},
    {"IQ3_XXS", "ffn_down", DType::q3_k, layers(3, 28)},
};

TEST(Mixtures, AreLlamaCppsSnapshotOfQwen3) {
  const auto expected = [](const QuantizeRecipe& recipe, std::string_view tensor, int layer) {
    for (const Snapshot& entry : kSnapshots)
      if (entry.recipe == recipe.name && entry.tensor == tensor && std::ranges::find(entry.layers, layer) != entry.layers.end()) return entry.dtype;
    return recipe.matrices;
  };
  for (const char* name : {"Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S",
                           "IQ3_XS", "IQ3_XXS", "Q4_0", "Q8_0"}) {
    const QuantizeRecipe& recipe = **find_quantize_recipe(name);
    RecipeContext context{.recipe = &recipe, .overrides = {}};
    context.layers = 28;
    context.heads = 16;
    context.kv_heads = 8;
    context.value_layers = kAll;
    for (const char* tensor : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
      for (const int layer : kAll)
        EXPECT_EQ(type_in_mixture(context, format("blk.{}.{}.weight", layer, tensor), {1024, 1024}), expected(recipe, tensor, layer))
            << name << " " << tensor << " " << layer;
    const bool lowest = std::string_view(name).starts_with("IQ2") || std::string_view(name) == "IQ3_XXS";
    EXPECT_EQ(type_in_mixture(context, "output.weight", {1024, 1024}),
              recipe.matrices == DType::q8_0 ? DType::q8_0 : lowest ? DType::q5_k : DType::q6_k) << name;
    EXPECT_EQ(type_in_mixture(context, "token_embd.weight", {1024, 1024}),
              std::string_view(name).starts_with("IQ2") ? DType::q2_k : std::string_view(name) == "IQ3_XXS" ? DType::iq3_s : recipe.matrices) << name;
  }
}

TEST(Mixtures, AskForAnImportanceMatrixWhereLlamaCppDoes) {
  RecipeContext context{.recipe = *find_quantize_recipe("Q2_K_S"), .overrides = {}};
  context.layers = 28;
  EXPECT_TRUE(choose_type(context, matrix("blk.9.ffn_up.weight", {256, 256}), DType::f32)->needs_importance);
  EXPECT_FALSE(choose_type(context, matrix("blk.0.ffn_down.weight", {256, 256}), DType::f32)->needs_importance) << "that one is q4_K";
  context.recipe = *find_quantize_recipe("Q2_K");
  EXPECT_FALSE(choose_type(context, matrix("blk.9.ffn_up.weight", {256, 256}), DType::f32)->needs_importance);
}

// ---- importance matrices

struct Weighted {
  const char* recipe;
  bool imatrix;
};
class QuantizeWithImportance : public Quantize, public testing::WithParamInterface<Weighted> {};

/// llama-quantize --pure [--imatrix imatrix.gguf] TinyStories-656K-F32.gguf: hash of every tensor (compress/kld_imatrix).
TEST_P(QuantizeWithImportance, EqualsLlamaQuantizeTensorByTensor) {
  VB_NEED_SHARED("compress/kld_imatrix/check.json");
  const fs::path answers = shared_data() / "compress/kld_imatrix";
  QuantizeOptions options{.recipe = GetParam().recipe};
  options.pure = true;
  if (GetParam().imatrix) options.imatrix = answers / "imatrix.gguf";
  VB_ASSERT_OK(quantize(shared_data() / "models/gguf/TinyStories-656K-F32.gguf", work_ / "m.gguf", options));
  const auto check = Json::parse(test::read_text(answers / "check.json"));
  VB_ASSERT_OK(check);
  const Json* tensors = check->find("quantised")->find(format("{}_{}.gguf", GetParam().imatrix ? "im" : "no", GetParam().recipe));
  ASSERT_NE(tensors, nullptr);
  const auto made = weights(work_ / "m.gguf");
  int compared = 0;
  for (const auto& [name, answer] : tensors->entries()) {
    const TensorEntry* tensor = made->find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(sha256_hex(tensor->view.bytes), answer.items().back().as_string()) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 15);
}
INSTANTIATE_TEST_SUITE_P(Files, QuantizeWithImportance,
                         testing::Values(Weighted{"Q4_0", true}, Weighted{"Q4_1", true}, Weighted{"Q5_0", true}, Weighted{"Q5_1", true},
                                         Weighted{"IQ4_NL", true}, Weighted{"Q4_0", false}, Weighted{"Q4_1", false}, Weighted{"Q5_0", false},
                                         Weighted{"Q5_1", false}, Weighted{"IQ4_NL", false}),
                         [](const auto& weighted) { return format("{}{}", weighted.param.recipe, weighted.param.imatrix ? "_imatrix" : ""); });

TEST_F(Quantize, ATypeThatNeedsImportanceIsRefusedWithoutAndPlanned) {
  VB_NEED_SHARED("models/gguf/TinyStories-656K-F32.gguf");
  const fs::path source = shared_data() / "models/gguf/TinyStories-656K-F32.gguf";  // 128 and 384 wide
  QuantizeOptions options{.recipe = "Q8_0", .overrides = {"blk.0.attn_q=iq3_xxs"}};
  const auto opened = ModelSource::open(source);
  VB_EXPECT_OK(quantize(source, work_ / "m.gguf", options)) << "iq3_xxs falls back to iq4_nl for these rows";
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  options.imatrix = work_ / "nothing.dat";
  EXPECT_EQ(quantize(source, work_ / "n.gguf", options).error().code, ErrorCode::not_found);
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
  EXPECT_TRUE(plan->lineage.base_digest.empty()) << "that takes reading all of the source";
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

TEST_F(Quantize, AnOverrideThatDecidesNothingIsRefusedOrSaid) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  const auto refused = quantize(work_ / "tiny", work_ / "m.gguf", QuantizeOptions{.recipe = "Q8_0", .overrides = {"attn_v=f16", "ffn_dwon=f16"}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(refused.error()).find("'ffn_dwon=f16' matches no tensor"), std::string::npos) << describe(refused.error());
  EXPECT_NE(describe(refused.error()).find("did you mean 'ffn_down'?"), std::string::npos) << describe(refused.error());
  EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
  const auto made = quantize(work_ / "tiny", work_ / "m.gguf", QuantizeOptions{.recipe = "Q8_0", .overrides = {"attn=f16", "_norm=q8_0", "attn_v=q4_0"}});
  VB_ASSERT_OK(made);
  const auto says = [&](std::string_view text) {
    return std::ranges::any_of(made->notes, [text](const std::string& note) { return note.starts_with(text); });
  };
  EXPECT_TRUE(says("--tensor-type '_norm=q8_0' changes nothing"));
  EXPECT_TRUE(says("--tensor-type 'attn_v=q4_0' changes nothing"));
  EXPECT_FALSE(says("--tensor-type 'attn=f16'"));
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
