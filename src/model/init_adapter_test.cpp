#include "model/init_adapter.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/result.h"
#include "ops/forwarding_ops.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

using namespace test;

AdapterConfig config_for(std::vector<std::string> names) {
  AdapterConfig config;
  config.rank = 4;
  config.target_modules.names = std::move(names);
  return config;
}

class InitAdapter : public testing::Test {
 protected:
  InitAdapter() { EXPECT_TRUE(write_tiny_model(folder_.path()).has_value()); }
  ModelSource source() const { return ModelSource::open(folder_.path()).value(); }
  std::shared_ptr<const Adapter> made(const AdapterConfig& config, std::uint64_t seed = 7) const {
    const auto adapter = init_adapter(config, source(), seed);
    EXPECT_TRUE(adapter.has_value()) << (adapter ? "" : describe(adapter.error()));
    return adapter.value_or(nullptr);
  }
  std::vector<double> logits(std::vector<std::shared_ptr<const Adapter>> adapters) const {
    const auto session = ModelSession::open(source(), "cpu", adapters);
    EXPECT_TRUE(session.has_value());
    return (*session)->logits(std::vector<std::int32_t>{1, 40, 99, 7}).value();
  }
  TempDir folder_;
};

std::vector<float> values_of(const Adapter& adapter, const std::string& key) {
  const AdapterTensor* tensor = adapter.find(key);
  EXPECT_NE(tensor, nullptr) << key;
  return tensor ? decode_f32(tensor->view).value() : std::vector<float>{};
}

TEST_F(InitAdapter, StartsAsTheBaseBitForBit) {
  const std::vector<double> base = logits({});
  for (const char* init : {"true", "gaussian"}) {
    AdapterConfig config = config_for({"q_proj", "down_proj", "embed_tokens", "lm_head"});
    config.init = init;
    config.modules_to_save = {"norm"};
    const std::vector<double> with = logits({made(config)});
    EXPECT_EQ(std::memcmp(base.data(), with.data(), base.size() * sizeof(double)), 0) << init;
  }
}

TEST_F(InitAdapter, DrawsAUniformlyWithinTheBoundAndLeavesBZero) {
  AdapterConfig config = config_for({"up_proj"});
  config.rank = 64;  // 4096 values
  const auto adapter = made(config);
  const std::vector<float> a = values_of(*adapter, pair_key("model.layers.0.mlp.up_proj", AdapterPart::lora_a));
  const double bound = 1.0 / std::sqrt(64.0);
  double squares = 0, sum = 0, largest = 0;
  for (const float value : a) {
    squares += static_cast<double>(value) * static_cast<double>(value);
    sum += static_cast<double>(value);
    largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  const auto n = static_cast<double>(a.size());
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
  EXPECT_NEAR(squares / n, bound * bound / 3, 0.06 * bound * bound / 3);  // 4 sigma of the variance of 4096 draws
  EXPECT_NEAR(sum / n, 0.0, 4 * bound / std::sqrt(3 * n));
  const std::vector<float> b = values_of(*adapter, pair_key("model.layers.0.mlp.up_proj", AdapterPart::lora_b));
  EXPECT_TRUE(std::ranges::all_of(b, [](float value) { return value == 0.0F; }));
}

TEST_F(InitAdapter, FollowsItsSeedAndNotTheOtherTargets) {
  const std::string key = pair_key("model.layers.1.self_attn.q_proj", AdapterPart::lora_a);
  const auto one = made(config_for({"q_proj"})), more = made(config_for({"q_proj", "k_proj", "v_proj"}));
  EXPECT_EQ(values_of(*one, key), values_of(*more, key));
  EXPECT_EQ(made(config_for({"q_proj"}))->digest(), one->digest());
  EXPECT_NE(made(config_for({"q_proj"}), 8)->digest(), one->digest());
  EXPECT_NE(values_of(*one, key), values_of(*one, pair_key("model.layers.0.self_attn.q_proj", AdapterPart::lora_a)));
}

TEST_F(InitAdapter, UsesPatternsOfRankAndCopiesWhatIsSaved) {
  AdapterConfig config = config_for({"q_proj"});
  config.rank_pattern = {{"layers.0.self_attn.q_proj", 2}};
  config.modules_to_save = {"lm_head"};
  const auto adapter = made(config);
  EXPECT_EQ(adapter->find(pair_key("model.layers.0.self_attn.q_proj", AdapterPart::lora_a))->view.shape[0], 2);
  EXPECT_EQ(adapter->find(pair_key("model.layers.1.self_attn.q_proj", AdapterPart::lora_a))->view.shape[0], 4);
  EXPECT_EQ(values_of(*adapter, replacement_key("lm_head", "weight")),
            decode_f32(source().file->find("lm_head.weight")->view).value());
}

TEST_F(InitAdapter, TrainedValuesChangeTheLogits) {
  const auto adapter = made(config_for({"q_proj"}));
  const std::string b = pair_key("model.layers.0.self_attn.q_proj", AdapterPart::lora_b);
  const auto trained = adapter->with_values({{b, std::vector<float>(values_of(*adapter, b).size(), 0.5F)}});
  VB_ASSERT_OK(trained);
  EXPECT_NE(logits({*trained}), logits({}));
}

TEST_F(InitAdapter, HandsEveryTensorToTheBackendUnderItsKey) {
  // What a trainer's tape sees: names, f32, the stored layout, and (V, r) for the table of an embedding.
  AdapterConfig config = config_for({"q_proj", "embed_tokens"});
  const auto adapter = made(config);
  const auto session = ModelSession::open(source(), "cpu", {});
  VB_ASSERT_OK(session);
  struct Spy final : ForwardingOps {
    using ForwardingOps::ForwardingOps;
    std::map<std::string, std::pair<DType, Shape>> seen;
    Result<Weight> load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep) override {
      seen[name] = {view.dtype, view.shape};
      return ForwardingOps::load_weight(std::move(name), view, std::move(keep));
    }
  };
  Spy spy((*session)->ops());
  ThreadPool pool(1);
  SilentProgress progress;
  CancelToken cancel;
  const Context context{.pool = pool, .clock = system_clock(), .progress = progress, .cancel = cancel};
  const std::vector<std::shared_ptr<const Adapter>> adapters{adapter};
  VB_ASSERT_OK(Model::load(source(), spy, context, adapters));
  for (const AdapterTensor& tensor : adapter->tensors()) {
    ASSERT_TRUE(spy.seen.contains(tensor.key)) << tensor.key;
    const auto& [dtype, shape] = spy.seen.at(tensor.key);
    EXPECT_EQ(dtype, DType::f32);
    const bool turned = tensor.parsed.part == AdapterPart::embedding_a;
    EXPECT_EQ(shape, turned ? (Shape{300, 4}) : tensor.view.shape) << tensor.key;
  }
}

TEST_F(InitAdapter, RefusesTargetsThatAreNotThereAndOtherInitialisers) {
  EXPECT_EQ(init_adapter(config_for({"c_attn"}), source(), 1).error().code, ErrorCode::invalid_input);
  AdapterConfig config = config_for({"q_proj"});
  config.init = "orthogonal";
  EXPECT_EQ(init_adapter(config, source(), 1).error().code, ErrorCode::unsupported);
  config.init = "true";
  config.modules_to_save = {"nowhere"};
  EXPECT_FALSE(init_adapter(config, source(), 1).has_value());
}

}  // namespace
}  // namespace vauban
