#include "format/peft/adapter.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "base/faulty_file_ops.h"
#include "base/json_file.h"
#include "base/result.h"
#include "format/model_source.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::TempDir;

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";

AdapterConfig small_config() {
  AdapterConfig config;
  config.rank = 2;
  config.alpha = 3;
  config.target_modules.names = {"q_proj"};
  return config;
}

std::vector<AdapterTensor> small_pair() {
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{1, -1, 2, -2};
  return {adapter_tensor(pair_key(kQuery, AdapterPart::lora_a), {2, 3}, a),
          adapter_tensor(pair_key(kQuery, AdapterPart::lora_b), {2, 2}, b)};
}

std::shared_ptr<const Adapter> small_adapter(std::string name = "default") {
  auto made = Adapter::make(small_config(), small_pair(), std::move(name));
  EXPECT_TRUE(made.has_value());
  return made.value_or(nullptr);
}

Error refused(AdapterConfig config, std::vector<AdapterTensor> tensors) {
  const auto made = Adapter::make(std::move(config), std::move(tensors));
  EXPECT_FALSE(made.has_value());
  return made ? Error{} : made.error();
}

Error config_refused(const char* key, Json value) {
  Json json = to_json(small_config());
  json[key] = std::move(value);
  const auto config = adapter_config_from_json(json);
  EXPECT_FALSE(config.has_value()) << key;
  return config ? Error{} : config.error();
}

TEST(AdapterKeys, AreTakenApartAndPutTogether) {
  const auto a = parse_adapter_key("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
  VB_ASSERT_OK(a);
  EXPECT_EQ(a->module, kQuery);
  EXPECT_EQ(a->part, AdapterPart::lora_a);
  const auto table = parse_adapter_key("base_model.model.model.embed_tokens.lora_embedding_B");
  VB_ASSERT_OK(table);
  EXPECT_EQ(table->part, AdapterPart::embedding_b);
  const auto bias = parse_adapter_key("base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias");
  VB_ASSERT_OK(bias);
  EXPECT_EQ(bias->module, kQuery);
  EXPECT_EQ(bias->tensor, "bias");
  EXPECT_TRUE(bias->in_adapted);
  EXPECT_EQ(replacement_key(kQuery, "bias", true), "base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias");
  const auto norm = parse_adapter_key(replacement_key("model.norm", "weight"));
  VB_ASSERT_OK(norm);
  EXPECT_EQ(norm->part, AdapterPart::replacement);
  EXPECT_FALSE(norm->in_adapted);
}

TEST(AdapterKeys, OfOtherMethodsAndOfNothingAreRefused) {
  for (const auto& [key, word] : {std::pair{"base_model.model.q.lora_magnitude_vector", "DoRA"},
                                  {"base_model.model.q.lora_E", "AdaLoRA"},
                                  {"base_model.model.q.lora_B.bias", "lora_bias"},
                                  {"base_model.model.q.ia3_l", "IA3"},
                                  {"model.q.lora_A.weight", "begins with"},
                                  {"base_model.model.weight", "name of a module"},
                                  {"base_model.model.q.", "name of a module"}}) {
    const auto parsed = parse_adapter_key(key);
    ASSERT_FALSE(parsed.has_value()) << key;
    EXPECT_NE(parsed.error().message.find(word), std::string::npos) << describe(parsed.error());
  }
}

TEST(AdapterConfigs, ComeBackFromTheirJson) {
  AdapterConfig config = small_config();
  config.alpha = 2.5;
  config.dropout = 0.1;
  config.exclude_modules.pattern = ".*head";
  config.layers_to_transform = {0, 3};
  config.layers_pattern = {"layers"};
  config.rank_pattern = {{"q_proj", 4}};
  config.alpha_pattern = {{"v_proj", 0.5}};
  config.use_rslora = config.fan_in_fan_out = true;
  config.bias = AdapterBias::lora_only;
  config.modules_to_save = {"norm"};
  config.init = "gaussian";
  config.task_type = "CAUSAL_LM";
  config.base_model = "../base";
  const auto again = adapter_config_from_json(to_json(config));
  VB_ASSERT_OK(again);
  EXPECT_EQ(*again, config);
  config.target_modules = {.names = {}, .pattern = "all-linear"};
  EXPECT_EQ(adapter_config_from_json(to_json(config)).value(), config);
}

TEST(AdapterConfigs, ScaleByRankOrByItsRoot) {
  AdapterConfig config;
  EXPECT_EQ(config.scale(32, 8), 4.0);
  config.use_rslora = true;
  EXPECT_EQ(config.scale(32, 16), 8.0);
}

TEST(AdapterConfigs, WithUnfitValuesNameTheKey) {
  const std::pair<const char*, Json> cases[] = {
      {"r", 0}, {"r", 1.5}, {"r", -4}, {"r", std::int64_t{1} << 40}, {"lora_alpha", "eight"}, {"lora_dropout", 1.0},
      {"lora_dropout", -0.1}, {"target_modules", Json()}, {"target_modules", 7}, {"target_modules", Json::array({1})},
      {"layers_to_transform", Json::array({-1})}, {"layers_to_transform", "all"}, {"rank_pattern", Json::object({{"q", 0}})},
      {"rank_pattern", Json::array({1})}, {"alpha_pattern", Json::object({{"q", "x"}})}, {"use_rslora", "yes"},
      {"bias", "some"}, {"modules_to_save", 3}, {"init_lora_weights", 1}};
  for (const auto& [key, value] : cases) {
    const Error error = config_refused(key, value);
    EXPECT_EQ(error.code, ErrorCode::corrupt) << key;
    EXPECT_NE(describe(error).find(key), std::string::npos) << describe(error);
  }
}

TEST(AdapterConfigs, WithPartsThatAreNotKnownAreRefusedByName) {
  const std::pair<const char*, Json> cases[] = {{"use_dora", true},
                                                {"lora_bias", true},
                                                {"use_qalora", true},
                                                {"ensure_weight_tying", true},
                                                {"layer_replication", Json::array({Json::array({0, 2})})},
                                                {"target_parameters", Json::array({"x"})},
                                                {"trainable_token_indices", Json::array({1})},
                                                {"alora_invocation_tokens", Json::array({1})},
                                                {"init_lora_weights", "pissa_niter_4"},
                                                {"init_lora_weights", "loftq"},
                                                {"task_type", "SEQ_CLS"},
                                                {"peft_type", "LOHA"},
                                                {"of_tomorrow", 1}};
  for (const auto& [key, value] : cases) EXPECT_EQ(config_refused(key, value).code, ErrorCode::unsupported) << key;
  Json off = to_json(small_config());
  off["of_tomorrow"] = false;
  off["alora_invocation_tokens"] = Json();
  VB_EXPECT_OK(adapter_config_from_json(off));
}

TEST(Adapters, RefuseTensorsThatDoNotFitTogether) {
  auto tensors = small_pair();
  tensors.pop_back();
  EXPECT_NE(refused(small_config(), tensors).message.find("lora_B.weight' is missing"), std::string::npos);

  tensors = small_pair();
  const std::vector<float> b{1, 2, 3};
  tensors[1] = adapter_tensor(tensors[1].key, {1, 3}, b);
  EXPECT_NE(refused(small_config(), tensors).message.find("differ in rank"), std::string::npos);

  tensors = small_pair();
  tensors.push_back(tensors.front());
  EXPECT_NE(refused(small_config(), tensors).message.find("more than once"), std::string::npos);

  tensors = small_pair();
  tensors[0].view.shape = {2, 4};
  EXPECT_NE(refused(small_config(), tensors).message.find("takes 32 bytes"), std::string::npos);

  tensors = small_pair();
  const std::vector<float> nan{1, 2, std::numeric_limits<float>::quiet_NaN(), 4, 5, 6};
  tensors[0] = adapter_tensor(tensors[0].key, {2, 3}, nan);
  EXPECT_NE(refused(small_config(), tensors).message.find("element 2"), std::string::npos);

  tensors = small_pair();
  tensors[0] = adapter_tensor(tensors[0].key, {6}, std::vector<float>(6));
  EXPECT_NE(refused(small_config(), tensors).message.find("expected a matrix"), std::string::npos);
}

TEST(Adapters, TakeNewValuesByTheNameOfTheWeight) {
  const auto adapter = small_adapter();
  const std::string b = pair_key(kQuery, AdapterPart::lora_b);
  const auto changed = adapter->with_values({{b, {9, 8, 7, 6}}});
  VB_ASSERT_OK(changed);
  EXPECT_EQ(decode_f32((*changed)->find(b)->view).value(), (std::vector<float>{9, 8, 7, 6}));
  EXPECT_EQ((*changed)->find(pair_key(kQuery, AdapterPart::lora_a))->view.bytes.data(),
            adapter->find(pair_key(kQuery, AdapterPart::lora_a))->view.bytes.data());
  EXPECT_NE((*changed)->digest(), adapter->digest());
  EXPECT_EQ(adapter->with_values({{"elsewhere", {1}}}).error().code, ErrorCode::not_found);
  EXPECT_EQ(adapter->with_values({{b, {1}}}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(adapter->with_values({{b, {1, 2, 3, INFINITY}}}).error().code, ErrorCode::corrupt);
}

TEST(Adapters, TurnTheTableOfAnEmbeddingBack) {
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{1, 2, 3, 4};
  AdapterConfig config = small_config();
  config.target_modules.names = {"embed_tokens"};
  const std::string key = pair_key("model.embed_tokens", AdapterPart::embedding_a);
  const auto adapter = Adapter::make(
      config, {adapter_tensor(key, {2, 3}, a), adapter_tensor(pair_key("model.embed_tokens", AdapterPart::embedding_b), {2, 2}, b)});
  VB_ASSERT_OK(adapter);
  const auto changed = (*adapter)->with_values({{key, transposed(a, 2, 3)}});  // as the loader hands it out
  VB_ASSERT_OK(changed);
  EXPECT_EQ((*changed)->digest(), (*adapter)->digest());
}

TEST(Adapters, OfAnotherNameCarryItInTheirWeights) {
  const auto adapter = small_adapter("second");
  EXPECT_EQ(adapter->weight_name(adapter->tensors().front()),
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.second.weight");
  EXPECT_EQ(adapter->digest(), small_adapter()->digest());
}

TEST(Adapters, ComeBackFromTheirFolder) {
  const TempDir folder;
  VB_ASSERT_OK(small_adapter()->write(folder / "a", {{"vauban.note", "x"}}));
  const auto again = Adapter::open(folder / "a");
  VB_ASSERT_OK(again);
  EXPECT_EQ((*again)->digest(), small_adapter()->digest());
  VB_ASSERT_OK(small_adapter()->write(folder / "b", {{"vauban.note", "x"}}));
  EXPECT_EQ(test::read_text(folder / "a/adapter_model.safetensors"), test::read_text(folder / "b/adapter_model.safetensors"));
}

TEST(Adapters, PassOverWhatATrainerKeepsBesideThem) {
  const TempDir folder;
  const auto adapter = small_adapter();
  VB_ASSERT_OK(adapter->write(folder / "a"));
  std::vector<NamedTensorView> tensors;
  for (const AdapterTensor& tensor : adapter->tensors()) tensors.push_back({tensor.key, tensor.view});
  const AdapterTensor state = adapter_tensor("s", {1}, std::vector<float>{NAN});
  tensors.push_back({"__training__.exp_avg", state.view});
  VB_ASSERT_OK(write_safetensors(folder / "a/adapter_model.safetensors", tensors));
  const auto again = Adapter::open(folder / "a");
  VB_ASSERT_OK(again);
  EXPECT_EQ((*again)->tensors().size(), 2u);
}

TEST(Adapters, SayWhatTheirFolderLacks) {
  const TempDir folder;
  const auto nothing = Adapter::open(folder.path());
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code, ErrorCode::not_found);
  EXPECT_NE(describe(nothing.error()).find("adapter_config.json"), std::string::npos);
  VB_ASSERT_OK(write_json_file(folder / "adapter_config.json", to_json(small_config())));
  VB_ASSERT_OK(write_file_atomic(folder / "adapter_model.bin", "pickle"));
  EXPECT_NE(describe(Adapter::open(folder.path()).error()).find("pickle"), std::string::npos);
}

TEST(ModelArguments, NameABaseAndAdaptersWithPlusSigns) {
  const TempDir folder;
  std::filesystem::create_directories(folder / "ba+se");
  VB_ASSERT_OK(write_json_file(folder / "ba+se/config.json", Json::object({{"architectures", Json::array({"X"})}})));
  const AdapterTensor weight = adapter_tensor("w", {1}, std::vector<float>{1});
  VB_ASSERT_OK(write_safetensors(folder / "ba+se/model.safetensors", {{"w", weight.view}}));
  VB_ASSERT_OK(small_adapter()->write(folder / "one"));
  VB_ASSERT_OK(small_adapter()->write(folder / "t+wo"));
  const std::string base = (folder / "ba+se").string(), one = (folder / "one").string(), two = (folder / "t+wo").string();

  const auto plain = ModelSource::open_with_adapters(base);
  VB_ASSERT_OK(plain);
  EXPECT_TRUE(plain->adapters.empty());
  const auto with_two = ModelSource::open_with_adapters(base + "+" + one + "+" + two);
  VB_ASSERT_OK(with_two);
  ASSERT_EQ(with_two->adapters.size(), 2u);
  EXPECT_EQ(with_two->name, "ba+se+one+t+wo");
  EXPECT_EQ(with_two->adapters[0]->name(), "default");
  EXPECT_NE(with_two->adapters[1]->name(), "default");

  EXPECT_EQ(ModelSource::open_with_adapters(base + "+").error().code, ErrorCode::invalid_input);
  EXPECT_EQ(ModelSource::open_with_adapters(base + "+" + one + "x").error().code, ErrorCode::not_found);
  EXPECT_EQ(ModelSource::open_with_adapters((folder / "no").string() + "+" + one).error().code, ErrorCode::not_found);
  EXPECT_FALSE(ModelSource::open(base + "+" + one).has_value()) << "commands that cannot use an adapter do not drop it";
}

}  // namespace
}  // namespace vauban
