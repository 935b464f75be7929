/// What only the cpu backend promises; what every backend promises is in tests/contract.
#include "backends/cpu/cpu_ops.h"

#include <array>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>

#include "support/test_data.h"
#include "tensor/quant/format.h"

namespace vauban::test {
long heap_allocations();  // heap_count_test.cpp
}

namespace vauban {
namespace {

class CpuOpsTest : public testing::TestWithParam<CpuTarget> {
 protected:
  ThreadPool pool_{2};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_, .seed = 0};
  std::unique_ptr<Ops> ops_ = make_cpu_ops(context_, GetParam()).value();

  Weight load(DType dtype, const Shape& shape, const std::vector<std::byte>& bytes) {
    return ops_->load_weight("w", {dtype, shape, bytes}, nullptr).value();
  }
};
INSTANTIATE_TEST_SUITE_P(Targets, CpuOpsTest, testing::ValuesIn(available_cpu_targets()),
                         [](const auto& test) { return std::string(to_string(test.param)); });

std::vector<std::byte> bytes_of(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}
std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  return values;
}

TEST_P(CpuOpsTest, EveryFiniteHalfAndInfinityDecodesExactly) {
  std::vector<std::byte> bytes(2 * 65536);
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  ops_->begin_step();
  const Weight table = load(DType::f16, {1, 65536}, bytes);
  const std::array<std::int32_t, 1> ids{0};
  const Tensor row = ops_->embed(table, ids);
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const float expected = f16_to_f32(static_cast<std::uint16_t>(i)), got = row.as<float>()[i];
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(got)) << i;
    else
      ASSERT_EQ(std::memcmp(&got, &expected, 4), 0) << "half " << i << ": " << got << " for " << expected;
  }
}

TEST_P(CpuOpsTest, ExpIsWithinTwoUlpOverItsRange) {
  // Softmax over {0, x} gives e^x / (1 + e^x); silu of g with up 1 / g gives the logistic function of g.
  std::vector<float> gate, inverse;
  for (float g = -87.0f; g < 88.0f; g += 0.0173f) gate.push_back(g), inverse.push_back(1.0f / g);
  ops_->begin_step();
  const Shape shape{static_cast<std::int64_t>(gate.size())};
  const Tensor y = ops_->gated_activation(host_tensor(shape, gate), host_tensor(shape, inverse), Activation::silu);
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double g = static_cast<double>(gate[i]);
    const double expected = g * static_cast<double>(inverse[i]) / (1.0 + std::exp(-g));
    EXPECT_NEAR(static_cast<double>(y.as<float>()[i]) / expected, 1.0, 5 * 0x1p-24) << g;
  }
}

TEST_P(CpuOpsTest, MatricesStayWhereTheyAreAndKeepTheirFileAlive) {
  auto file = std::make_shared<std::vector<std::byte>>(34 * 4);
  const std::weak_ptr<const void> alive = file;
  const TensorView view{DType::q8_0, {4, 32}, *file};
  const std::byte* mapped = file->data();
  auto weight = ops_->load_weight("w", view, std::move(file));
  VB_ASSERT_OK(weight);
  EXPECT_EQ(weight->tensor.data(), mapped);
  EXPECT_EQ(weight->tensor.dtype(), DType::q8_0);
  const Tensor copy = weight->tensor;
  *weight = Weight{};
  EXPECT_FALSE(alive.expired()) << "a tensor still points into the file";
}

TEST_P(CpuOpsTest, VectorsAreWidenedToF32) {
  std::vector<std::byte> bytes(4);
  const std::array<std::uint16_t, 2> halves{f32_to_bf16(1.5f), f32_to_bf16(-2.0f)};
  std::memcpy(bytes.data(), halves.data(), 4);
  const Weight weight = load(DType::bf16, {2}, bytes);
  EXPECT_EQ(weight.dtype, DType::bf16) << "what the file holds";
  ASSERT_EQ(weight.tensor.dtype(), DType::f32);
  EXPECT_EQ(weight.tensor.as<float>()[1], -2.0f);
}

TEST_P(CpuOpsTest, CountersNameTheWeightTypesThatRan) {
  ops_->begin_step();
  const std::vector<std::byte> blocks(34 * 4), floats = bytes_of(ramp(4 * 32));
  const Weight q = load(DType::q8_0, {4, 32}, blocks), f = load(DType::f32, {4, 32}, floats);
  const Tensor x = host_tensor({1, 32}, ramp(32));
  ops_->linear(x, q);
  ops_->linear(x, f);
  EXPECT_EQ(ops_->take_counters().kernel_path, format("cpu/{} f32 q8_0", to_string(GetParam())));
  EXPECT_EQ(ops_->take_counters().kernel_path, format("cpu/{}", to_string(GetParam())));
}

TEST_P(CpuOpsTest, AWriteOutsideAnOutputFailsTheStep) {
  ops_->begin_step();
  const Tensor x = host_tensor({1, 5}, ramp(5));
  const Tensor y = ops_->add(x, x);
  y.as<float>()[5] = 0.0f;  // the planted fault
  const Result<void> status = ops_->end_step();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::internal);
  ops_->begin_step();
  VB_EXPECT_OK(ops_->end_step());
}

TEST_P(CpuOpsTest, AStoreOfAnotherBackendIsAnError) {
  class Foreign final : public KvStore {
   public:
    Foreign() : KvStore({.layers = 1, .kv_heads = 1, .head_dim = 4, .page_tokens = 16, .pages = 1}) {}
    Result<void> copy_keys_and_values(std::int32_t, std::int32_t) override { return ok(); }
    std::int64_t size_bytes() const override { return 0; }
  } foreign;
  Batch batch;
  batch.sequences = {{.first_row = 0, .rows = 1, .past = 0, .pages = {0}}};
  const AttentionArgs args{.heads = 1, .kv_heads = 1, .head_dim = 4, .scale = 1.0, .window = 0, .softcap = 0.0};
  ops_->begin_step();
  ops_->attention(host_tensor({1, 1, 4}, ramp(4)), foreign, 0, batch, args);
  EXPECT_FALSE(ops_->end_step().has_value());
}

/// The operations of one decoder layer and a head, on its own weights.
struct Decoder {
  static constexpr std::int64_t kWidth = 64, kHidden = 172, kVocab = 96;
  Ops& ops;
  std::vector<std::byte> memory = bytes_of(ramp(static_cast<std::size_t>(kHidden * kWidth)));
  Weight norm = weight({kWidth}), square = weight({kWidth, kWidth}), up = weight({kHidden, kWidth}),
         down = weight({kWidth, kHidden}), head = weight({kVocab, kWidth}), sinks = weight({4});
  RopeTable table{
      .layout = RopeLayout::half, .inverse_frequency = std::vector<double>(8, 0.1), .attention_factor = 1.0};
  std::unique_ptr<KvStore> store =
      ops.make_kv_store({.layers = 1, .kv_heads = 4, .head_dim = 16, .page_tokens = 16, .pages = 16}).value();
  AttentionArgs args{.heads = 4, .kv_heads = 4, .head_dim = 16, .scale = 0.25, .window = 0, .softcap = 0.0,
                     .alibi_slopes = {0.5, 0.25, 0.125, 0.0625}, .sinks = &sinks};
  std::array<std::int32_t, 2> picks{0, 1};
  std::array<double, 2> shares{0.75, 0.25};
  Batch batch;

  explicit Decoder(Ops& o) : ops(o) {
    batch.sequences = {{.first_row = 0, .rows = 1, .past = 0, .pages = std::vector<std::int32_t>(16)}};
    std::iota(batch.sequences[0].pages.begin(), batch.sequences[0].pages.end(), 0);
    batch.ids = {3};
    batch.positions = {0};
    batch.output_rows = {0};
  }
  Weight weight(const Shape& shape) {
    const std::span<const std::byte> bytes(memory.data(), static_cast<std::size_t>(shape.elements()) * 4);
    return ops.load_weight("w", {DType::f32, shape, bytes}, nullptr).value();
  }
  float step() {
    ops.begin_step();
    const Tensor x = ops.embed(head, batch.ids);
    const Tensor h = ops.rms_norm(x, norm, 1e-5);
    const Tensor q = ops.rope(ops.linear(h, square).reshaped({1, 4, 16}), batch.positions, table);
    ops.kv_write(*store, 0, q, q, batch);
    const Tensor z = ops.attention(q, *store, 0, batch, args).reshaped({1, kWidth});
    const Tensor mid = ops.add(x, ops.linear(z, square));
    const Tensor gate = ops.linear(mid, up);
    const Tensor out = ops.add(mid, ops.linear(ops.gated_activation(gate, gate, Activation::silu), down));
    const Tensor limited = ops.clamp(ops.scale(ops.multiply(out, norm), 2.0), 1.5);
    const std::array<Tensor, 2> both{out, ops.columns(ops.join_columns(std::span(&limited, 1), 2 * kWidth), 0, kWidth)};
    const Tensor mixed = ops.blend_rows(ops.join_rows(both), picks, shares, 2);
    const Tensor logits = ops.lm_head(ops.select_rows(mixed, batch.output_rows), head, 30.0);
    const float first = logits.as<float>()[0];
    EXPECT_TRUE(ops.end_step().has_value());
    ++batch.positions[0];
    ++batch.sequences[0].past;
    return first;
  }
};

TEST_P(CpuOpsTest, DecodingAllocatesNothingOnTheHeap) {
  Decoder decoder(*ops_);
  for (int i = 0; i < 8; ++i) decoder.step();  // the arena and the rope cache reach their size
  const long before = test::heap_allocations();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(std::isfinite(decoder.step()));
  EXPECT_EQ(test::heap_allocations() - before, 0);
}

TEST(HeapCount, SeesAnAllocation) {
  const long before = test::heap_allocations();
  const std::vector<float> kept = ramp(100);
  EXPECT_EQ(kept.size(), 100u);
  EXPECT_GT(test::heap_allocations(), before);
}

}  // namespace
}  // namespace vauban
