#include <gtest/gtest.h>

#include <functional>

#include "model/model.h"
#include "ops/forwarding_ops.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "tensor/quant/format.h"

namespace vauban::test {
namespace {

/// The reference backend with some operations taken away.
class LackingOps final : public ForwardingOps {
 public:
  LackingOps(Ops& inner, std::set<Op> lacking) : ForwardingOps(inner), lacking_(std::move(lacking)) {}
  std::string_view backend() const override { return "lacking"; }
  bool supports(Op op, Direction direction) const override {
    return !lacking_.contains(op) && ForwardingOps::supports(op, direction);
  }
  Result<Weight> load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep) override {
    if (!on_load) return ForwardingOps::load_weight(std::move(name), view, std::move(keep));
    VB_TRY(std::vector<float> values, decode_f32(view));
    VB_CHECK(on_load(values));
    const auto changed = std::make_shared<const std::vector<float>>(std::move(values));
    return ForwardingOps::load_weight(
        std::move(name), {.dtype = DType::f32, .shape = view.shape, .bytes = std::as_bytes(std::span(*changed))}, changed);
  }
  std::function<Result<void>(std::vector<float>&)> on_load;  ///< what becomes of the values on their way in
  Tensor attention_scores(const Tensor&, KvStore&, int, const Batch&, std::size_t, const AttentionArgs&) override {
    ADD_FAILURE() << "asked for scores that the backend does not have";
    return {};
  }
  Tensor attention_pattern(const Tensor&, KvStore&, int, const Batch&, std::size_t, const AttentionArgs&) override {
    ADD_FAILURE() << "asked for patterns that the backend does not have";
    return {};
  }

 private:
  std::set<Op> lacking_;
};

class CapabilityOf : public testing::Test {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(write_tiny_model(folder_.path()));
    auto session = ModelSession::open(folder_.path(), "reference");
    VB_ASSERT_OK(session);
    session_ = *std::move(session);
  }
  const ModelConfig& llama() const { return session_->model().config; }
  TempDir folder_;
  std::unique_ptr<ModelSession> session_;
};

TEST_F(CapabilityOf, TheReferenceShowsEverySiteOfTheArchitecture) {
  const Capability c = capability_of(llama(), session_->ops(), true);
  EXPECT_EQ(c.name, "reference");
  EXPECT_EQ(c.device_kinds, (std::vector<std::string>{"cpu"}));
  for (const Site site : sites_of(llama().decoder)) EXPECT_EQ(c.site(site).level, SupportLevel::full) << to_string(site);
  for (const Support& support :
       {c.logits, c.logprobs, c.activations, c.interventions, c.kv_cache, c.weight_access, c.mutable_weights, c.text,
        c.tokens})
    EXPECT_EQ(support.level, SupportLevel::full);
}

TEST_F(CapabilityOf, WhatIsNotFullSaysWhy) {
  const Capability c = capability_of(llama(), session_->ops(), false);
  EXPECT_EQ(c.text.level, SupportLevel::unsupported);
  EXPECT_EQ(c.tokens.level, SupportLevel::partial);
  EXPECT_EQ(c.profile_device_memory.level, SupportLevel::partial);
  for (const Support& support : {c.text, c.tokens, c.profile_device_memory})
    EXPECT_FALSE(support.reason.empty());
  for (const Site site : {Site::router_logits, Site::router_topk, Site::router_weights}) {
    EXPECT_EQ(c.site(site).level, SupportLevel::unsupported);
    EXPECT_NE(c.site(site).reason.find("llama"), std::string::npos);
  }
}

TEST_F(CapabilityOf, ALackingOperationLimitsItsSiteAndIsNotAskedFor) {
  LackingOps ops(session_->ops(), {Op::attention_scores, Op::attention_pattern, Op::primitive});
  const Capability c = capability_of(llama(), ops, true);
  EXPECT_EQ(c.site(Site::attn_scores).level, SupportLevel::unsupported);
  EXPECT_NE(c.site(Site::attn_pattern).reason.find("lacking"), std::string::npos);
  EXPECT_EQ(c.interventions.level, SupportLevel::unsupported);
  EXPECT_EQ(c.site(Site::q_rot).level, SupportLevel::full);

  class WantsAll final : public Tap {
   public:
    WantsAll() {
      for (const SiteInfo& site : all_sites()) want(site.id, 0);
    }

   private:
    Tensor reach(Site, int, Tensor x) const override { return x; }
    void reach_sequence(Site, int, std::size_t, const Tensor&) const override { ADD_FAILURE(); }
  };
  SequenceState sequence(session_->pages());
  VB_ASSERT_OK(sequence.reserve(1));
  const Batch batch{.ids = {5}, .positions = {0}, .sequences = {{.first_row = 0, .rows = 1, .past = 0, .pages = sequence.pages()}}, .output_rows = {0}};
  ops.begin_step();
  session_->model().network->forward(ops, session_->store(), batch, WantsAll());
  VB_EXPECT_OK(ops.end_step());
}

/// A backend that rounds what it is given, or takes no f32 at all.
TEST_F(CapabilityOf, WeightsThatDoNotComeBackAsTheyWereGivenAreNotFull) {
  LackingOps rounding(session_->ops(), {}), refusing(session_->ops(), {});
  rounding.on_load = [](std::vector<float>& values) -> Result<void> {
    for (float& value : values) value = bf16_to_f32(f32_to_bf16(value));
    return ok();
  };
  refusing.on_load = [](std::vector<float>&) -> Result<void> { return unsupported("blocks only"); };
  const Capability rounded = capability_of(llama(), rounding, true), refused = capability_of(llama(), refusing, true);
  for (const Support& support : {rounded.weight_access, rounded.mutable_weights}) {
    EXPECT_EQ(support.level, SupportLevel::partial);
    EXPECT_NE(support.reason.find("as they are given"), std::string::npos) << support.reason;
  }
  for (const Support& support : {refused.weight_access, refused.mutable_weights}) {
    EXPECT_EQ(support.level, SupportLevel::unsupported);
    EXPECT_NE(support.reason.find("blocks only"), std::string::npos) << support.reason;
  }
}

TEST_F(CapabilityOf, AModelIsRefusedOnABackendThatLacksWhatItNeeds) {
  LackingOps ops(session_->ops(), {Op::rope});
  ThreadPool pool(1);
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  const Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel};
  const auto source = ModelSource::open(folder_.path());
  VB_ASSERT_OK(source);
  const auto refused = Model::load(*source, ops, context);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("'rope'"), std::string::npos) << describe(refused.error());
  cancel.cancel();
  EXPECT_EQ(Model::load(*source, session_->ops(), context).error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace vauban::test
