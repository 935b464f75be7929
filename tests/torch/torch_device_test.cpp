/// What the torch backend does on a device, seen on the host: a host that stands for a device counts what would be copied
/// and waited for, and LibTorch's `meta` device, which has shapes and no memory, throws when it is read.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "backends/torch/torch_gradients.h"
#include "backends/torch/torch_kv_store.h"
#include "backends/torch/torch_ops.h"
#include "base/result.h"
#include "ops/projection_summary.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using namespace torch_backend;
using testing::HasSubstr;
using Mode = PrimitiveMode;

Weight load(Ops& ops, const Shape& shape, float value, std::string name = "w") {
  const auto values = std::make_shared<std::vector<float>>(static_cast<std::size_t>(shape.elements()), value);
  const TensorView view{.dtype = DType::f32, .shape = shape, .bytes = std::as_bytes(std::span<const float>(*values))};
  auto loaded = ops.load_weight(std::move(name), view, values);
  VB_EXPECT_OK(loaded);
  return loaded.value_or(Weight{});
}

Tensor ones(const Shape& shape) {
  return host_tensor(shape, std::vector<float>(static_cast<std::size_t>(shape.elements()), 1.0F));
}

// ---- faults of LibTorch are values

TEST(TorchFaults, AStorageThatCannotBeReadIsAnErrorAndEndsTheStep) {
  const TensorBridge bridge(at::kCPU);
  const Tensor unreadable = bridge.absent({2, 3}, at::kFloat);
  const auto read = read_f32(unreadable);
  ASSERT_FALSE(read.has_value());
  EXPECT_THAT(read.error().message, HasSubstr("LibTorch"));
  const std::vector<float> values = to_f32(unreadable);
  ASSERT_EQ(values.size(), 6u);
  EXPECT_TRUE(std::ranges::all_of(values, [](float value) { return std::isnan(value); })) << "no value is made up";

  TorchOps ops({.device = at::kMeta});
  ops.begin_step();
  const Tensor sum = ops.add(ones({2, 3}), ones({2, 3}), 1.0);
  to_f32(sum);  // an observer reads inside the step
  EXPECT_FALSE(ops.end_step().has_value());
  ops.begin_step();
  VB_EXPECT_OK(ops.end_step());
}

TEST(TorchFaults, APageThatCannotBeCopiedIsAnError) {
  TorchKvStore store({.layers = 1, .kv_heads = 1, .head_dim = 2, .page_tokens = 4, .pages = 2}, at::kCPU, at::kFloat);
  VB_EXPECT_OK(store.copy_page(0, 1));
  const auto outside = store.copy_page(0, 7);
  ASSERT_FALSE(outside.has_value());
  EXPECT_THAT(describe(outside.error()), HasSubstr("page of keys and values"));
}

/// 2^50 bytes: more than a process can address.
TEST(TorchFaults, WithoutMemoryEveryLaterOperationOfTheStepIsHarmless) {
  TorchOps ops({.device = at::kCPU, .training = true});
  ops.begin_step();
  const Tensor huge = ops.gradients()->zeros({std::int64_t{1} << 24, std::int64_t{1} << 24});
  const Shape shape = huge.shape();
  EXPECT_EQ(shape, (Shape{std::int64_t{1} << 24, std::int64_t{1} << 24}));
  EXPECT_EQ(ops.activation(huge, Activation::silu).shape(), shape);
  EXPECT_EQ(ops.gated_activation(huge, huge, Activation::silu).shape(), shape);
  EXPECT_EQ(ops.add(huge, huge, 1.0).shape(), shape);
  const std::vector<std::int32_t> rows{0};
  const auto p = validate_primitive({.mode = Mode::subtract, .direction = {0, 1, 0}}, 3);
  VB_ASSERT_OK(p);
  EXPECT_EQ(ops.primitive(ops.select_rows(Tensor(), rows), *p, {}).gates_open, 0);
  EXPECT_TRUE(ops.activation(Tensor(), Activation::silu).data() == nullptr);
  const Result<void> status = ops.end_step();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::resource) << describe(status.error());
}

TEST(TorchFaults, AParameterThatCannotBeMadeSaysWhyAndDoesNotSpoilTheStep) {
  if (present_devices().size() > 1) GTEST_SKIP() << "this machine has a device";
  TorchOps ops({.device = at::Device("cuda:0"), .training = true});
  ops.begin_step();
  const std::vector<float> values{1, 2};
  const auto made = ops.gradients()->make_parameter("p", {DType::f32, {2}, std::as_bytes(std::span(values))});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::internal) << "it was not memory that lacked";
  EXPECT_THAT(describe(made.error()), HasSubstr("parameter 'p'"));
  VB_EXPECT_OK(ops.end_step());
}

TEST(TorchFaults, ATypeThatIsUnknownIsNotTakenForF32) {
  EXPECT_THROW(dtype_of(at::kComplexFloat), std::invalid_argument);
  const TensorBridge bridge(at::kCPU);
  EXPECT_THROW(bridge.unwrap(make_host_tensor(DType::u16, {2})), std::invalid_argument);
  EXPECT_THROW(bridge.unwrap(Tensor()), std::invalid_argument);
}

// ---- what is promised only where it is kept

TEST(TorchOpsSurface, HasGradientsOnlyWhereItTrains) {
  TorchOps plain({.device = at::kCPU}), training({.device = at::kCPU, .training = true});
  EXPECT_EQ(plain.gradients(), nullptr);
  EXPECT_FALSE(plain.supports(Op::linear, Direction::backward));
  EXPECT_TRUE(plain.supports(Op::linear, Direction::forward));
  EXPECT_NE(training.gradients(), nullptr);
  EXPECT_TRUE(training.supports(Op::linear, Direction::backward));
}

TEST(TorchOpsSurface, ProductsAreMadeInF32WhateverThisProcessWasSetTo) {
  TorchOps ops({.device = at::kCPU});
  at::globalContext().setAllowTF32CuBLAS(true);
  ASSERT_TRUE(products_in_tf32());
  ops.begin_step();
  EXPECT_FALSE(products_in_tf32());
  VB_EXPECT_OK(ops.end_step());
}

TEST(TorchOpsSurface, SaysWhatItsCountersLeaveOutOnEachKindOfDevice) {
  const TorchOps ops({.device = at::kCPU});
  EXPECT_THAT(ops.counter_gaps("cpu").memory, HasSubstr("host memory"));
  EXPECT_EQ(ops.counter_gaps("cuda").memory, "");
  EXPECT_EQ(ops.counter_gaps("mps").memory, metal_memory_gap());
  for (const char* kind : {"cpu", "cuda", "mps"}) EXPECT_EQ(ops.counter_gaps(kind).waits, "") << kind;
#if !__has_include(<ATen/detail/MPSHooksInterface.h>)
  EXPECT_THAT(metal_memory_gap(), HasSubstr("LibTorch 2.0"));
#endif
}

// ---- threads

TEST(TorchThreads, AreThoseOfTheEngineAndOneForSmallProducts) {
  TorchOps ops({.device = at::kCPU, .threads = 2});
  at::set_num_threads(1);
  ops.begin_step();
  EXPECT_EQ(at::get_num_threads(), 2) << "before anything is known of the products";
  const Weight table = load(ops, {8, 16}, 0.5F), large = load(ops, {2048, 2048}, 0.5F);
  const std::vector<std::int32_t> one{3}, many(4096, 3);
  ops.embed(table, one);
  EXPECT_EQ(at::get_num_threads(), 2) << "2 x 2048 x 2048 is worth two threads";
  VB_EXPECT_OK(ops.end_step());

  TorchOps small({.device = at::kCPU, .threads = 2});
  small.begin_step();
  const Weight little = load(small, {8, 16}, 0.5F);
  small.embed(little, one);
  EXPECT_EQ(at::get_num_threads(), 1);
  VB_EXPECT_OK(small.end_step());
  at::set_num_threads(2);
  small.begin_step();
  EXPECT_EQ(at::get_num_threads(), 1) << "a step begins with what the last one settled on, whoever ran in between";
  VB_EXPECT_OK(small.end_step());
}

// ---- counters

class TorchCounters : public testing::Test {
 protected:
  void SetUp() override { remote_.begin_step(); }
  OpCounters taken() { return remote_.take_counters(); }
  PrimitiveResult apply(const Primitive& wanted) {
    const auto p = validate_primitive(wanted, 3);
    VB_EXPECT_OK(p);
    return remote_.primitive(x_, *p, rows_);
  }
  TorchOps remote_{{.device = at::kCPU, .host_is_remote = true}};
  Tensor x_ = ones({4, 3});
  std::vector<std::int32_t> rows_{0, 2};
};

TEST_F(TorchCounters, CountEveryCopyAndEveryWait) {
  const Weight w = load(remote_, {3, 3}, 2.0F);
  EXPECT_EQ(taken().host_device_copies, 1) << "a weight goes in";
  const Tensor y = remote_.linear(x_, w, nullptr);
  EXPECT_EQ(y.data(), nullptr) << "a device hands out no pointer";
  OpCounters counters = taken();
  EXPECT_EQ(counters.host_device_copies, 1) << "the operand goes in";
  EXPECT_EQ(counters.sync_points, 0);
  EXPECT_EQ(to_f32(y), std::vector<float>(12, 6.0F));
  counters = taken();
  EXPECT_EQ(counters.host_device_copies, 1);
  EXPECT_EQ(counters.sync_points, 1);
  to_f32(y.rows(1, 2));
  EXPECT_EQ(taken().sync_points, 1);
}

TEST_F(TorchCounters, OfThePrimitiveAreOneCopyBackHoweverManyRowsAndFigures) {
  const auto copies = [&](const Primitive& p) {
    taken();
    apply(p);
    const OpCounters counters = taken();
    EXPECT_EQ(counters.sync_points, 1) << to_string(p.mode);
    return counters.host_device_copies;
  };
  // In: the activation, the rows, the direction, and a gate. Out: all figures at once.
  EXPECT_EQ(copies({.mode = Mode::project, .direction = {0, 1, 0}}), 4);
  EXPECT_EQ(copies({.mode = Mode::subtract, .direction = {0, 1, 0}}), 4);
  EXPECT_EQ(copies({.mode = Mode::conditional, .direction = {0, 1, 0}, .gate = {1, 0, 0}}), 5);
}

TEST_F(TorchCounters, OfThePrimitiveHaveTheBytesThatItReadsAndWrites) {
  taken();
  apply({.mode = Mode::project, .direction = {0, 1, 0}});
  OpCounters counters = taken();
  EXPECT_EQ(counters.bytes_read, 4 * 3 * 4);
  EXPECT_EQ(counters.bytes_written, 0);
  apply({.mode = Mode::subtract, .direction = {0, 1, 0}});
  counters = taken();
  EXPECT_EQ(counters.bytes_read, 4 * 3 * 4);
  EXPECT_EQ(counters.bytes_written, 4 * 3 * 4);
}

TEST_F(TorchCounters, OfProjectionsAreOneCopyBackForAllRows) {
  class Rows final : public ProjectionSink {
   public:
    void add(std::span<const double> projections) override { seen.emplace_back(projections.begin(), projections.end()); }
    std::vector<std::vector<double>> seen;
  };
  taken();
  Rows sink;
  VB_EXPECT_OK(remote_.project(x_, std::vector<double>{1, 2, 3, 0, 0, 1}, std::vector<std::int32_t>{3, 0, 1}, sink));
  EXPECT_EQ(sink.seen, (std::vector<std::vector<double>>{{6, 1}, {6, 1}, {6, 1}}));
  const OpCounters counters = taken();
  EXPECT_EQ(counters.sync_points, 1);
  EXPECT_EQ(counters.host_device_copies, 4) << "activation, directions and rows in, projections out";
}

/// Recurrences run on the host: their operands come back from the device and their result goes there.
TEST_F(TorchCounters, OfARecurrenceAreTheWayToTheHostAndBack) {
  const Weight w = load(remote_, {6}, 1.0F);  // 3 channels, 2 taps
  const auto store = remote_.make_kv_store(
      {.layers = 1, .kv_heads = 0, .head_dim = 1, .page_tokens = 4, .pages = 1, .state = {.conv = 3, .scan = 0}});
  VB_ASSERT_OK(store);
  Batch batch;
  batch.sequences = {{.first_row = 0, .rows = 4, .past = 0, .pages = {0}}};
  taken();
  const Tensor y = remote_.short_conv(x_, w, **store, 0, batch, {.kernel = 2});
  const OpCounters counters = taken();
  VB_EXPECT_OK(remote_.end_step());
  EXPECT_EQ(counters.host_device_copies, 4) << "the operand in; operand and weight out, the result in";
  EXPECT_EQ(counters.sync_points, 2);
  EXPECT_EQ(y.data(), nullptr);
  EXPECT_EQ(to_f32(y), (std::vector<float>{1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2}));
}

TEST_F(TorchCounters, OfAProfiledStepHaveItsTimeAndTheTwoWaitsAroundIt) {
  EXPECT_EQ(taken().device_s, 0.0);
  VB_EXPECT_OK(remote_.end_step());
  EXPECT_EQ(taken().sync_points, 0) << "unprofiled steps do not wait";
  remote_.profile_device(true);
  remote_.begin_step();
  remote_.add(x_, x_, 1.0);
  VB_EXPECT_OK(remote_.end_step());
  const OpCounters counters = taken();
  EXPECT_EQ(counters.sync_points, 2);
  EXPECT_GT(counters.device_s, 0.0);
  EXPECT_EQ(taken().device_s, 0.0) << "taken";

  TorchOps host({.device = at::kCPU});
  host.profile_device(true);
  host.begin_step();
  to_f32(host.add(x_, x_, 1.0));
  VB_EXPECT_OK(host.end_step());
  const OpCounters none = host.take_counters();
  EXPECT_EQ(none.device_s, 0.0);
  EXPECT_EQ(none.sync_points + none.host_device_copies, 0) << "the host waits for nobody";
}

TEST_F(TorchCounters, OfMemoryAreTheHighestOfAStep) {
  taken();
  remote_.add(ones({256, 1024}), ones({256, 1024}), 1.0);
  EXPECT_GE(taken().memory_high_water_bytes, 1 << 20);
}

}  // namespace
}  // namespace vauban::test
