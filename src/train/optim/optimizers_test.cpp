#include "train/optim/optimizers.h"

#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/reader.h"
#include "base/json_file.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

class OptimizerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Optimizer> make(const OptimizerConfig& config, int threads = 1) {
    pools_.push_back(std::make_unique<ThreadPool>(threads));
    const Context context{*pools_.back(), system_clock(), progress_, cancel_};
    auto made = make_optimizer(config, context);
    EXPECT_TRUE(made) << describe(made.error());
    return made ? *std::move(made) : nullptr;
  }

  std::vector<std::unique_ptr<ThreadPool>> pools_;
  SilentProgress progress_;
  CancelToken cancel_;
};

template <class T>
constexpr DType kType = std::is_same_v<T, double> ? DType::f64 : DType::f32;

/// Parameters with their gradients, as the trainer will own them.
template <class T>
struct Model {
  struct Parameter {
    std::string name;
    Shape shape;
    std::vector<T> value, grad;
    bool decay = true;
  };
  std::vector<Parameter> parameters;

  std::vector<ParameterSlot> slots() {
    std::vector<ParameterSlot> out;
    for (Parameter& p : parameters) out.push_back({p.name, p.shape, kType<T>, p.value.data(), p.grad.data(), p.decay});
    return out;
  }
};

/// The model and gradients of torch_optim.json, as its source line says.
template <class T>
struct Golden : Model<T> {
  Golden() {
    std::vector<T> p(6);
    for (int i = 0; i < 6; ++i) p[static_cast<std::size_t>(i)] = T(0.7 * std::sin(1 + i));
    this->parameters = {{"p", Shape{2, 3}, p, std::vector<T>(6)},
                        {"b", Shape{2}, {T(0.3), T(-0.2)}, std::vector<T>(2)}};
  }
  void set_gradients(int s) {
    auto& p = this->parameters[0];
    for (std::size_t i = 0; i < 6; ++i)
      p.grad[i] = T(0.5 * std::cos(0.7 * static_cast<double>(i) + s) + 0.1 * static_cast<double>(p.value[i]));
    this->parameters[1].grad = {T(0.2 * std::sin(s + 1)), T(0.1 * std::cos(2 * s))};
  }
};

double largest_difference(const Json& expected, const auto& values) {
  EXPECT_EQ(expected.size(), values.size());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    largest = std::max(largest, std::abs(expected.items()[i].as_double() - static_cast<double>(values[i])));
  return largest;
}

OptimizerConfig config_of(const std::string& name, const Json& options) {
  const std::string id = name.substr(0, name.find('_'));
  OptimizerConfig config{.id = id, .lr = options.find("lr")->as_double()};
  const auto number = [&](const char* key) -> std::optional<double> {
    const Json* found = options.find(key);
    return found ? std::optional(found->as_double()) : std::nullopt;
  };
  if (const Json* betas = options.find("betas")) {
    config.beta1 = betas->items()[0].as_double();
    config.beta2 = betas->items()[1].as_double();
  }
  config.epsilon = number("eps");
  config.weight_decay = number("weight_decay");
  config.momentum = number("momentum");
  if (options.find("nesterov")) config.nesterov = true;
  if (options.find("amsgrad")) config.amsgrad = true;
  return config;
}

template <class T>
double worst_of_case(Optimizer& optimizer, double lr, const Json& after) {
  Golden<T> model;
  double worst = 0;
  for (int s = 0; s < static_cast<int>(after.size()); ++s) {
    model.set_gradients(s);
    const auto slots = model.slots();
    EXPECT_TRUE(optimizer.step(slots, lr));
    for (const auto& parameter : model.parameters) {
      const Json& expected = *after.items()[static_cast<std::size_t>(s)].find(parameter.name);
      worst = std::max(worst, largest_difference(expected, parameter.value));
    }
  }
  return worst;
}

TEST_F(OptimizerTest, EqualsTorchOnEveryGoldenCase) {
  VB_NEED_SHARED("golden/torch_optim.json");
  const auto golden = read_json_file(test::shared_data() / "golden/torch_optim.json");
  VB_ASSERT_OK(golden);
  const auto& cases = golden->find("cases")->entries();
  EXPECT_EQ(cases.size(), 12u);
  for (const auto& [name, expected] : cases) {
    SCOPED_TRACE(name);
    const OptimizerConfig config = config_of(name, *expected.find("options"));
    const Json& after = *expected.find("after");
    ASSERT_EQ(after.size(), 12u);
    EXPECT_LE(worst_of_case<double>(*make(config), config.lr, after), 1e-12);
    // f32: 12 steps, each rounding values below 1 a few times; NAdam and Adafactor divide by what is near 0.
    EXPECT_LE(worst_of_case<float>(*make(config), config.lr, after), 2e-6);
  }
}

TEST_F(OptimizerTest, GoldenComparisonSeesAWrongSetting) {
  VB_NEED_SHARED("golden/torch_optim.json");
  const auto golden = read_json_file(test::shared_data() / "golden/torch_optim.json");
  VB_ASSERT_OK(golden);
  const Json& after = *golden->find("cases")->find("adamw")->find("after");
  const OptimizerConfig wrong{
      .id = "adamw", .lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 2e-8, .weight_decay = 0.1};
  EXPECT_GT(worst_of_case<double>(*make(wrong), 0.01, after), 1e-12);
  const OptimizerConfig l2{.id = "adam", .lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1};
  EXPECT_GT(worst_of_case<double>(*make(l2), 0.01, after), 1e-5);
}

TEST_F(OptimizerTest, AdamWGivesThePublishedVector) {
  Model<double> model{{{"p", Shape{1}, {1.0}, {0.5}}}};
  const auto optimizer = make({.id = "adamw", .lr = 0.1, .weight_decay = 0.01});
  for (const double expected : {0.8990000020, 0.7981010040, 0.6973029050}) {
    const auto slots = model.slots();
    VB_ASSERT_OK(optimizer->step(slots, 0.1));
    EXPECT_NEAR(model.parameters[0].value[0], expected, 5e-11);
  }
}

/// One input per step; the gradient of sum((y - W x)^2) is -2 (y - W x) x^T.
void set_linear_gradient(Model<double>::Parameter& w, const Json::Array& x) {
  const double in[3] = {x[0].as_double(), x[1].as_double(), x[2].as_double()};
  const double target[2] = {in[0] + in[1], -in[2]};
  for (std::size_t row = 0; row < 2; ++row) {
    double error = target[row];
    for (std::size_t col = 0; col < 3; ++col) error -= w.value[row * 3 + col] * in[col];
    for (std::size_t col = 0; col < 3; ++col) w.grad[row * 3 + col] = -2 * error * in[col];
  }
}

TEST_F(OptimizerTest, AdamWEndsTheThousandStepRunWhereTorchDoes) {
  VB_NEED_SHARED("golden/cs336_ops.json");
  const auto golden = read_json_file(test::shared_data() / "golden/cs336_ops.json");
  VB_ASSERT_OK(golden);
  const Json& run = *golden->find("cases")->find("adamw_1000_steps");
  Model<double> model{{{"w", Shape{2, 3}, {}, std::vector<double>(6)}}};
  for (const Json& row : run.find("w0")->items())
    for (const Json& value : row.items()) model.parameters[0].value.push_back(value.as_double());
  const auto optimizer = make({.id = "adamw", .weight_decay = 0.01});
  ASSERT_EQ(run.find("x")->size(), 1000u);
  for (const Json& x : run.find("x")->items()) {
    set_linear_gradient(model.parameters[0], x.items());
    const auto slots = model.slots();
    VB_ASSERT_OK(optimizer->step(slots, 1e-3));
  }
  // The reference ran in f32: a thousand steps of 1e-3, each rounded.
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_NEAR(model.parameters[0].value[i], run.find("expected_w_torch")->items()[i / 3].items()[i % 3].as_double(),
                1e-5);
}

TEST_F(OptimizerTest, DecayLeavesMarkedParametersAlone) {
  for (const OptimizerEntry& entry : all_optimizers()) {
    SCOPED_TRACE(entry.id);
    OptimizerConfig config = entry.defaults;
    config.weight_decay = 0.5;
    const auto optimizer = make(config);
    Model<double> model{{{"decayed", Shape{1}, {1.0}, {0.25}, true}, {"kept", Shape{1}, {1.0}, {0.25}, false}}};
    config.weight_decay = 0;
    const auto plain = make(config);
    Model<double> same{{{"kept", Shape{1}, {1.0}, {0.25}, true}}};
    for (int s = 0; s < 3; ++s) {
      const auto slots = model.slots(), plain_slots = same.slots();
      VB_ASSERT_OK(optimizer->step(slots, 0.1));
      VB_ASSERT_OK(plain->step(plain_slots, 0.1));
    }
    EXPECT_EQ(model.parameters[1].value, same.parameters[0].value);
    EXPECT_NE(model.parameters[0].value, model.parameters[1].value);
  }
}

TEST_F(OptimizerTest, LionMovesByTheSignAndDecaysApart) {
  Model<double> model{{{"p", Shape{3}, {1.0, 1.0, 1.0}, {0.5, -0.001, 0.0}}}};
  const auto optimizer = make({.id = "lion", .lr = 0.1, .weight_decay = 0.5});
  const auto slots = model.slots();
  VB_ASSERT_OK(optimizer->step(slots, 0.1));
  EXPECT_THAT(model.parameters[0].value, ::testing::Pointwise(::testing::DoubleNear(1e-15), {0.85, 1.05, 0.95}));
  const OptimizerState state = optimizer->state();
  EXPECT_NEAR(state.tensors.at("p").at("exp_avg").as<double>()[0], 0.005, 1e-15);
  // A gradient of the other sign moves on with the momentum as long as that is larger: 0.9 * 0.005 > 0.1 * 0.04.
  model.parameters[0].grad = {-0.04, 0, 0};
  VB_ASSERT_OK(optimizer->step(slots, 0.1));
  EXPECT_NEAR(model.parameters[0].value[0], 0.85 * 0.95 - 0.1, 1e-15);
}

Model<float> large_model() {
  Model<float> model;
  for (const std::int64_t rows : {1, 300, 7}) {
    const std::size_t count = static_cast<std::size_t>(rows) * 257;
    std::vector<float> value(count), grad(count);
    for (std::size_t i = 0; i < count; ++i) {
      value[i] = std::sin(0.37F * static_cast<float>(i) + static_cast<float>(rows));
      grad[i] = 0.3F * std::cos(1.7F * static_cast<float>(i)) * value[i];
    }
    model.parameters.push_back({format("m{}", rows), Shape{rows, 257}, value, grad});
  }
  return model;
}

TEST_F(OptimizerTest, BitsDoNotDependOnTheThreadCount) {
  for (const OptimizerEntry& entry : all_optimizers()) {
    SCOPED_TRACE(entry.id);
    std::vector<Model<float>> models;
    for (const int threads : {1, 2, 3}) {
      models.push_back(large_model());
      const auto optimizer = make(entry.defaults, threads);
      for (int s = 0; s < 3; ++s) {
        const auto slots = models.back().slots();
        VB_ASSERT_OK(optimizer->step(slots, 0.01));
      }
    }
    for (std::size_t i = 0; i < models[0].parameters.size(); ++i) {
      EXPECT_EQ(models[0].parameters[i].value, models[1].parameters[i].value);
      EXPECT_EQ(models[0].parameters[i].value, models[2].parameters[i].value);
      EXPECT_NE(models[0].parameters[i].value, large_model().parameters[i].value);
    }
  }
}

TEST_F(OptimizerTest, ScalingAsReadGivesTheBitsOfScalingInPlace) {
  for (const OptimizerEntry& entry : all_optimizers()) {
    SCOPED_TRACE(entry.id);
    Model<float> fused = large_model(), in_place = large_model();
    const float factor = 0.3711F;
    for (auto& parameter : in_place.parameters)
      for (float& g : parameter.grad) g *= factor;
    const auto a = make(entry.defaults), b = make(entry.defaults);
    const auto fused_slots = fused.slots(), in_place_slots = in_place.slots();
    VB_ASSERT_OK(a->step(fused_slots, 0.01, factor));
    VB_ASSERT_OK(b->step(in_place_slots, 0.01));
    const bool sums_in_f64 = entry.id == "adafactor";  // where a product is not rounded to f32 first
    for (std::size_t i = 0; i < fused.parameters.size(); ++i) {
      if (!sums_in_f64) {
        EXPECT_EQ(fused.parameters[i].value, in_place.parameters[i].value);
      }
      EXPECT_THAT(fused.parameters[i].value,
                  ::testing::Pointwise(::testing::FloatNear(1e-6F), in_place.parameters[i].value));
    }
  }
}

OptimizerState deep_copy(const OptimizerState& state) {
  OptimizerState copy{.step = state.step};
  for (const auto& [parameter, tensors] : state.tensors)
    for (const auto& [name, tensor] : tensors) {
      Tensor to = make_host_tensor(tensor.dtype(), tensor.shape());
      std::memcpy(to.data(), tensor.data(),
                  static_cast<std::size_t>(tensor.shape().elements()) * info(tensor.dtype()).bits / 8);
      copy.tensors[parameter].emplace(name, to);
    }
  return copy;
}

TEST_F(OptimizerTest, RestoredStateGoesOnWithTheSameBits) {
  for (const OptimizerEntry& entry : all_optimizers()) {
    SCOPED_TRACE(entry.id);
    OptimizerConfig config = entry.defaults;
    if (config.momentum) config.momentum = 0.9;
    if (config.amsgrad) config.amsgrad = true;
    Golden<float> model;
    const auto whole = make(config);
    for (int s = 0; s < 7; ++s) {
      model.set_gradients(s);
      const auto slots = model.slots();
      VB_ASSERT_OK(whole->step(slots, 0.01));
    }
    Golden<float> resumed = model;
    const OptimizerState saved = deep_copy(whole->state());
    EXPECT_EQ(saved.step, 7);
    const auto second = make(config);
    VB_ASSERT_OK(second->restore(resumed.slots(), saved));
    for (int s = 7; s < 12; ++s) {
      model.set_gradients(s);
      resumed.set_gradients(s);
      const auto slots = model.slots(), resumed_slots = resumed.slots();
      VB_ASSERT_OK(whole->step(slots, 0.01));
      VB_ASSERT_OK(second->step(resumed_slots, 0.01));
    }
    EXPECT_EQ(model.parameters[0].value, resumed.parameters[0].value);
    EXPECT_EQ(model.parameters[1].value, resumed.parameters[1].value);
    // Without the state the run is another one.
    Golden<float> fresh = model;
    const auto third = make(config);
    for (auto* pair : {&model, &fresh}) pair->set_gradients(12);
    const auto slots = model.slots(), fresh_slots = fresh.slots();
    VB_ASSERT_OK(whole->step(slots, 0.01));
    VB_ASSERT_OK(third->step(fresh_slots, 0.01));
    // What keeps nothing has nothing to lose, and one step of lion is the sign alone.
    const bool same = whole->state_layout(slots[0]).empty() || entry.id == "lion";
    EXPECT_EQ(model.parameters[0].value == fresh.parameters[0].value, same);
  }
}

TEST_F(OptimizerTest, RestoreRefusesWhatDoesNotFitAndKeepsItsOwn) {
  Golden<float> model;
  const auto slots = model.slots();
  const auto optimizer = make({.id = "adamw"});
  VB_ASSERT_OK(optimizer->step(slots, 0.01));
  const OptimizerState good = deep_copy(optimizer->state());
  const auto refused = [&](const auto& damage, const char* reason) {
    OptimizerState bad = good;
    damage(bad);
    const auto restored = optimizer->restore(slots, bad);
    ASSERT_FALSE(restored);
    EXPECT_THAT(describe(restored.error()), HasSubstr(reason));
  };
  refused([](auto& s) { s.tensors.at("p").erase("exp_avg_sq"); }, "lacks 'exp_avg_sq' of parameter 'p'");
  refused([](auto& s) { s.tensors.erase("b"); }, "lacks parameter 'b'");
  refused([](auto& s) { s.tensors["ghost"]; }, "'ghost', which is no parameter");
  refused([](auto& s) { s.tensors.at("p")["momentum_buffer"] = s.tensors.at("p").at("exp_avg"); },
          "expected 2 tensors");
  refused([](auto& s) { s.tensors.at("p").at("exp_avg") = make_host_tensor(DType::f32, Shape{3, 2}); }, "[3, 2]");
  refused([](auto& s) { s.tensors.at("p").at("exp_avg") = make_host_tensor(DType::f64, Shape{2, 3}); }, "found f64");
  refused([](auto& s) { s.step = -1; }, "found -1");
  EXPECT_EQ(optimizer->steps_done(), 1);
  VB_EXPECT_OK(optimizer->restore(slots, good));
}

TEST_F(OptimizerTest, StepRefusesBadInputAndMovesNothing) {
  Golden<float> model;
  const std::vector<float> before = model.parameters[0].value;
  const auto optimizer = make({.id = "adamw"});
  const auto good = model.slots();
  const auto refused = [&](auto damage, double lr, double scale, const char* reason) {
    auto slots = good;
    damage(slots);
    const auto stepped = optimizer->step(slots, lr, scale);
    ASSERT_FALSE(stepped);
    EXPECT_THAT(describe(stepped.error()), HasSubstr(reason));
  };
  const auto nothing = [](auto&) {};
  refused(nothing, std::nan(""), 1, "learning rate");
  refused(nothing, -1, 1, "learning rate");
  refused(nothing, 0.1, INFINITY, "factor for the gradients");
  refused([](auto& s) { s[0].dtype = DType::bf16; }, 0.1, 1, "expected f32 or f64, found bf16");
  refused([](auto& s) { s[1].grad = nullptr; }, 0.1, 1, "no gradient");
  refused([](auto& s) { s[1].name = "p"; }, 0.1, 1, "more than once");
  EXPECT_EQ(model.parameters[0].value, before);
  EXPECT_EQ(optimizer->steps_done(), 0);
  VB_ASSERT_OK(optimizer->step(good, 0.1));
  refused([](auto& s) { s[0].shape = Shape{3, 2}; }, 0.1, 1, "expected f32 [2, 3] as before");
}

TEST(OptimizerConfig, FillsDefaultsAndRefusesWhatTheOptimizerLacks) {
  const auto adamw = resolve(OptimizerConfig{.id = "adamw"});
  VB_ASSERT_OK(adamw);
  EXPECT_EQ(adamw->weight_decay, 0.01);
  EXPECT_EQ(adamw->momentum, std::nullopt);
  const auto refused = [](const OptimizerConfig& config, const char* reason) {
    const auto resolved = resolve(config);
    ASSERT_FALSE(resolved);
    EXPECT_THAT(describe(resolved.error()), HasSubstr(reason));
  };
  refused({.id = "adamw", .momentum = 0.9}, "optimizer 'adamw' has no 'momentum'");
  refused({.id = "lion", .amsgrad = true}, "optimizer 'lion' has no 'amsgrad'");
  refused({.id = "adamww"}, "did you mean 'adamw'?");
  refused({.id = "adamw", .beta2 = 1.0}, "expected a number from 0 to below 1, found 1");
  refused({.id = "sgd", .nesterov = true}, "nesterov needs a momentum");
  refused({.id = "sgd", .lr = std::nan("")}, "lr: expected");
}

TEST(OptimizerConfig, ReadsFromToml) {
  const auto read = read_toml<OptimizerConfig>("id = \"sgd\"\nlr = 0.5\nmomentum = 0.9\nnesterov = true\n", "c.toml");
  VB_ASSERT_OK(read);
  EXPECT_EQ(read->momentum, 0.9);
  EXPECT_EQ(read->nesterov, true);
  EXPECT_FALSE(read_toml<OptimizerConfig>("id = \"nope\"\n", "c.toml"));
  EXPECT_FALSE(read_toml<OptimizerConfig>("beta1 = 1.5\n", "c.toml"));
}

}  // namespace
}  // namespace vauban
