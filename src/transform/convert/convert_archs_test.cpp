// Every architecture on its way to GGUF and back: beside the files of llama.cpp's converter, beside the logits of
// transformers, and beside itself.
#include <cstring>
#include <map>

#include <gmock/gmock.h>

#include "base/json_file.h"
#include "base/result.h"
#include "format/hf_writer.h"
#include "format/safetensors.h"
#include "model/config_differences.h"
#include "support/model_session.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "transform/convert/config_forms.h"
#include "transform/convert/convert.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;
using test::TempDir;

fs::path tiny(const std::string& name) { return shared_data() / "tiny_models" / name; }
std::shared_ptr<const ModelFile> weights(const fs::path& path) { return ModelSource::open(path)->file; }

/// What GGUF files of these families cannot say, as a part of the refusal; the README of tiny_models knows most of them.
const std::map<std::string, std::string, std::less<>>& refused() {
  static const std::map<std::string, std::string, std::less<>> list = {
      {"llama_rope_dynamic", "'dynamic'"},
      {"qwen2_sliding", "sliding window"},
      {"qwen2_moe_sparse", "kinds of layers"},
      {"qwen3_moe_nonorm", "kinds of layers"},
      {"gemma3_linear", "layers"},
      {"falcon_alibi", "ALiBi"},
      {"exaone4", "sliding window"},
      {"gptj", "'gptj' is not built: llama.cpp has no GGUF form of it"},
      {"opt", "'opt' is not built: llama.cpp has no GGUF form of it"},
  };
  return list;
}

std::vector<std::string> tiny_names(const std::function<bool(const std::string&)>& wanted) {
  std::vector<std::string> names;
  if (!fs::exists(shared_data() / "tiny_models")) return names;
  for (const auto& at : fs::directory_iterator(shared_data() / "tiny_models"))
    if (fs::exists(at.path() / "config.json") && wanted(at.path().filename().string())) names.push_back(at.path().filename().string());
  std::ranges::sort(names);
  return names;
}
bool is_converted(const std::string& name) { return !refused().contains(name); }
bool has_gguf(const std::string& name) { return fs::exists(tiny(name) / "model.f32.gguf"); }

class ConvertArchs : public testing::Test, protected test::TestContext {
 protected:
  Result<TransformReport> convert(const fs::path& in, const fs::path& out) {
    ConvertOptions options;
    options.to = out.extension() == ".gguf" ? Container::gguf : Container::safetensors;
    VB_TRY(const ModelSource source, ModelSource::open(in));
    return convert_model(source, out, options, context_);
  }

  TempDir work_;
};

/// Norms of 1 + w and decay rates of -exp(w) lose the last bits of w on their way through a GGUF, and rope factors are f32
/// ratios; the rest is exact.
float tolerance_of(const std::string& model, const std::string& name) {
  if (name.starts_with("rope_")) return 1e-5F;
  if (name.ends_with(".A_log")) return 1.3e-7F;
  const bool plus_one = model.starts_with("gemma") || model == "nemotron" || model == "qwen3_next";
  return plus_one && name.find("norm") != std::string::npos ? 1.3e-7F : 0.0F;
}

void expect_tensors(const std::string& model, const ModelFile& expected, const ModelFile& found) {
  EXPECT_EQ(expected.tensors().size(), found.tensors().size());
  for (const TensorEntry& tensor : expected.tensors()) {
    const TensorEntry* other = found.find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_EQ(tensor.view.dtype, other->view.dtype) << tensor.name;
    EXPECT_EQ(tensor.view.shape, other->view.shape) << tensor.name;
    if (std::ranges::equal(tensor.view.bytes, other->view.bytes)) continue;
    const float tolerance = tolerance_of(model, tensor.name);
    ASSERT_GT(tolerance, 0.0F) << tensor.name << " has other bytes";
    const std::vector<float> a = *decode_f32(tensor.view), b = *decode_f32(other->view);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance * std::max(1.0F, std::abs(a[i]))) << tensor.name;
  }
}

/// Keys of llama.cpp's file that ours says otherwise or leaves out, with the reason.
bool is_explained(const std::string& key) {
  // Names are the user's, that file's tokenizer is a filler, and its parameter count is a label.
  return key.starts_with("tokenizer.") || key == "general.name" || key == "general.size_label";
}

std::vector<std::int32_t> short_ids(const ModelFile& golden) {
  const TensorView stored = golden.find("short.ids")->view;
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < stored.bytes.size() / sizeof(std::int64_t); ++id) {
    std::int64_t value = 0;
    std::memcpy(&value, stored.bytes.data() + id * sizeof value, sizeof value);
    ids.push_back(static_cast<std::int32_t>(value));
  }
  return ids;
}

const Json& llama_cpps_answers() {
  static const Json frozen = *read_json_file(test::source_dir() / "tests/peers/llama_cpp/frozen.json");
  return *frozen.find("families");
}

/// That it is the same file: tensors, and keys where no file of llama.cpp's converter lies in the shared data.
void expect_frozen_file(const Json& answer, const ModelFile& made) {
  EXPECT_EQ(Json(made.digest()), *answer.find("digest"));
  const Json* keys = answer.find("keys");
  if (!keys) return;
  for (const auto& [name, value] : keys->entries()) {
    const Json* own = made.metadata().find(name);
    ASSERT_NE(own, nullptr) << name;
    if (value.is_number()) {
      EXPECT_NEAR(own->as_double(), value.as_double(), 1e-6 * std::abs(value.as_double())) << name;
    } else {
      EXPECT_EQ(*own, value) << name;
    }
  }
}

/// Frozen logits of the last position of the same file in llama.cpp, whose CPU backend has a table of 16 bits for GELU. What it
/// refuses, or computes otherwise on purpose, is noted while converting.
void expect_llama_cpps_logits(const std::string& name, test::ModelSession& session, std::span<const double> logits,
                              const std::vector<std::string>& notes) {
  const Json* answer = llama_cpps_answers().find(name);
  ASSERT_NE(answer, nullptr) << "see tests/peers/llama_cpp/README.md";
  if (answer->find("digest") && name != "llama_bf16") expect_frozen_file(*answer, *session.model().file);
  const Json* last = answer->find("last");
  if (!last || name == "deepseek_v2_group" || name == "qwen3_next") {
    EXPECT_THAT(notes, testing::Contains(testing::HasSubstr("llama.cpp")));
    return;
  }
  const Activation activation = session.model().config.activation;
  const double tolerance = activation == Activation::gelu_tanh || activation == Activation::gelu_erf ? 2e-2 : 2e-4;
  const std::span<const double> own = logits.last(static_cast<std::size_t>(session.vocab()));
  for (std::size_t i = 0; i < last->size(); ++i) ASSERT_NEAR(own[i], last->items()[i].as_double(), tolerance) << "llama.cpp, " << i;
}

constexpr int kShares = 6;  // of the models, so that each test takes less than a second
class ConvertEach : public ConvertArchs, public testing::WithParamInterface<int> {
 protected:
  std::vector<std::string> share(const std::function<bool(const std::string&)>& wanted, std::size_t at_least) const {
    const std::vector<std::string> all = tiny_names(wanted);
    EXPECT_GE(all.size(), at_least);
    std::vector<std::string> own;
    for (std::size_t i = static_cast<std::size_t>(GetParam()); i < all.size(); i += kShares) own.push_back(all[i]);
    return own;
  }
};
INSTANTIATE_TEST_SUITE_P(Shares, ConvertEach, testing::Range(0, kShares));

TEST_P(ConvertEach, GivesLlamaCppsTensorsAndKeys) {
  VB_NEED_SHARED("tiny_models");
  for (const std::string& name : share(has_gguf, 20)) {
    SCOPED_TRACE(name);
    const fs::path out = work_ / (name + ".gguf");
    VB_ASSERT_OK(convert(tiny(name), out));
    const auto made = weights(out), expected = weights(tiny(name) / "model.f32.gguf");
    expect_tensors(name, *expected, *made);
    for (const auto& [key, value] : expected->metadata().entries()) {
      if (is_explained(key)) continue;
      const Json* own = made->metadata().find(key);
      ASSERT_NE(own, nullptr) << key;
      EXPECT_EQ(own->type_name(), value.type_name()) << key;
      if (value.is_number()) {
        EXPECT_NEAR(own->as_double(), value.as_double(), 1e-6 * std::abs(value.as_double())) << key;
      } else {
        EXPECT_EQ(*own, value) << key;
      }
    }
  }
}

TEST_P(ConvertEach, ComesBackWithTheSameTensorsAndConfiguration) {
  VB_NEED_SHARED("tiny_models");
  for (const std::string& name : share(is_converted, 45)) {
    SCOPED_TRACE(name);
    const fs::path gguf = work_ / (name + ".gguf"), back = work_ / name;
    VB_ASSERT_OK(convert(tiny(name), gguf));
    VB_ASSERT_OK(convert(gguf, back));
    EXPECT_EQ(*read_json_file(tiny(name) / "config.json"), *read_json_file(back / "config.json"));
    if (name != "gpt2_hubnames") expect_tensors(name, *weights(tiny(name)), *weights(back));
  }
}

/// As if the file came from elsewhere: config.json is made from the keys alone.
TEST_P(ConvertEach, HasAConfigurationFromKeysAlone) {
  VB_NEED_SHARED("tiny_models");
  for (const std::string& name : share(is_converted, 45)) {
    SCOPED_TRACE(name);
    VB_ASSERT_OK(convert(tiny(name), work_ / (name + ".gguf")));
    const auto gguf = ModelSource::open(work_ / (name + ".gguf")), folder = ModelSource::open(tiny(name));
    VB_ASSERT_OK(gguf);
    VB_ASSERT_OK(folder);
    const Architecture& read_by = **find_architecture(*gguf);
    const auto config = read_by.read_config(*gguf);
    VB_ASSERT_OK(config);
    const auto made = hf_config_json(*gguf, read_by, *config);
    VB_ASSERT_OK(made);
    EXPECT_EQ(*made->find("architectures"), *folder->config.find("architectures"));
    EXPECT_EQ(*made->find("model_type"), *folder->config.find("model_type"));
    const auto differences = differences_as_folder(*made, *gguf, *config);
    VB_ASSERT_OK(differences);
    EXPECT_THAT(*differences, testing::IsEmpty());
    const Architecture& own = **find_architecture(*folder);
    EXPECT_THAT(config_differences(in_gguf_form(own, *own.read_config(*folder)), *config), testing::IsEmpty());
  }
}

/// Files of llama.cpp's converter as folders, without any help of a kept configuration.
TEST_P(ConvertEach, BecomesTheFolderThatLlamaCppsFileWasMadeFrom) {
  VB_NEED_SHARED("tiny_models");
  for (const std::string& name : share(has_gguf, 20)) {
    SCOPED_TRACE(name);
    VB_ASSERT_OK(convert(tiny(name) / "model.f32.gguf", work_ / name));
    expect_tensors(name, *weights(tiny(name)), *weights(work_ / name));
  }
}

TEST_F(ConvertArchs, WhatGgufCannotSayIsRefusedByNameBeforeAnythingIsWritten) {
  VB_NEED_SHARED("tiny_models");
  for (const auto& [name, reason] : refused()) {
    SCOPED_TRACE(name);
    const auto made = convert(tiny(name), work_ / "m.gguf");
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, ErrorCode::unsupported) << describe(made.error());
    EXPECT_NE(describe(made.error()).find(reason), std::string::npos) << describe(made.error());
    EXPECT_TRUE(fs::is_empty(work_.path()));
  }
}

TEST_P(ConvertEach, HasTheLogitsOfTransformers) {
  VB_NEED_SHARED("tiny_models");
  for (const std::string& name : share(is_converted, 45)) {
    SCOPED_TRACE(name);
    const auto made = convert(tiny(name), work_ / (name + ".gguf"));
    VB_ASSERT_OK(made);
    const auto golden = open_safetensors(tiny(name) / "golden.safetensors");
    VB_ASSERT_OK(golden);
    auto session = test::ModelSession::open(work_ / (name + ".gguf"), "cpu");
    VB_ASSERT_OK(session);
    const auto logits = (*session)->logits(short_ids(**golden));
    VB_ASSERT_OK(logits);
    const std::vector<float> expected = *decode_f32((*golden)->find("short.logits")->view);
    ASSERT_EQ(logits->size(), expected.size());
    const double gap = read_json_file(tiny(name) / "golden.json")->find("max_abs_f32_minus_f64")->as_double();
    for (std::size_t at = 0; at < expected.size(); ++at) ASSERT_NEAR((*logits)[at], expected[at], std::max(2e-4, 20.0 * gap)) << at;
    expect_llama_cpps_logits(name, **session, *logits, made->notes);
  }
}

/// llama.cpp takes the norms' epsilon for the unit vectors of a delta net, so this compares a model whose norms take 1e-6.
TEST_F(ConvertArchs, DeltaNetsHaveLlamaCppsLogitsWhereBothTakeOneEpsilon) {
  VB_NEED_SHARED("tiny_models/qwen3_next");
  const Json& answer = *llama_cpps_answers().find("qwen3_next");
  const fs::path folder = work_ / "changed";
  fs::create_directories(folder);
  fs::copy(tiny("qwen3_next") / "model.safetensors", folder / "model.safetensors");
  Json config = *read_json_file(tiny("qwen3_next") / "config.json");
  for (const auto& [key, value] : answer.find("changed")->entries()) config[key] = value;
  ASSERT_TRUE(write_json_file(folder / "config.json", config).has_value());
  const auto made = convert(folder, work_ / "m.gguf");
  VB_ASSERT_OK(made);
  EXPECT_THAT(made->notes, testing::Not(testing::Contains(testing::HasSubstr("llama.cpp"))));

  auto session = test::ModelSession::open(work_ / "m.gguf", "cpu");
  VB_ASSERT_OK(session);
  const auto logits = (*session)->logits(short_ids(*weights(tiny("qwen3_next") / "golden.safetensors")));
  VB_ASSERT_OK(logits);
  const Json& last = *answer.find("changed_last");
  const auto own = std::span(*logits).last(static_cast<std::size_t>((*session)->vocab()));
  for (std::size_t i = 0; i < last.size(); ++i) ASSERT_NEAR(own[i], last.items()[i].as_double(), 8e-4) << i;
}

/// Files of llama.cpp before it took the projection of a delta net apart: `ssm_in` is what a folder holds.
TEST_F(ConvertArchs, DeltaNetsOfOlderFilesAreRead) {
  VB_NEED_SHARED("tiny_models/qwen3_next");
  VB_ASSERT_OK(convert(tiny("qwen3_next"), work_ / "new.gguf"));
  const auto made = weights(work_ / "new.gguf"), folder = weights(tiny("qwen3_next"));
  const auto contents = parse_gguf(made->files().front()->bytes());
  VB_ASSERT_OK(contents);
  std::vector<GgufKey> keys = gguf_keys(*contents);
  std::erase_if(keys, [](const GgufKey& key) { return key.name.starts_with("vauban."); });
  std::vector<TensorOut> tensors;
  const auto add = [&](std::string name, const TensorView& view) {
    tensors.push_back({.name = std::move(name), .dtype = view.dtype, .shape = view.shape,
                       .make = [view]() -> Result<TensorBytes> { return TensorBytes{view.bytes, {}}; }});
  };
  for (const TensorEntry& tensor : made->tensors())
    if (!tensor.name.ends_with("attn_qkv.weight") && !tensor.name.ends_with("attn_gate.weight")) add(tensor.name, tensor.view);
  for (const char* layer : {"0", "1", "2"})
    add(std::string("blk.") + layer + ".ssm_in.weight", folder->find(std::string("model.layers.") + layer + ".linear_attn.in_proj_qkvz.weight")->view);
  VB_ASSERT_OK(write_gguf(work_ / "old.gguf", keys, tensors));

  const std::vector<std::int32_t> ids = {7, 3, 250, 9};
  auto older = test::ModelSession::open(work_ / "old.gguf", "cpu"), newer = test::ModelSession::open(work_ / "new.gguf", "cpu");
  VB_ASSERT_OK(older);
  VB_ASSERT_OK(newer);
  EXPECT_EQ(*(*older)->logits(ids), *(*newer)->logits(ids));
  VB_ASSERT_OK(convert(work_ / "old.gguf", work_ / "back"));
  expect_tensors("qwen3_next", *folder, *weights(work_ / "back"));
}

/// Keys of recurrences that say what no model of the family is.
TEST_F(ConvertArchs, KeysOfRecurrencesAreCheckedByName) {
  VB_NEED_SHARED("tiny_models/qwen3_next");
  struct Case {
    const char* model;
    GgufKey key;
    const char* reason;
  };
  const auto zeros = [](std::size_t count) { return Json::Array(count, Json(0)); };
  const std::vector<Case> cases = {
      {"lfm2", GgufKey::list("lfm2.attention.head_count_kv", GgufType::i32, zeros(3)), "expected a list of 4 counts"},
      {"lfm2", GgufKey::list("lfm2.attention.head_count_kv", GgufType::i32, {Json(0), Json(2), Json(0), Json(1)}), "differs between layers"},
      {"lfm2", GgufKey::list("lfm2.attention.head_count_kv", GgufType::i32, {Json(0), Json(-2), Json(0), Json(-2)}), "expected a count"},
      {"lfm2", GgufKey::u32("lfm2.shortconv.l_cache", 1), "a convolution over 1 position"},
      {"lfm2", GgufKey::u32("lfm2.attention.sliding_window", 8), "sliding_window"},
      {"mamba", GgufKey::flag("mamba.ssm.dt_b_c_rms", true), "ssm.dt_b_c_rms"},
      {"mamba", GgufKey::u32("mamba.ssm.conv_kernel", 1), "a convolution over 1 position"},
      {"mamba", GgufKey::u32("mamba.ssm.inner_size", 95), "expected shape"},
      {"qwen3_next", GgufKey::u32("qwen3next.ssm.inner_size", 33), "ssm.inner_size"},
      {"qwen3_next", GgufKey::u32("qwen3next.ssm.group_count", 3), "ssm.inner_size"},
      {"qwen3_next", GgufKey::list("qwen3next.attention.recurrent_layers", GgufType::boolean, {Json(true)}), "expected a list of 4 flags"},
  };
  for (const auto& [model, key, reason] : cases) {
    SCOPED_TRACE(std::string(model) + " " + key.name);
    const fs::path whole = work_ / (std::string(model) + ".gguf");
    if (!fs::exists(whole)) {
      VB_ASSERT_OK(convert(tiny(model), whole));
    }
    const auto file = weights(whole);
    const auto contents = parse_gguf(file->files().front()->bytes());
    VB_ASSERT_OK(contents);
    std::vector<GgufKey> keys = gguf_keys(*contents);
    set_key(keys, key);
    std::vector<TensorOut> tensors;
    for (const TensorEntry& tensor : file->tensors())
      tensors.push_back({.name = tensor.name, .dtype = tensor.view.dtype, .shape = tensor.view.shape,
                         .make = [view = tensor.view]() -> Result<TensorBytes> { return TensorBytes{view.bytes, {}}; }});
    VB_ASSERT_OK(write_gguf(work_ / "changed.gguf", keys, tensors));
    const auto session = test::ModelSession::open(work_ / "changed.gguf", "cpu");
    ASSERT_FALSE(session.has_value());
    EXPECT_THAT(describe(session.error()), testing::HasSubstr(reason));
  }
}

/// Folders of experts give what their GGUF gives, and in bf16 what llama.cpp's file of them has in f32: routers and biases.
TEST_F(ConvertArchs, ExpertsOfFoldersAreQuantizedAsThoseOfAGguf) {
  VB_NEED_SHARED("tiny_models/mixtral/model.f32.gguf");
  for (const char* name : {"mixtral", "gptoss_truncate", "deepseek_v3"}) {
    SCOPED_TRACE(name);
    const auto folder = ModelSource::open(tiny(name)), gguf = ModelSource::open(tiny(name) / "model.f32.gguf");
    VB_ASSERT_OK(quantize_model(*folder, work_ / "a.gguf", {.recipe = "F16", .overrides = {}, .tokenizer = {}, .tool = {}}, context_));
    VB_ASSERT_OK(quantize_model(*gguf, work_ / "b.gguf", {.recipe = "F16", .overrides = {}, .tokenizer = {}, .tool = {}}, context_));
    expect_tensors(name, *weights(work_ / "b.gguf"), *weights(work_ / "a.gguf"));

    VB_ASSERT_OK(convert_model(*folder, work_ / "bf16", {.to = Container::safetensors, .dtype = DType::bf16, .tool = {}}, context_));
    const auto halved = ModelSource::open(work_ / "bf16");
    VB_ASSERT_OK(halved);
    VB_ASSERT_OK(quantize_model(*halved, work_ / "c.gguf", {.recipe = "F16", .overrides = {}, .tokenizer = {}, .tool = {}}, context_));
    const auto made = weights(work_ / "c.gguf"), expected = weights(work_ / "b.gguf");
    for (const TensorEntry& tensor : expected->tensors())
      EXPECT_EQ(made->find(tensor.name)->view.dtype, tensor.view.dtype) << tensor.name;
    fs::remove_all(work_ / "bf16");
  }
}

/// mixtral: 3-d stacks of experts are joined, and cast in f32 beside the joined copy.
TEST_F(ConvertArchs, ThePlanCountsTheMemoryThatJoiningTakes) {
  VB_NEED_SHARED("tiny_models/mixtral");
  const auto source = ModelSource::open(tiny("mixtral"));
  VB_ASSERT_OK(source);
  const auto stored = plan_convert(*source, {.dtype = {}, .tool = {}}, context_);
  const auto halved = plan_convert(*source, {.dtype = DType::f16, .tool = {}}, context_);
  VB_ASSERT_OK(stored);
  VB_ASSERT_OK(halved);
  EXPECT_TRUE(stored->lineage.base_digest.empty());
  const auto experts = [](const TensorPlan& tensor) { return tensor.name == "blk.0.ffn_down_exps.weight"; };
  const TensorPlan joined = *std::ranges::find_if(stored->plan, experts), cast = *std::ranges::find_if(halved->plan, experts);
  const auto elements = static_cast<std::uint64_t>(joined.shape.elements());
  EXPECT_EQ(joined.memory, 4 * elements) << "views of the source, joined";
  EXPECT_EQ(cast.memory, (4 + 4 + 2) * elements) << "joined, decoded, and in its new type";
  EXPECT_GE(halved->peak_bytes, cast.memory);
}

TEST_F(ConvertArchs, MatricesTakeTheTypeAndRoutersAndBiasesStayF32) {
  VB_NEED_SHARED("tiny_models/gptoss_truncate");
  const auto source = ModelSource::open(tiny("gptoss_truncate"));
  VB_ASSERT_OK(convert_model(*source, work_ / "m.gguf", {.dtype = DType::f16, .tool = {}}, context_));
  const auto made = weights(work_ / "m.gguf");
  EXPECT_EQ(made->find("blk.0.ffn_gate_exps.weight")->view.dtype, DType::f16);
  EXPECT_EQ(made->find("blk.0.ffn_gate_exps.bias")->view.dtype, DType::f32);
  EXPECT_EQ(made->find("blk.0.ffn_gate_inp.weight")->view.dtype, DType::f32);
}

/// A Llama whose q, k and v are fused as InternLM2 does it: its GGUF holds the tensors that llama.cpp made of the Llama.
TEST_F(ConvertArchs, InternLm2IsTakenApart) {
  VB_NEED_SHARED("tiny_models/llama/model.f32.gguf");
  const std::shared_ptr<const ModelFile> llama = weights(tiny("llama"));
  constexpr std::size_t kKvHeads = 2, kPerGroup = 2;  // 4 query heads
  HfFolder folder;
  const auto add = [&](std::string name, Shape shape, std::vector<std::byte> bytes) {
    folder.tensors.push_back({.name = std::move(name), .dtype = DType::f32, .shape = std::move(shape),
                              .make = [bytes]() -> Result<TensorBytes> { return TensorBytes::own(std::vector<std::byte>(bytes)); }});
  };
  const std::vector<std::pair<std::string, std::string>> names = {
      {"input_layernorm", "attention_norm"}, {"post_attention_layernorm", "ffn_norm"}, {"self_attn.o_proj", "attention.wo"},
      {"mlp.gate_proj", "feed_forward.w1"}, {"mlp.up_proj", "feed_forward.w3"}, {"mlp.down_proj", "feed_forward.w2"},
      {"model.embed_tokens", "model.tok_embeddings"}, {"lm_head", "output"}};
  for (const TensorEntry& tensor : llama->tensors()) {
    std::string name = tensor.name;
    for (const auto& [from, to] : names)
      if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
    if (name.find("self_attn") == std::string::npos) add(name, tensor.view.shape, {tensor.view.bytes.begin(), tensor.view.bytes.end()});
    const std::size_t at = name.find("self_attn.q_proj");
    if (at == std::string::npos) continue;
    const std::string layer = name.substr(0, at);
    const auto head = [&](const char* kind, std::size_t count, std::size_t index) {
      const auto bytes = llama->find(layer + "self_attn." + kind + "_proj.weight")->view.bytes;
      return bytes.subspan(bytes.size() / count * index, bytes.size() / count);
    };
    std::vector<std::byte> fused;
    const auto append = [&](std::span<const std::byte> bytes) { fused.insert(fused.end(), bytes.begin(), bytes.end()); };
    for (std::size_t group = 0; group < kKvHeads; ++group) {
      for (std::size_t i = 0; i < kPerGroup; ++i) append(head("q", kKvHeads * kPerGroup, group * kPerGroup + i));
      append(head("k", kKvHeads, group));
      append(head("v", kKvHeads, group));
    }
    add(layer + "attention.wqkv.weight", {2 * tensor.view.shape[0], tensor.view.shape[1]}, fused);
  }
  Json config = *read_json_file(tiny("llama") / "config.json");
  config["architectures"] = Json::array({"InternLM2ForCausalLM"});
  config["model_type"] = "internlm2";
  folder.json_files["config.json"] = config;
  VB_ASSERT_OK(write_hf_folder(work_ / "internlm2", folder));

  VB_ASSERT_OK(convert(work_ / "internlm2", work_ / "m.gguf"));
  EXPECT_EQ(*weights(work_ / "m.gguf")->metadata().find("general.architecture"), Json("internlm2"));
  expect_tensors("internlm2", *weights(tiny("llama") / "model.f32.gguf"), *weights(work_ / "m.gguf"));
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  expect_tensors("internlm2", *weights(work_ / "internlm2"), *weights(work_ / "back"));
}

TEST_F(ConvertArchs, WhatLlamaCppReadsOtherwiseIsNoted) {
  VB_NEED_SHARED("tiny_models/mistral_sliding");
  for (const auto& [name, note] : {std::pair("cohere", "norms of q and k"), std::pair("deepseek_v2_group", "sum of two")}) {
    const auto noted = convert(tiny(name), work_ / (std::string(name) + ".gguf"));
    VB_ASSERT_OK(noted);
    EXPECT_THAT(noted->notes, testing::Contains(testing::HasSubstr(note))) << name;
  }
  const auto report = convert(tiny("mistral_sliding"), work_ / "m.gguf");
  VB_ASSERT_OK(report);
  EXPECT_THAT(report->notes, testing::Contains(testing::HasSubstr("sliding window of 12")));
  EXPECT_EQ(weights(work_ / "m.gguf")->metadata().find("llama.attention.sliding_window")->as_int(), 12);
}

TEST(ConvertibleArchitectures, AreThoseThatBothFormatsKnow) {
  const std::vector<std::string> ids = convertible_architectures();
  for (const Architecture& architecture : all_architectures()) {
    const bool listed = std::ranges::find(ids, architecture.id) != ids.end();
    EXPECT_EQ(convertible(architecture).has_value(), listed) << architecture.id;
    EXPECT_EQ(listed, architecture.config_from_gguf != nullptr || !architecture.gguf_id.empty()) << architecture.id;
  }
}

}  // namespace
}  // namespace vauban
