/// What attention adds to its scores and beside them, ALiBi and sinks: against a softmax written out in f64 here, with
/// windows, softcaps and shared key heads; and that prefill, decode and batch give the same bits.
#include <numbers>
#include <numeric>

#include "base/result.h"
#include "contract/ops_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Numbers = std::vector<double>;
constexpr double kSumBound = 1e-12;  // f32 sums of some tens of terms, and exp within 2 ulp
constexpr double kHidden = -std::numeric_limits<double>::infinity();
constexpr std::int64_t kRows = 23;

struct Case {
  const char* name;
  int heads, kv_heads, head_dim;
  std::int64_t window;
  double softcap;
  bool alibi;
  double sink;  ///< about which the sinks lie; NaN: none
};
const double kNone = std::nan("");
const std::array kCases{
    Case{"alibi", 4, 4, 16, 0, 0.0, true, kNone},
    Case{"alibi of six heads on two", 6, 2, 20, 0, 0.0, true, kNone},
    Case{"alibi in a window", 4, 2, 20, 5, 0.0, true, kNone},
    Case{"alibi under a softcap", 4, 2, 16, 0, 3.0, true, kNone},
    Case{"sinks", 4, 4, 16, 0, 0.0, false, 0.0},
    Case{"sinks and a window on shared heads", 6, 2, 20, 5, 0.0, false, 1.0},
    Case{"sinks above every score", 2, 1, 20, 0, 0.0, false, 12.0},
    Case{"sinks below every score", 2, 1, 20, 0, 0.0, false, -200.0},
    Case{"everything", 6, 3, 20, 7, 2.0, true, 0.5},
};

struct Layer {
  AttentionArgs args;
  Numbers q, k, v, sinks;
  Weight sink_weight;

  Layer(Ops& ops, const Case& c) {
    args = {.heads = c.heads,
            .kv_heads = c.kv_heads,
            .head_dim = c.head_dim,
            .scale = 1.0 / std::sqrt(c.head_dim),
            .window = c.window,
            .softcap = c.softcap};
    for (int head = 1; c.alibi && head <= c.heads; ++head) args.alibi_slopes.push_back(std::exp2(-8.0 * head / c.heads));
    const auto n = static_cast<std::size_t>(kRows * c.head_dim);
    q = normals(n * static_cast<std::size_t>(c.heads), 1);
    k = normals(n * static_cast<std::size_t>(c.kv_heads), 2);
    v = normals(n * static_cast<std::size_t>(c.kv_heads), 3);
    if (std::isnan(c.sink)) return;
    sinks = normals(static_cast<std::size_t>(c.heads), 4);
    for (double& sink : sinks) sink = static_cast<double>(static_cast<float>(sink + c.sink));
    sink_weight = load(ops, stored(DType::f32, {c.heads}, sinks), "sinks");
    args.sinks = &sink_weight;
  }
  Layer(const Layer&) = delete;  // args points into it
  Layer& operator=(const Layer&) = delete;

  struct Row {
    Numbers scores, weights, z;  // (kRows), (kRows), (head_dim)
  };
  Row expected(std::int64_t position, int head) const {
    Row row{Numbers(kRows, kHidden), Numbers(kRows, 0.0), Numbers(static_cast<std::size_t>(args.head_dim), 0.0)};
    const int kv = head / (args.heads / args.kv_heads);
    double sum = sinks.empty() ? 0.0 : std::exp(sinks[static_cast<std::size_t>(head)]);
    for (std::int64_t j = 0; j <= position; ++j) {
      if (args.window > 0 && position - j >= args.window) continue;
      double s = 0.0;
      for (int i = 0; i < args.head_dim; ++i) s += q[at(position, head, args.heads, i)] * k[at(j, kv, args.kv_heads, i)];
      s *= args.scale;
      if (!args.alibi_slopes.empty())
        s -= args.alibi_slopes[static_cast<std::size_t>(head)] * static_cast<double>(position - j);
      if (args.softcap > 0.0) s = args.softcap * std::tanh(s / args.softcap);
      row.scores[static_cast<std::size_t>(j)] = s;
      sum += row.weights[static_cast<std::size_t>(j)] = std::exp(s);
    }
    for (std::int64_t j = 0; j <= position; ++j) {
      row.weights[static_cast<std::size_t>(j)] /= sum;
      for (int i = 0; i < args.head_dim; ++i)
        row.z[static_cast<std::size_t>(i)] += row.weights[static_cast<std::size_t>(j)] * v[at(j, kv, args.kv_heads, i)];
    }
    return row;
  }
  std::size_t at(std::int64_t row, int head, int heads, int i) const {
    return static_cast<std::size_t>((row * heads + head) * args.head_dim + i);
  }
  Tensor rows(Ops& ops, const Numbers& of, int heads, std::int64_t begin, std::int64_t end) const {
    const std::int64_t width = std::int64_t{heads} * args.head_dim;
    return activation(ops, {end - begin, heads, args.head_dim}, {of.begin() + begin * width, of.begin() + end * width});
  }
};

std::unique_ptr<KvStore> make_store(Ops& ops, const AttentionArgs& args) {
  auto store = ops.make_kv_store(
      {.layers = 1, .kv_heads = args.kv_heads, .head_dim = args.head_dim, .page_tokens = 4, .pages = 9});
  EXPECT_TRUE(store.has_value());
  return std::move(store).value();
}
const std::vector<std::int32_t> kPages{7, 2, 0, 8, 3, 5};

/// Rows [begin, end) in one step, as these sequences. -> z
Tensor attend(Ops& ops, KvStore& store, const Layer& layer, std::int64_t begin, std::int64_t end,
              const std::vector<SequenceRows>& sequences) {
  Batch batch;
  batch.sequences = sequences;
  ops.kv_write(store, 0, layer.rows(ops, layer.k, layer.args.kv_heads, begin, end),
               layer.rows(ops, layer.v, layer.args.kv_heads, begin, end), batch);
  return ops.attention(layer.rows(ops, layer.q, layer.args.heads, begin, end), store, 0, batch, layer.args);
}

class ScoreTerms : public testing::TestWithParam<Executor> {
 protected:
  Bench own_{GetParam(), 2};
  void expect_same(const Numbers& a, const Numbers& b) {
    if (own_->invariant_bits()) {
      EXPECT_TRUE(a == b) << "the bits differ";
    } else {
      EXPECT_LE(nmse(a, b), kSumBound);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Executors, ScoreTerms, testing::ValuesIn(all_executors()), executor_name);

TEST_P(ScoreTerms, AttentionItsScoresAndItsPatternAreTheFormula) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Layer layer(*own_, c);
    const auto store = make_store(*own_, layer.args);
    const SequenceRows all{.first_row = 0, .rows = kRows, .past = 0, .pages = kPages};
    const Numbers z = to_f64(attend(*own_, *store, layer, 0, kRows, {all}));
    Batch batch;
    batch.sequences = {all};
    const Tensor q = layer.rows(*own_, layer.q, c.heads, 0, kRows);
    const Numbers scores = to_f64(own_->attention_scores(q, *store, 0, batch, 0, layer.args));
    const Numbers pattern = to_f64(own_->attention_pattern(q, *store, 0, batch, 0, layer.args));
    Numbers expected_z(z.size()), expected_scores, expected_pattern;
    for (int head = 0; head < c.heads; ++head)
      for (std::int64_t row = 0; row < kRows; ++row) {
        const Layer::Row r = layer.expected(row, head);
        std::copy(r.z.begin(), r.z.end(), expected_z.begin() + static_cast<std::ptrdiff_t>(layer.at(row, head, c.heads, 0)));
        expected_scores.insert(expected_scores.end(), r.scores.begin(), r.scores.end());
        expected_pattern.insert(expected_pattern.end(), r.weights.begin(), r.weights.end());
      }
    EXPECT_LE(nmse(z, expected_z), kSumBound);
    EXPECT_LE(nmse(scores, expected_scores), kSumBound);
    EXPECT_LE(nmse(pattern, expected_pattern), kSumBound);
    own_.expect_clean();
    own_->begin_step();
  }
}

TEST_P(ScoreTerms, PrefillEqualsSingleStepsAndChunks) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Layer layer(*own_, c);
    const auto one = make_store(*own_, layer.args), many = make_store(*own_, layer.args), parts = make_store(*own_, layer.args);
    const auto in_steps = [&](KvStore& store, std::int64_t size) {
      Numbers all;
      for (std::int64_t begin = 0; begin < kRows; begin += size) {
        const std::int64_t end = std::min(begin + size, kRows);
        const Numbers z = to_f64(attend(*own_, store, layer, begin, end,
                                        {{.first_row = 0,
                                          .rows = static_cast<std::int32_t>(end - begin),
                                          .past = static_cast<std::int32_t>(begin),
                                          .pages = kPages}}));
        all.insert(all.end(), z.begin(), z.end());
      }
      return all;
    };
    const Numbers prefill = in_steps(*one, kRows);
    expect_same(prefill, in_steps(*many, 1));
    expect_same(prefill, in_steps(*parts, 7));
    own_.expect_clean();
    own_->begin_step();
  }
}

TEST_P(ScoreTerms, SequencesInOneBatchEqualEachAlone) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Layer layer(*own_, c);
    const auto both = make_store(*own_, layer.args), first = make_store(*own_, layer.args), second = make_store(*own_, layer.args);
    const SequenceRows a{.first_row = 0, .rows = 7, .past = 0, .pages = {3, 6}};
    SequenceRows b{.first_row = 7, .rows = 16, .past = 0, .pages = {1, 8, 0, 5}};
    const Numbers together = to_f64(attend(*own_, *both, layer, 0, kRows, {a, b}));
    Numbers alone = to_f64(attend(*own_, *first, layer, 0, 7, {a}));
    b.first_row = 0;
    const Numbers rest = to_f64(attend(*own_, *second, layer, 7, kRows, {b}));
    alone.insert(alone.end(), rest.begin(), rest.end());
    expect_same(together, alone);
    own_.expect_clean();
    own_->begin_step();
  }
}

/// Several sequences of different lengths, one row each: what batched decoding is.
TEST_P(ScoreTerms, SequencesThatDecodeTogetherEqualEachAlone) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Layer layer(*own_, c);
    const auto store = make_store(*own_, layer.args);
    attend(*own_, *store, layer, 0, kRows, {{.first_row = 0, .rows = kRows, .past = 0, .pages = kPages}});
    const std::array<std::int32_t, 3> pasts{20, 13, 17};
    Batch together;
    Numbers alone;
    for (std::int32_t i = 0; i < 3; ++i) {
      SequenceRows sequence{.first_row = i, .rows = 1, .past = pasts[static_cast<std::size_t>(i)], .pages = kPages};
      together.sequences.push_back(sequence);
      sequence.first_row = 0;
      Batch single;
      single.sequences = {sequence};
      const Numbers z =
          to_f64(own_->attention(layer.rows(*own_, layer.q, c.heads, i, i + 1), *store, 0, single, layer.args));
      alone.insert(alone.end(), z.begin(), z.end());
    }
    expect_same(to_f64(own_->attention(layer.rows(*own_, layer.q, c.heads, 0, 3), *store, 0, together, layer.args)), alone);
    own_.expect_clean();
    own_->begin_step();
  }
}

TEST_P(ScoreTerms, WeightsOfTwoKeysAreWorkedOutByHand) {
  auto store = own_->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = 2, .page_tokens = 16, .pages = 1});
  VB_ASSERT_OK(store);
  Batch batch;
  batch.sequences = {{.first_row = 0, .rows = 2, .past = 0, .pages = {0}}};
  const Tensor k = activation(*own_, {2, 1, 2}, {1.0, 2.0, -3.0, 4.0}), q = activation(*own_, {2, 1, 2}, {0, 0, 0, 0});
  own_->kv_write(**store, 0, k, k, batch);
  AttentionArgs args{.heads = 1, .kv_heads = 1, .head_dim = 2, .scale = 1.0, .window = 0, .softcap = 0.0};
  const auto pattern = [&] { return to_f64(own_->attention_pattern(q, **store, 0, batch, 0, args)); };
  args.alibi_slopes = {std::numbers::ln2};  // one step back halves a weight: 1/3 and 2/3
  Numbers got = pattern();
  EXPECT_NEAR(got[2], 1.0 / 3.0, 1e-6);
  EXPECT_NEAR(got[3], 2.0 / 3.0, 1e-6);
  const Weight zero = load(*own_, stored(DType::f32, {1}, {0.0}), "sinks");
  args.sinks = &zero;  // 1/2, 1 and the sink's 1: 1/5, 2/5
  got = pattern();
  EXPECT_NEAR(got[0], 0.5, 1e-6);
  EXPECT_EQ(got[1], 0.0);
  EXPECT_NEAR(got[2], 0.2, 1e-6);
  EXPECT_NEAR(got[3], 0.4, 1e-6);
}

TEST_P(ScoreTerms, AreRefusedWhereTheyAreNotOnePerQueryHead) {
  const auto status_with = [&](auto change) {
    own_->begin_step();
    Layer layer(*own_, kCases[8]);
    change(layer);
    const auto store = make_store(*own_, layer.args);
    attend(*own_, *store, layer, 0, kRows, {{.first_row = 0, .rows = kRows, .past = 0, .pages = kPages}});
    return own_->end_step();
  };
  EXPECT_TRUE(status_with([](Layer&) {}));
  const Weight five = load(*own_, stored(DType::f32, {5}, normals(5, 1)), "five"), none{};
  for (const auto& status : {status_with([](Layer& layer) { layer.args.alibi_slopes.pop_back(); }),
                             status_with([&](Layer& layer) { layer.args.sinks = &five; }),
                             status_with([&](Layer& layer) { layer.args.sinks = &none; })}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::internal) << describe(status.error());
  }
}

}  // namespace
}  // namespace vauban::test
