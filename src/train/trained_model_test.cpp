// What of a model is trained, and what is refused before the first step.
#include "train/trained_model.h"

#include <gtest/gtest.h>

#include "backends/cpu/training/training_ops.h"
#include "base/result.h"
#include "support/test_context.h"
#include "support/test_data.h"

namespace vauban {
namespace {

class TrainedModelTest : public testing::Test, protected test::TestContext {
 protected:
  Result<std::unique_ptr<TrainedModel>> open(const std::string& name) {
    if (!ops_) {
      VB_TRY(ops_, make_cpu_training_ops(context_, TrainingNumerics::f32));
    }
    VB_TRY(ModelSource source, ModelSource::open(test::shared_data() / "tiny_models" / name));
    return TrainedModel::open(TrainingConfig{}, std::move(source), *ops_, context_);
  }

  std::unique_ptr<Ops> ops_;
};

TEST_F(TrainedModelTest, AFullFineTuneTrainsWhatTheFileHoldsAndNothingElse) {
  VB_NEED_SHARED("tiny_models/olmo");
  for (const char* name : {"olmo", "cohere", "llama"}) {  // norms without a weight, without a bias, ordinary ones
    const auto trained = open(name);
    VB_ASSERT_OK(trained);
    const auto source = ModelSource::open(test::shared_data() / "tiny_models" / name);
    VB_ASSERT_OK(source);
    EXPECT_FALSE((*trained)->slots().empty());
    for (const ParameterSlot& slot : (*trained)->slots()) EXPECT_NE(source->file->find(slot.name), nullptr) << name << ": " << slot.name;
  }
}

TEST_F(TrainedModelTest, AHeadWithABiasIsRefusedByName) {
  VB_NEED_SHARED("tiny_models/phi");
  for (const char* name : {"phi", "gptj"}) {
    const auto refused = open(name);
    ASSERT_FALSE(refused.has_value()) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_NE(refused.error().message.find(std::string("'") + name + "' has a head with a bias"), std::string::npos) << describe(refused.error());
  }
}

}  // namespace
}  // namespace vauban
