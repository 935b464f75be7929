/// Bits must not depend on accidents: thread count, rows beside a row, batch, prefill against decode, place of a page.
#include <numeric>

#include "base/result.h"
#include "contract/ops_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

class OpInvariants : public testing::TestWithParam<Executor> {
 protected:
  /// Bit for bit where the backend promises it (Ops::invariant_bits); elsewhere the values to within rounding.
  void expect_same(const std::string& a, const std::string& b) const {
    if (promises_)
      EXPECT_TRUE(a == b) << "the bits differ";
    else
      EXPECT_LE(nmse(values(a), values(b)), 1e-12);  // f32 accumulation in another order
  }

 private:
  static std::vector<double> values(const std::string& bytes) {
    std::vector<float> narrow(bytes.size() / sizeof(float));
    std::memcpy(narrow.data(), bytes.data(), bytes.size());
    return {narrow.begin(), narrow.end()};
  }
  const bool promises_ = Bench(GetParam())->invariant_bits();
};
INSTANTIATE_TEST_SUITE_P(Executors, OpInvariants, testing::ValuesIn(all_executors()), executor_name);

/// A layer without weights of its own: 2 key heads, 4 query heads of 20.
constexpr int kHeads = 4, kKvHeads = 2, kWidth = 20;
const AttentionArgs kArgs{
    .heads = kHeads, .kv_heads = kKvHeads, .head_dim = kWidth, .scale = 0.3, .window = 0, .softcap = 0.0};

struct Rows {
  std::vector<double> q, k, v;
  std::int64_t rows;
};
Rows make_rows(std::int64_t rows, std::uint64_t stream) {
  const auto n = static_cast<std::size_t>(rows * kWidth);
  return {normals(n * kHeads, stream), normals(n * kKvHeads, stream + 1), normals(n * kKvHeads, stream + 2), rows};
}
std::vector<double> part(const std::vector<double>& values, std::int64_t width, std::int64_t begin, std::int64_t end) {
  return {values.begin() + begin * width, values.begin() + end * width};
}
Rows part(const Rows& all, std::int64_t begin, std::int64_t end) {
  return {part(all.q, kHeads * kWidth, begin, end), part(all.k, kKvHeads * kWidth, begin, end),
          part(all.v, kKvHeads * kWidth, begin, end), end - begin};
}

std::unique_ptr<KvStore> make_store(Ops& ops, int page_tokens, std::int32_t pages) {
  auto store = ops.make_kv_store(
      {.layers = 1, .kv_heads = kKvHeads, .head_dim = kWidth, .page_tokens = page_tokens, .pages = pages});
  EXPECT_TRUE(store.has_value());
  return std::move(store).value();
}

/// Writes the rows of one step and attends. -> the bits of (rows, heads, width)
std::string attend(Ops& ops, KvStore& store, const Rows& rows, const std::vector<SequenceRows>& sequences,
                   const AttentionArgs& args = kArgs) {
  Batch batch;
  batch.sequences = sequences;
  const Shape kv{rows.rows, kKvHeads, kWidth};
  ops.begin_step();
  ops.kv_write(store, 0, activation(ops, kv, rows.k), activation(ops, kv, rows.v), batch);
  const Tensor z = ops.attention(activation(ops, {rows.rows, kHeads, kWidth}, rows.q), store, 0, batch, args);
  const std::string result = bits(z);
  EXPECT_TRUE(ops.end_step().has_value());
  return result;
}

TEST_P(OpInvariants, PrefillOfManyTokensEqualsSingleSteps) {
  const Rows rows = make_rows(37, 1);
  for (const std::int64_t window : {0, 9})
    for (const double softcap : {0.0, 4.0}) {
      AttentionArgs args = kArgs;
      args.window = window;
      args.softcap = softcap;
      Bench bench(GetParam(), 2);
      const std::vector<std::int32_t> pages{2, 0, 1};
      const auto one = make_store(*bench, 16, 3), many = make_store(*bench, 16, 3);
      const std::string prefill =
          attend(*bench, *one, rows, {{.first_row = 0, .rows = 37, .past = 0, .pages = pages}}, args);
      std::string steps;
      for (std::int32_t t = 0; t < 37; ++t)
        steps +=
            attend(*bench, *many, part(rows, t, t + 1), {{.first_row = 0, .rows = 1, .past = t, .pages = pages}}, args);
      expect_same(prefill, steps);
    }
}

TEST_P(OpInvariants, PlaceAndLengthOfPagesDoNotMatter) {
  const Rows rows = make_rows(37, 1);
  Bench bench(GetParam());
  const auto a = make_store(*bench, 16, 3), b = make_store(*bench, 16, 3), c = make_store(*bench, 5, 9);
  std::vector<std::int32_t> short_pages(9);
  std::iota(short_pages.rbegin(), short_pages.rend(), 0);
  const std::string in_order = attend(*bench, *a, rows, {{.first_row = 0, .rows = 37, .past = 0, .pages = {0, 1, 2}}});
  const std::string shuffled = attend(*bench, *b, rows, {{.first_row = 0, .rows = 37, .past = 0, .pages = {1, 2, 0}}});
  const std::string shorter = attend(*bench, *c, rows, {{.first_row = 0, .rows = 37, .past = 0, .pages = short_pages}});
  expect_same(in_order, shuffled);
  expect_same(in_order, shorter);
}

TEST_P(OpInvariants, TwoSequencesInOneBatchEqualEachAlone) {
  const Rows all = make_rows(20, 4);
  Bench bench(GetParam(), 2);
  const auto both = make_store(*bench, 16, 4), first = make_store(*bench, 16, 4), second = make_store(*bench, 16, 4);
  const SequenceRows a{.first_row = 0, .rows = 7, .past = 0, .pages = {3}};
  const SequenceRows b{.first_row = 7, .rows = 13, .past = 0, .pages = {1}};
  SequenceRows b_alone = b;
  b_alone.first_row = 0;
  expect_same(attend(*bench, *both, all, {a, b}),
            attend(*bench, *first, part(all, 0, 7), {a}) + attend(*bench, *second, part(all, 7, 20), {b_alone}));
}

/// A backend may take the single rows of several sequences together; window and softcap hold there too.
TEST_P(OpInvariants, SequencesThatDecodeTogetherEqualEachAlone) {
  const Rows prompts = make_rows(20, 4), next = make_rows(2, 7);
  const SequenceRows a{.first_row = 0, .rows = 9, .past = 0, .pages = {3}};
  const SequenceRows b{.first_row = 9, .rows = 11, .past = 0, .pages = {1}};
  const SequenceRows a_next{.first_row = 0, .rows = 1, .past = 9, .pages = {3}};
  SequenceRows b_next{.first_row = 1, .rows = 1, .past = 11, .pages = {1}};
  for (const std::int64_t window : {0, 5})
    for (const double softcap : {0.0, 0.5}) {
      AttentionArgs args = kArgs;
      args.window = window;
      args.softcap = softcap;
      Bench bench(GetParam(), 2);
      const auto store = make_store(*bench, 16, 4);
      attend(*bench, *store, prompts, {a, b}, args);
      b_next.first_row = 1;
      const std::string together = attend(*bench, *store, next, {a_next, b_next}, args);
      b_next.first_row = 0;
      const std::string alone = attend(*bench, *store, part(next, 0, 1), {a_next}, args) +
                                attend(*bench, *store, part(next, 1, 2), {b_next}, args);
      expect_same(together, alone);
    }
}

TEST_P(OpInvariants, SequencesOfOneShapeKeepTheirOwnPages) {
  const Rows first = make_rows(9, 4), second = make_rows(9, 7), next = make_rows(1, 10);
  const SequenceRows decode{.first_row = 0, .rows = 1, .past = 9, .pages = {0}};
  Bench bench(GetParam());
  const auto shared = make_store(*bench, 16, 2), own = make_store(*bench, 16, 2);
  attend(*bench, *own, first, {{.first_row = 0, .rows = 9, .past = 0, .pages = {0}}});
  const std::string alone = attend(*bench, *own, next, {decode});
  attend(*bench, *shared, first, {{.first_row = 0, .rows = 9, .past = 0, .pages = {0}}});
  attend(*bench, *shared, second, {{.first_row = 0, .rows = 9, .past = 0, .pages = {1}}});
  expect_same(alone, attend(*bench, *shared, next, {decode}));
}

TEST_P(OpInvariants, ThreadCountsGiveTheSameBits) {
  const auto run = [&](int threads) {
    Bench bench(GetParam(), threads);
    const Weight weight = load(*bench, stored(DType::q5_1, {700, 288}, normals(700 * 288, 1)));
    const Tensor y = bench->linear(activation(*bench, {33, 288}, normals(33 * 288, 2)), weight);
    const Tensor gated = bench->gated_activation(y, y, Activation::silu);
    const Weight head = load(*bench, stored(DType::f32, {99, 700}, normals(99 * 700, 3)));
    const Weight norm = load(*bench, stored(DType::f32, {700}, normals(700, 4)));
    const Tensor normed = bench->layer_norm(gated, norm, &norm, 1e-5);
    const Tensor part = bench->columns(bench->activation(normed, Activation::gelu_tanh), 3, 600);
    const std::string result = bits(gated) + bits(part) + bits(bench->add(y, normed, 0.3)) +
                               bits(bench->lm_head(gated, head, 20.0));
    const auto store = make_store(*bench, 16, 20);
    std::vector<std::int32_t> pages(20);
    std::iota(pages.begin(), pages.end(), 0);
    return result +
           attend(*bench, *store, make_rows(300, 7), {{.first_row = 0, .rows = 300, .past = 0, .pages = pages}});
  };
  const std::string one = run(1);
  expect_same(one, run(2));
  expect_same(one, run(3));
}

TEST_P(OpInvariants, ARowDoesNotDependOnTheRowsBesideIt) {
  for (const DType dtype : kWeightTypes) {
    SCOPED_TRACE(to_string(dtype));
    const std::int64_t width = odd_width(dtype);
    Bench bench(GetParam());
    const Weight weight = load(*bench, stored(dtype, {45, width}, normals(static_cast<std::size_t>(45 * width), 1)));
    const Weight norm = load(*bench, stored(DType::f32, {width}, normals(static_cast<std::size_t>(width), 2)));
    const std::vector<double> x = normals(static_cast<std::size_t>(13 * width), 3);
    const auto layer = [&](std::int64_t begin, std::int64_t end) {
      const Tensor h =
          bench->rms_norm(activation(*bench, {end - begin, width}, part(x, width, begin, end)), norm, 1e-5);
      const Tensor y = bench->linear(h, weight);
      const Tensor part = bench->columns(bench->layer_norm(h, norm, &norm, 1e-5), 3, 45);
      const Tensor sum = bench->add(y, bench->activation(part, Activation::gelu_erf), -0.7);
      return bits(bench->gated_activation(sum, y, Activation::gelu_tanh));
    };
    const std::string together = layer(0, 13);
    std::string alone;
    for (std::int64_t row = 0; row < 13; ++row) alone += layer(row, row + 1);
    expect_same(together, alone);
    expect_same(together, layer(0, 5) + layer(5, 13));
  }
}

TEST_P(OpInvariants, PackedWeightsGiveTheBitsOfTheirDequantisedCopy) {
  for (const DType dtype : kWeightTypes) {
    SCOPED_TRACE(to_string(dtype));
    const std::int64_t width = odd_width(dtype);
    Bench bench(GetParam());
    const StoredWeight packed = stored(dtype, {21, width}, normals(static_cast<std::size_t>(21 * width), 1));
    const std::vector<float> decoded = decode_f32(packed.view).value();
    const StoredWeight wide = stored(DType::f32, {21, width}, {decoded.begin(), decoded.end()});
    const Tensor x = activation(*bench, {3, width}, normals(static_cast<std::size_t>(3 * width), 2));
    expect_same(bits(bench->linear(x, load(*bench, packed))), bits(bench->linear(x, load(*bench, wide))));
  }
}

TEST_P(OpInvariants, ObservingScoresChangesNothing) {
  const Rows rows = make_rows(9, 4);
  Bench bench(GetParam());
  const auto store = make_store(*bench, 16, 1);
  const SequenceRows sequence{.first_row = 0, .rows = 9, .past = 0, .pages = {0}};
  const std::string before = attend(*bench, *store, rows, {sequence});
  Batch batch;
  batch.sequences = {sequence};
  bench->begin_step();
  bench->attention_pattern(activation(*bench, {9, kHeads, kWidth}, rows.q), *store, 0, batch, 0, kArgs);
  expect_same(before, attend(*bench, *store, rows, {sequence}));
}

TEST_P(OpInvariants, AddingZeroScaledOrUnscaledLeavesTheBits) {
  Bench bench(GetParam());
  const Tensor a = activation(*bench, {5, 43}, normals(215, 1));
  const Tensor zero = activation(*bench, {5, 43}, std::vector<double>(215, 0.0));
  expect_same(bits(bench->add(a, zero, 1.7)), bits(a));
  expect_same(bits(bench->add(a, activation(*bench, {5, 43}, normals(215, 2)), 1.0)),
            bits(bench->add(a, activation(*bench, {5, 43}, normals(215, 2)))));
}

TEST_P(OpInvariants, TheTwoRopeLayoutsAreOnePermutationApart) {
  constexpr std::int64_t kPairs = 6, kHead = 14;
  RopeTable table{.layout = RopeLayout::interleaved, .inverse_frequency = {}, .attention_factor = 1.0};
  for (int i = 0; i < kPairs; ++i) table.inverse_frequency.push_back(std::pow(100.0, -i / 6.0));
  Bench bench(GetParam());
  const std::vector<double> x = normals(2 * kHead, 1);
  const std::vector<std::int32_t> positions{3, 17};
  // halves[i] = pairs[2i], halves[i + pairs] = pairs[2i + 1], the rest stays.
  const auto permute = [](const std::vector<double>& in) {
    std::vector<double> out = in;
    for (std::int64_t row = 0; row < 2; ++row)
      for (std::int64_t i = 0; i < kPairs; ++i)
        for (std::int64_t side = 0; side < 2; ++side)
          out[static_cast<std::size_t>(row * kHead + i + side * kPairs)] =
              in[static_cast<std::size_t>(row * kHead + 2 * i + side)];
    return out;
  };
  const auto pairs = to_f64(bench->rope(activation(*bench, {2, 1, kHead}, x), positions, table));
  table.layout = RopeLayout::half;
  const auto halves = to_f64(bench->rope(activation(*bench, {2, 1, kHead}, permute(x)), positions, table));
  EXPECT_EQ(permute(pairs), halves);
}

TEST(CpuTargets, WithFmaAgreeBitForBit) {
  std::vector<std::string> results;
  for (const CpuTarget target : available_cpu_targets()) {
    if (target == CpuTarget::portable) continue;
    Bench bench({std::string(to_string(target)), "cpu", target});
    const Weight weight = load(*bench, stored(DType::q4_1, {64, 96}, normals(64 * 96, 1)));
    const Tensor y = bench->linear(activation(*bench, {9, 96}, normals(9 * 96, 2)), weight);
    const auto store = make_store(*bench, 16, 3);
    const std::string gated = bits(bench->gated_activation(y, y, Activation::silu));  // before the next step begins
    const SequenceRows sequence{.first_row = 0, .rows = 37, .past = 0, .pages = {0, 1, 2}};
    results.push_back(gated + attend(*bench, *store, make_rows(37, 3), {sequence}));
  }
  if (results.size() < 2) GTEST_SKIP() << "this processor runs fewer than two targets with FMA";
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace vauban::test
