// LoRA adapters written by PEFT on the tiny models: logits with the adapter beside the base, files written back, and
// adapters that must be refused.
#include <cstring>
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/backends.h"
#include "base/json_file.h"
#include "base/result.h"
#include "format/peft/adapter.h"
#include "format/safetensors.h"
#include "golden/golden_case.h"
#include "support/model_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSets = "peft/tiny";

struct AdapterSet {
  const char* name;
  const char* base;
};
constexpr AdapterSet kLoraSets[] = {
    {"lora_llama", "llama"},
    {"lora_rslora_patterns", "llama"},
    {"lora_layers_regex", "llama_bias"},
    {"lora_modules_to_save", "llama_tied"},
    {"lora_embedding", "llama"},
    {"lora_gpt2_conv1d", "gpt2"},
    {"lora_fused_phi3", "phi3"},
};

fs::path set_path(const char* name) { return shared_data() / kSets / name; }
fs::path base_path(const AdapterSet& set) { return shared_data() / "tiny_models" / set.base; }
fs::path joined(const AdapterSet& set) { return base_path(set).string() + "+" + set_path(set.name).string(); }

struct Golden {
  std::vector<std::int32_t> ids;
  std::vector<double> logits, base_last, merged_last;
};

std::vector<double> f64_of(const ModelFile& file, const char* name) {
  const TensorEntry* entry = file.find(name);
  std::vector<double> out(entry ? entry->view.bytes.size() / sizeof(double) : 0);
  if (entry) std::memcpy(out.data(), entry->view.bytes.data(), entry->view.bytes.size());
  return out;
}

Golden read_set(const char* name) {
  const auto file = open_safetensors(set_path(name) / "golden.safetensors");
  EXPECT_TRUE(file.has_value());
  if (!file) return {};
  const auto bytes = (*file)->find("ids")->view.bytes;
  std::vector<std::int64_t> wide(bytes.size() / sizeof(std::int64_t));
  std::memcpy(wide.data(), bytes.data(), bytes.size());
  return {{wide.begin(), wide.end()},
          f64_of(**file, "logits_f64"),
          f64_of(**file, "base_logits_last_f64"),
          f64_of(**file, "merged_logits_last_f64")};
}

std::vector<double> last_row(const ModelSession& session, const std::vector<double>& logits) {
  return {logits.end() - session.vocab(), logits.end()};
}

class Adapters : public testing::TestWithParam<std::tuple<AdapterSet, std::string>> {
 protected:
  AdapterSet set() const { return std::get<0>(GetParam()); }
  std::string backend() const { return std::get<1>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Lora, Adapters, testing::Combine(testing::ValuesIn(kLoraSets), testing::ValuesIn(backends_here())),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param).name) + "_" + std::get<1>(param.param);
                         });

// PEFT's float64 keeps norms and rotary tables in float32 (README of the sets): 1e-5 on logits of some tens.
TEST_P(Adapters, GiveTheLogitsOfPeft) {
  VB_NEED_SHARED(kSets);
  const Golden golden = read_set(set().name);
  const auto session = ModelSession::open(joined(set()), backend());
  VB_ASSERT_OK(session);
  const auto logits = (*session)->logits(golden.ids);
  VB_ASSERT_OK(logits);
  const double bound = backend() == "reference" ? 1e-5 : 2e-5;  // f32 itself differs from f64 by 9e-6 there
  EXPECT_LE(max_difference(*logits, golden.logits), bound);
  EXPECT_LE(max_difference(last_row(**session, *logits), golden.merged_last), bound);

  const auto plain = ModelSession::open(base_path(set()), backend());
  VB_ASSERT_OK(plain);
  const auto without = (*plain)->logits(golden.ids);
  VB_ASSERT_OK(without);
  EXPECT_LE(max_difference(last_row(**plain, *without), golden.base_last), bound);
  EXPECT_GT(max_difference(*without, golden.logits), 1.0) << "the adapter has an effect";
}

TEST_P(Adapters, AreNamedByTheIdentityOfTheModel) {
  VB_NEED_SHARED(kSets);
  const auto with = ModelSession::open(joined(set()), backend());
  const auto without = ModelSession::open(base_path(set()), backend());
  VB_ASSERT_OK(with);
  VB_ASSERT_OK(without);
  const ModelIdentity& identity = (*with)->model().identity;
  EXPECT_NE(identity.digest, (*without)->model().identity.digest);
  EXPECT_EQ(identity.name, std::string(set().base) + "+" + set().name);
  EXPECT_EQ(identity.lineage.find("base")->find("digest")->as_string(), (*without)->model().identity.digest);
  const auto adapter = Adapter::open(set_path(set().name));
  VB_ASSERT_OK(adapter);
  EXPECT_EQ(identity.lineage.find("adapters")->items().front().find("digest")->as_string(), (*adapter)->digest());
  EXPECT_TRUE((*without)->model().identity.lineage.is_null());
}

/// The pairs of an adapter alone, with every B at zero: they add nothing.
std::shared_ptr<const Adapter> without_effect(const Adapter& adapter) {
  AdapterConfig config = adapter.config();
  config.bias = AdapterBias::none;
  config.modules_to_save.clear();
  std::vector<AdapterTensor> tensors = adapter.tensors();
  std::erase_if(tensors, [](const AdapterTensor& t) { return t.parsed.part == AdapterPart::replacement; });
  const auto pairs = Adapter::make(config, tensors);
  EXPECT_TRUE(pairs.has_value());
  std::map<std::string, std::vector<float>> zero;
  for (const AdapterTensor& tensor : tensors)
    if (tensor.parsed.part == AdapterPart::lora_b || tensor.parsed.part == AdapterPart::embedding_b)
      zero[adapter.weight_name(tensor)] = std::vector<float>(static_cast<std::size_t>(tensor.view.shape.elements()));
  const auto changed = (*pairs)->with_values(zero);
  EXPECT_TRUE(changed.has_value());
  return changed.value_or(nullptr);
}

TEST_P(Adapters, WithBAtZeroLeaveTheBitsOfTheLogits) {
  VB_NEED_SHARED(kSets);
  const Golden golden = read_set(set().name);
  const auto adapter = Adapter::open(set_path(set().name));
  VB_ASSERT_OK(adapter);
  const auto source = ModelSource::open(base_path(set()));
  VB_ASSERT_OK(source);
  const std::vector<std::shared_ptr<const Adapter>> zero{without_effect(**adapter)};
  const auto with = ModelSession::open(*source, backend(), zero);
  const auto without = ModelSession::open(*source, backend(), {});
  VB_ASSERT_OK(with);
  VB_ASSERT_OK(without);
  const auto a = (*with)->logits(golden.ids), b = (*without)->logits(golden.ids);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(std::memcmp(a->data(), b->data(), a->size() * sizeof(double)), 0);
}

TEST(AdapterFiles, WrittenBackHoldTheSameTensorsAndMeanTheSame) {
  VB_NEED_SHARED(kSets);
  for (const AdapterSet& set : kLoraSets) {
    SCOPED_TRACE(set.name);
    const auto adapter = Adapter::open(set_path(set.name));
    VB_ASSERT_OK(adapter);
    const TempDir folder;
    VB_ASSERT_OK((*adapter)->write(folder / "out"));
    const auto again = Adapter::open(folder / "out");
    VB_ASSERT_OK(again);
    EXPECT_EQ((*again)->config(), (*adapter)->config());
    EXPECT_EQ((*again)->digest(), (*adapter)->digest());
    ASSERT_EQ((*again)->tensors().size(), (*adapter)->tensors().size());
    // PEFT's own order and header, byte for byte: the writer is the reference library's twin.
    const auto ours = read_file(folder / "out/adapter_model.safetensors");
    const auto theirs = read_file(set_path(set.name) / "adapter_model.safetensors");
    VB_ASSERT_OK(ours);
    VB_ASSERT_OK(theirs);
    EXPECT_EQ(*ours == *theirs, true);
  }
}

TEST(AdapterFiles, OfAPublishedGpt2AdapterAreRead) {
  VB_NEED_SHARED("peft/gpt2-tigrinya-lora");
  const auto adapter = Adapter::open(shared_data() / "peft/gpt2-tigrinya-lora");
  VB_ASSERT_OK(adapter);
  EXPECT_EQ((*adapter)->config().scale(32, 8), 4.0);
  const AdapterTensor* b = (*adapter)->find("base_model.model.transformer.h.0.attn.c_attn.lora_B.weight");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->view.shape, (Shape{2304, 8}));
}

TEST(AdapterFiles, OfOtherMethodsAreRefusedByName) {
  VB_NEED_SHARED(kSets);
  for (const auto& [name, word] : {std::pair{"dora_llama", "DoRA"}, {"adalora_llama", "'ADALORA'"}, {"ia3_llama", "'IA3'"},
                                   {"loha_llama", "'LOHA'"}, {"lokr_llama", "'LOKR'"}, {"vera_llama", "'VERA'"},
                                   {"oft_llama", "'OFT'"}, {"prompt_tuning_llama", "'PROMPT_TUNING'"}}) {
    const auto adapter = Adapter::open(set_path(name));
    ASSERT_FALSE(adapter.has_value()) << name;
    EXPECT_EQ(adapter.error().code, ErrorCode::unsupported);
    EXPECT_NE(adapter.error().message.find(word), std::string::npos) << describe(adapter.error());
  }
}

TEST(AdapterFiles, TwoOnOneBaseAddUp) {
  VB_NEED_SHARED(kSets);
  // The scale is linear: an adapter beside itself equals one with alpha doubled, for pairs alone.
  const auto first = Adapter::open(set_path("lora_llama")), second = Adapter::open(set_path("lora_llama"), "other");
  VB_ASSERT_OK(first);
  VB_ASSERT_OK(second);
  AdapterConfig doubled = (*first)->config();
  doubled.alpha *= 2;
  std::vector<AdapterTensor> tensors = (*first)->tensors();
  const auto strong = Adapter::make(doubled, tensors);
  VB_ASSERT_OK(strong);
  const auto source = ModelSource::open(shared_data() / "tiny_models/llama");
  VB_ASSERT_OK(source);
  const std::vector<std::shared_ptr<const Adapter>> two{*first, *second}, one{*strong}, same_name{*first, *first};
  const auto a = ModelSession::open(*source, "reference", two), b = ModelSession::open(*source, "reference", one);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  const std::vector<std::int32_t> ids{1, 17, 200, 5};
  EXPECT_LE(max_difference((*a)->logits(ids).value(), (*b)->logits(ids).value()), 1e-11);
  const auto clash = ModelSession::open(*source, "reference", same_name);
  ASSERT_FALSE(clash.has_value());
  EXPECT_EQ(clash.error().code, ErrorCode::invalid_input);
}

TEST(AdapterFiles, OnAGgufBaseGiveTheSameLogits) {
  VB_NEED_SHARED(kSets);
  for (const AdapterSet& set : {kLoraSets[0], kLoraSets[5]}) {  // permuted q and k rows; Conv1D stored the other way round
    SCOPED_TRACE(set.name);
    const Golden golden = read_set(set.name);
    const std::string gguf = (base_path(set) / "model.f32.gguf").string();
    const auto session = ModelSession::open(gguf + "+" + set_path(set.name).string(), "reference");
    VB_ASSERT_OK(session);
    EXPECT_LE(max_difference((*session)->logits(golden.ids).value(), golden.logits), 1e-5);
  }
}

/// A copy of a set with its configuration and tensors edited; -> the refusal.
struct Edit {
  const char* what;
  const char* set;
  const char* base;
  std::function<void(Json& config, std::vector<NamedTensorView>& tensors)> edit;
  const char* word;  ///< stands in the message
};

void drop(std::vector<NamedTensorView>& tensors, const char* part) {
  std::erase_if(tensors, [&](const NamedTensorView& t) { return t.name.find(part) != std::string::npos; });
}

Error refusal_of(const Edit& edit) {
  const TempDir folder;
  auto config = read_json_file(set_path(edit.set) / "adapter_config.json");
  const auto file = open_safetensors(set_path(edit.set) / "adapter_model.safetensors");
  if (!config || !file) return {};
  std::vector<NamedTensorView> tensors;
  for (const TensorEntry& entry : (*file)->tensors()) tensors.push_back({entry.name, entry.view});
  edit.edit(*config, tensors);
  EXPECT_TRUE(write_json_file(folder / "adapter_config.json", *config).has_value());
  EXPECT_TRUE(write_safetensors(folder / "adapter_model.safetensors", tensors).has_value());
  const auto session = ModelSession::open((shared_data() / "tiny_models" / edit.base).string() + "+" + folder.path().string(), "reference");
  EXPECT_FALSE(session.has_value()) << edit.what;
  return session ? Error{} : session.error();
}

TEST(AdapterFaults, AreSeenAndNamed) {
  VB_NEED_SHARED(kSets);
  const Edit edits[] = {
      {"a missing B", "lora_llama", "llama", [](Json&, auto& t) { drop(t, "layers.1.mlp.up_proj.lora_B"); }, "layers.1.mlp.up_proj.lora_B.weight' is missing"},
      {"a missing pair", "lora_llama", "llama", [](Json&, auto& t) { drop(t, "layers.1.mlp.up_proj"); }, "layers.1.mlp.up_proj.lora_A.weight' is missing"},
      {"a pair that is not targeted", "lora_llama", "llama", [](Json& c, auto&) { c["target_modules"] = Json(std::vector<std::string>{"q_proj"}); }, "targets no such layer"},
      {"another rank in the configuration", "lora_llama", "llama", [](Json& c, auto&) { c["r"] = 8; }, "expected shape [8, 48], file has f32 [4, 48]"},
      {"a rank pattern that is not there", "lora_rslora_patterns", "llama", [](Json& c, auto&) { c["rank_pattern"] = Json::object(); }, "expected shape"},
      {"another base", "lora_llama", "llama_headdim", [](Json&, auto&) {}, "expected shape"},
      {"a base of another family", "lora_llama", "gpt2", [](Json&, auto&) {}, "match none"},
      {"no such module", "lora_llama", "llama", [](Json& c, auto&) { c["target_modules"] = "nothing"; }, "match none"},
      {"a bad regular expression", "lora_llama", "llama", [](Json& c, auto&) { c["target_modules"] = "(("; }, "regular expression"},
      {"a foreign tensor", "lora_llama", "llama", [](Json&, auto& t) { t[0].name = "base_model.model.model.elsewhere.weight"; }, ""},
      {"a tensor without the prefix", "lora_llama", "llama", [](Json&, auto& t) { t[0].name = "model.x"; }, "begins with"},
      {"a replacement that nothing names", "lora_modules_to_save", "llama_tied", [](Json& c, auto&) { c["modules_to_save"] = Json(); }, "neither in modules_to_save"},
      {"a saved module without its tensor", "lora_modules_to_save", "llama_tied", [](Json&, auto& t) { drop(t, "model.model.norm.weight"); }, "model.norm.weight' is missing"},
      {"a saved module the model lacks", "lora_llama", "llama", [](Json& c, auto&) { c["modules_to_save"] = Json(std::vector<std::string>{"score"}); }, "'score'"},
      {"a bias that bias=none does not allow", "lora_layers_regex", "llama_bias", [](Json& c, auto&) { c["bias"] = "none"; }, "by its bias"},
      {"lora_bias", "lora_llama", "llama", [](Json& c, auto&) { c["lora_bias"] = true; }, "'lora_bias'"},
      {"target_parameters", "lora_llama", "llama", [](Json& c, auto&) { c["target_parameters"] = Json(std::vector<std::string>{"x"}); }, "'target_parameters'"},
      {"a key of tomorrow", "lora_llama", "llama", [](Json& c, auto&) { c["use_next_thing"] = true; }, "'use_next_thing'"},
      {"PiSSA", "lora_llama", "llama", [](Json& c, auto&) { c["init_lora_weights"] = "pissa"; }, "'pissa'"},
      {"another task", "lora_llama", "llama", [](Json& c, auto&) { c["task_type"] = "SEQ_CLS"; }, "'SEQ_CLS'"},
      {"rank zero", "lora_llama", "llama", [](Json& c, auto&) { c["r"] = 0; }, "'r'"},
      {"dropout one", "lora_llama", "llama", [](Json& c, auto&) { c["lora_dropout"] = 1.0; }, "'lora_dropout'"},
      {"patterns that disagree", "lora_llama", "llama", [](Json& c, auto&) { c["alpha_pattern"] = Json::object({{"q_proj", 1}, {"self_attn.q_proj", 2}}); }, "two patterns"},
  };
  for (const Edit& edit : edits) {
    SCOPED_TRACE(edit.what);
    const Error error = refusal_of(edit);
    EXPECT_NE(describe(error).find(edit.word), std::string::npos) << describe(error);
    EXPECT_NE(error.code, ErrorCode::internal) << describe(error);
  }
}

}  // namespace
}  // namespace vauban::test
