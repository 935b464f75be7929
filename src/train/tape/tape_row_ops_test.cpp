/// The tape over the operations on rows, ALiBi and sinks: gradients of a small network against central differences, with
/// and without checkpointing. What the network chose its rows by is gone before the way back begins.
#include <array>
#include <cmath>
#include <gtest/gtest.h>

#include "backends/reference/reference_ops.h"
#include "base/rng.h"
#include "train/tape/tape.h"

namespace vauban {
namespace {

std::vector<double> normals(std::int64_t count, std::uint64_t stream) {
  Rng rng(20260101, stream);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = rng.normal();
  return values;
}

struct Machine {
  ThreadPool pool{1};
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel, .seed = 1};
  std::unique_ptr<Ops> ops = make_reference_ops(context, "cpu:0").value();
};

/// Five tokens of two documents; every operation that this test is about, once.
struct Network {
  Machine machine;
  std::unique_ptr<Tape> tape;
  std::vector<Weight> weights;  // table, factors, sinks, head
  Batch batch;
  const std::vector<std::int32_t> targets{2, 0, 6, 3, 1};
  const std::vector<double> coefficients{-0.4, 0.7, -0.1, -1.2, 0.5};

  explicit Network(bool checkpointing) {
    tape = Tape::create(*machine.ops, {.trainable = [](std::string_view) { return true; }, .checkpointing = checkpointing})
               .value();
    std::uint64_t stream = 1;
    for (const Shape& shape : {Shape{9, 6}, Shape{6}, Shape{2}, Shape{7, 12}}) {
      const std::vector<double> values = normals(shape.elements(), stream++);
      weights.push_back(
          tape->load_weight("w", {DType::f64, shape, std::as_bytes(std::span(values))}, nullptr).value());
    }
    batch.ids = {3, 1, 4, 1, 5};
    batch.positions = {0, 1, 2, 0, 1};
    batch.sequences = {{.first_row = 0, .rows = 3, .past = 0, .pages = {}},
                       {.first_row = 3, .rows = 2, .past = 0, .pages = {}}};
  }

  void forward() {
    Tape& t = *tape;
    const Tap& tap = t.boundaries(2);
    Tensor x = tap.at(Site::resid_pre, 0, t.embed(weights[0], batch.ids));
    const Tensor limited = t.clamp(t.scale(t.multiply(x, weights[1]), 1.3), 0.9);
    const Tensor wide = t.join_columns(std::array{limited, x}, 14);  // two columns of zeros
    Tensor mixed;
    {
      const Tensor stack = t.join_rows(std::array{wide, t.scale(wide, -0.5), t.select_rows(wide, std::vector<std::int32_t>{4, 4})});
      const std::vector<std::int32_t> rows{0, 5, 1, 11, 2, 2, 3, 0, 10, 9};
      const std::vector<double> factors{0.3, -1.0, 0.8, 0.2, 0.5, 0.6, -0.7, 1.1, 0.9, 0.4};
      mixed = tap.at(Site::resid_pre, 1, t.blend_rows(stack, rows, factors, 2));
    }
    const Tensor q = t.columns(mixed, 0, 12).reshaped({5, 2, 6});
    t.kv_write(t.no_store(), 0, t.columns(mixed, 2, 6).reshaped({5, 1, 6}), t.columns(wide, 6, 6).reshaped({5, 1, 6}), batch);
    const AttentionArgs args{.heads = 2, .kv_heads = 1, .head_dim = 6, .scale = 0.5, .window = 0, .softcap = 0.0,
                             .alibi_slopes = {0.5, 0.0625}, .sinks = &weights[2]};
    t.lm_head(t.attention(q, t.no_store(), 0, batch, args).reshaped({5, 12}), weights[3], 0.0);
  }

  double loss() {
    tape->set_recording(false);
    tape->begin_step();
    forward();
    const auto logprobs = tape->logprobs(targets);
    EXPECT_TRUE(logprobs) << describe(logprobs.error());
    EXPECT_TRUE(tape->end_step());
    tape->set_recording(true);
    double sum = 0.0;
    for (std::size_t i = 0; logprobs && i < targets.size(); ++i) sum += coefficients[i] * (*logprobs)[i];
    return sum;
  }

  std::vector<std::vector<double>> gradients() {
    tape->begin_step();
    tape->zero_gradients();
    forward();
    const auto back = tape->backward(targets, coefficients);
    EXPECT_TRUE(back) << describe(back.error());
    const Result<void> end = tape->end_step();
    EXPECT_TRUE(end) << describe(end.error());
    std::vector<std::vector<double>> all;
    for (const Parameter& p : tape->parameters()) all.push_back(to_f64(p.gradient));
    return all;
  }
};

TEST(TapeRowOps, GradientsAreThoseOfTheDifferences) {
  Network network(false);
  const auto gradients = network.gradients();
  ASSERT_EQ(gradients.size(), 4U);
  constexpr double kStep = 1e-5;  // central: truncation 1e-10, rounding 1e-11
  for (std::size_t p = 0; p < 4; ++p) {
    double* values = network.tape->parameters()[p].weight.tensor.as<double>();
    double length = 0.0;
    for (std::size_t i = 0; i < gradients[p].size(); ++i) {
      const double start = values[i];
      values[i] = start + kStep;
      const double above = network.loss();
      values[i] = start - kStep;
      const double below = network.loss();
      values[i] = start;
      EXPECT_NEAR(gradients[p][i], (above - below) / (2 * kStep), 1e-8) << "parameter " << p << " element " << i;
      length += std::abs(gradients[p][i]);
    }
    EXPECT_GT(length, 1e-3) << "parameter " << p << " has no gradient to compare";
  }
}

TEST(TapeRowOps, CheckpointingGivesTheSameBits) {
  EXPECT_EQ(Network(true).gradients(), Network(false).gradients());
}

TEST(TapeRowOps, ABackwardThatARouterWouldNotShareIsNotClaimed) {
  Machine machine;
  EXPECT_TRUE(machine.ops->supports(Op::blend_rows, Direction::forward));
  EXPECT_FALSE(machine.ops->supports(Op::blend_rows, Direction::backward));
}

}  // namespace
}  // namespace vauban
