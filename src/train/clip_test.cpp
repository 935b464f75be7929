#include "train/clip.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "base/json_file.h"
#include "support/test_data.h"

namespace vauban {
namespace {

template <class T>
ParameterSlot slot(std::string name, std::vector<T>& grad) {
  return {std::move(name), Shape{static_cast<std::int64_t>(grad.size())},
          std::is_same_v<T, double> ? DType::f64 : DType::f32, grad.data(), grad.data()};
}

TEST(Clip, EqualsTorchOnTheGoldenCase) {
  VB_NEED_SHARED("golden/torch_optim.json");
  const auto golden = read_json_file(test::shared_data() / "golden/torch_optim.json");
  VB_ASSERT_OK(golden);
  const Json& given = *golden->find("clip_grad_norm");
  std::vector<std::vector<double>> grads;
  std::vector<ParameterSlot> slots;
  for (const Json& grad : given.find("grads")->items()) {
    std::vector<double> values;
    for (const Json& value : grad.items()) values.push_back(value.as_double());
    grads.push_back(values);
  }
  for (auto& grad : grads) slots.push_back(slot(format("g{}", slots.size()), grad));
  ThreadPool pool(1);
  const double norm = global_norm(slots, pool);
  EXPECT_NEAR(norm, given.find("norm")->as_double(), 1e-14);
  const double factor = clip_factor(norm, given.find("max_norm")->as_double());
  for (std::size_t i = 0; i < grads.size(); ++i)
    for (std::size_t j = 0; j < grads[i].size(); ++j)
      EXPECT_NEAR(grads[i][j] * factor, given.find("clipped")->items()[i].items()[j].as_double(), 1e-15);
}

TEST(Clip, LeavesSmallGradientsAlone) {
  EXPECT_EQ(clip_factor(0, 1), 1);
  EXPECT_EQ(clip_factor(0.5, 1), 1);
  EXPECT_LT(clip_factor(2, 1), 0.5);
}

TEST(Clip, BitsOfTheNormDoNotDependOnTheThreadCount) {
  std::vector<float> grad(1'000'003);
  for (std::size_t i = 0; i < grad.size(); ++i) grad[i] = std::sin(static_cast<float>(i)) * 1e-3F;
  const ParameterSlot parameter = slot("g", grad);
  ThreadPool one(1), two(2), five(5);
  const double norm = global_norm({&parameter, 1}, one);
  EXPECT_EQ(norm, global_norm({&parameter, 1}, two));
  EXPECT_EQ(norm, global_norm({&parameter, 1}, five));
  EXPECT_NEAR(norm, 1e-3 * std::sqrt(1'000'003 / 2.0), 1e-6);
}

TEST(Clip, SumsInF64SoThatManySmallGradientsCount) {
  std::vector<float> grad(1 << 20, 1e-4F);
  grad[0] = 1;  // in f32 each following square, 1e-8, would round away
  const ParameterSlot parameter = slot("g", grad);
  ThreadPool pool(1);
  EXPECT_NEAR(global_norm({&parameter, 1}, pool), std::sqrt(1 + ((1 << 20) - 1) * 1e-8), 1e-9);
}

TEST(Clip, ShowsGradientsThatAreNotFinite) {
  std::vector<float> grad(100, 0.1F);
  const ParameterSlot parameter = slot("g", grad);
  ThreadPool pool(1);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    grad[57] = bad;
    EXPECT_FALSE(std::isfinite(global_norm({&parameter, 1}, pool)));
  }
}

}  // namespace
}  // namespace vauban
