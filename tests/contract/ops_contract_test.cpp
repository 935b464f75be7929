/// Every executor against the reference, op x shape x weight type, within a stated bound; and the reference against
/// cases worked out by hand. Operands lie between guards of NaN: reading past one spoils the result, writing past one
/// is seen.
#include <functional>
#include <numbers>

#include "base/result.h"
#include "contract/ops_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

/// Bounds on the normalised mean square error against f64.
/// f32 rounds each of n partial sums to 2^-24: with random signs that is about n * 2^-48 / 3 relative, and 2^-48
/// = 3.6e-15.
constexpr double kSumBound = 1e-12;
/// One to three roundings, and exp or tanh within 2 ulp (2^-46).
constexpr double kElementBound = 1e-13;
/// Copies and widening are exact.
constexpr double kExact = 0.0;

class OpContract : public testing::TestWithParam<Executor> {
 protected:
  static Executor reference() { return {"reference", "reference", {}}; }
  Bench spec_{reference()};
  Bench own_{GetParam(), 2};

  /// Runs `op` on both and compares.
  template <class F>
  void expect_near(double bound, const F& op) {
    const std::vector<double> expected = to_f64(op(*spec_)), got = to_f64(op(*own_));
    const double distance = nmse(got, expected);
    EXPECT_TRUE(distance <= bound) << "NMSE " << distance << " exceeds " << bound;
    spec_.expect_clean();
    own_.expect_clean();
    spec_->begin_step();
    own_->begin_step();
  }
};
INSTANTIATE_TEST_SUITE_P(Executors, OpContract, testing::ValuesIn(all_executors()), executor_name);

const std::array<std::int64_t, 5> kRows{0, 1, 2, 5, 19};

std::size_t count(const Shape& shape) { return static_cast<std::size_t>(shape.elements()); }

TEST_P(OpContract, LinearMatchesTheReferenceForEveryTypeAndShape) {
  for (const DType dtype : kWeightTypes)
    for (const std::int64_t width : {32, 64, 172, 288, 7, 1056, 256, 768}) {
      if (width % info(dtype).block != 0) continue;
      const Shape shape{37, width};
      const StoredWeight weight = stored(dtype, shape, normals(count(shape), 1));
      for (const std::int64_t rows : kRows) {
        const std::vector<double> values = normals(static_cast<std::size_t>(rows * width), 2);
        SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(rows) + " x " + std::to_string(width));
        expect_near(kSumBound, [&](Ops& ops) {
          return ops.linear(activation(ops, {rows, width}, values), load(ops, weight));
        });
      }
    }
}

TEST_P(OpContract, LinearAddsABias) {
  const StoredWeight weight = stored(DType::f32, {5, 33}, normals(5 * 33, 1));
  const StoredWeight bias = stored(DType::bf16, {5}, normals(5, 3));
  expect_near(kSumBound, [&](Ops& ops) {
    const Weight b = load(ops, bias, "b");
    return ops.linear(activation(ops, {3, 33}, normals(3 * 33, 2)), load(ops, weight), &b);
  });
}

TEST_P(OpContract, EmbedDecodesSingleRowsExactly) {
  const std::vector<std::int32_t> ids{3, 0, 40, 3};
  for (const DType dtype : kWeightTypes)
    for (const std::int64_t width : {32, 96, 172, 5, 512}) {
      if (width % info(dtype).block != 0) continue;
      const StoredWeight table = stored(dtype, {41, width}, normals(static_cast<std::size_t>(41 * width), 4));
      SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(width));
      expect_near(kExact, [&](Ops& ops) { return ops.embed(load(ops, table), ids); });
    }
}

TEST_P(OpContract, RmsNormMatchesTheReference) {
  for (const std::int64_t width : {1, 8, 64, 172, 2048})
    for (const std::int64_t rows : kRows) {
      const StoredWeight weight = stored(DType::f32, {width}, normals(static_cast<std::size_t>(width), 5));
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(width));
      expect_near(kElementBound, [&](Ops& ops) {
        const auto values = normals(static_cast<std::size_t>(rows * width), 6, 3.0);
        return ops.rms_norm(activation(ops, {rows, width}, values), load(ops, weight), 1e-5);
      });
    }
}

TEST_P(OpContract, RmsNormWorksOnTheLastAxisOfHeads) {
  const StoredWeight weight = stored(DType::f32, {12}, normals(12, 5));
  expect_near(kElementBound, [&](Ops& ops) {
    return ops.rms_norm(activation(ops, {2, 3, 12}, normals(72, 6)), load(ops, weight), 1e-6);
  });
}

TEST_P(OpContract, LayerNormMatchesTheReferenceWithAndWithoutBias) {
  for (const std::int64_t width : {1, 8, 40, 172, 2048})
    for (const std::int64_t rows : kRows)
      for (const double offset : {0.0, 30.0}) {  // a mean far from zero: one pass over squares would lose digits
        const StoredWeight weight = stored(DType::f32, {width}, normals(static_cast<std::size_t>(width), 5));
        const StoredWeight bias = stored(DType::bf16, {width}, normals(static_cast<std::size_t>(width), 14));
        std::vector<double> values = normals(static_cast<std::size_t>(rows * width), 6, 3.0);
        for (double& value : values) value = static_cast<double>(static_cast<float>(value + offset));
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(width) + " around " + std::to_string(offset));
        // x - mean loses log2(offset / 3) bits before anything else rounds.
        const double bound = offset == 0.0 ? kElementBound : 100 * kElementBound;
        for (const bool with_bias : {false, true})
          expect_near(bound, [&](Ops& ops) {
            const Weight b = load(ops, bias, "b");
            return ops.layer_norm(activation(ops, {rows, width}, values), load(ops, weight), with_bias ? &b : nullptr,
                                  1e-5);
          });
      }
}

TEST_P(OpContract, LayerNormWorksOnTheLastAxisOfHeads) {
  const StoredWeight weight = stored(DType::f32, {12}, normals(12, 5));
  expect_near(kElementBound, [&](Ops& ops) {
    return ops.layer_norm(activation(ops, {2, 3, 12}, normals(72, 6)), load(ops, weight), nullptr, 1e-6);
  });
}

TEST_P(OpContract, RopeMatchesTheReferenceInBothLayouts) {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved})
    for (const std::size_t pairs : {std::size_t{4}, std::size_t{10}}) {  // 10 of 24: the rest passes through
      RopeTable table{.layout = layout, .inverse_frequency = {}, .attention_factor = 1.25};
      for (std::size_t i = 0; i < pairs; ++i)
        table.inverse_frequency.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pairs)));
      // 2 ulp of the angle's cosine at position 70,000 are already in f64; what is left is f32 rounding.
      const std::vector<std::int32_t> positions{0, 1, 511, 70000};
      expect_near(kElementBound, [&](Ops& ops) {
        return ops.rope(activation(ops, {4, 3, 24}, normals(4 * 3 * 24, 7)), positions, table);
      });
    }
}

/// Angles may be kept from call to call, as long as nothing that they come from differs.
TEST_P(OpContract, RopeTablesThatDifferInOneThingAreNotConfused) {
  const RopeTable plain{.layout = RopeLayout::half, .inverse_frequency = {1.0, 0.1}, .attention_factor = 1.0};
  RopeTable stronger = plain, slower = plain;
  stronger.attention_factor = 1.25;
  slower.inverse_frequency.back() = 0.01;
  for (const std::vector<std::int32_t>& positions : {std::vector{0, 5}, std::vector{0, 6}})
    for (const RopeTable& table : {plain, stronger, slower, plain})
      expect_near(kElementBound,
                  [&](Ops& ops) { return ops.rope(activation(ops, {2, 1, 6}, normals(12, 7)), positions, table); });
}

TEST_P(OpContract, GatedActivationsMatchTheReferenceOverTheWholeRange) {
  for (const Activation act : {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu})
    for (const double scale : {0.01, 1.0, 8.0, 60.0}) {
      SCOPED_TRACE(std::to_string(static_cast<int>(act)) + " at scale " + std::to_string(scale));
      expect_near(kElementBound, [&](Ops& ops) {
        return ops.gated_activation(activation(ops, {3, 172}, normals(3 * 172, 8, scale)),
                                    activation(ops, {3, 172}, normals(3 * 172, 9)), act);
      });
    }
}

TEST_P(OpContract, ActivationsMatchTheReferenceOverTheWholeRange) {
  for (const Activation act : {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu})
    for (const double scale : {0.01, 1.0, 8.0, 60.0})
      for (const Shape& shape : {Shape{3, 172}, Shape{1, 5}, Shape{0, 9}}) {
        SCOPED_TRACE(std::to_string(static_cast<int>(act)) + " at scale " + std::to_string(scale));
        expect_near(kElementBound, [&](Ops& ops) {
          return ops.activation(activation(ops, shape, normals(count(shape), 8, scale)), act);
        });
      }
}

TEST_P(OpContract, SiluStaysFiniteAndRightAtTheEndsOfTheRange) {
  const std::vector<double> gate{-1e4, -104.0, -90.0, -88.0, -17.0, -0.0, 0.0, 1e-30, 88.0, 90.0, 1e4};
  const std::vector<double> up(gate.size(), 1.0);
  const auto n = static_cast<std::int64_t>(gate.size());
  const auto got =
      to_f64(own_->gated_activation(activation(*own_, {n}, gate), activation(*own_, {n}, up), Activation::silu));
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double expected = gate[i] / (1.0 + std::exp(-gate[i]));
    EXPECT_NEAR(got[i], expected, std::abs(expected) * 3e-7 + 1e-36) << "silu(" << gate[i] << ")";
  }
}

TEST_P(OpContract, AddAndSelectRowsAreExact) {
  expect_near(kElementBound, [](Ops& ops) {
    return ops.add(activation(ops, {5, 43}, normals(215, 10)), activation(ops, {5, 43}, normals(215, 11)));
  });
  for (const double scale : {0.0, -1.0, 0.1, 1e6})
    expect_near(kElementBound, [&](Ops& ops) {
      return ops.add(activation(ops, {5, 43}, normals(215, 10)), activation(ops, {5, 43}, normals(215, 11)), scale);
    });
  const std::vector<std::int32_t> rows{4, 0, 4};
  expect_near(kExact, [&](Ops& ops) { return ops.select_rows(activation(ops, {5, 43}, normals(215, 10)), rows); });
  expect_near(kExact, [&](Ops& ops) { return ops.select_rows(activation(ops, {5, 43}, normals(215, 10)), {}); });
}

TEST_P(OpContract, ColumnsAreCopiedExactly) {
  for (const std::int64_t rows : kRows)
    for (const auto& [begin, size] : {std::pair{0, 43}, {0, 16}, {16, 8}, {42, 1}, {43, 0}, {7, 0}}) {
      SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(size) + " from " + std::to_string(begin));
      const Shape shape{rows, 43};
      Shape seen;
      expect_near(kExact, [&](Ops& ops) {
        const Tensor out = ops.columns(activation(ops, shape, normals(count(shape), 10)), begin, size);
        seen = out.shape();
        return out;
      });
      EXPECT_EQ(seen, (Shape{rows, size}));
    }
}

TEST_P(OpContract, DropoutIsTheIdentityOutsideOfTraining) {
  const Tensor x = activation(*own_, {5, 43}, normals(215, 10));
  EXPECT_EQ(bits(own_->dropout(x, 0.5)), bits(x));
}

TEST_P(OpContract, LmHeadCapsItsLogits) {
  const StoredWeight weight = stored(DType::f16, {70, 64}, normals(70 * 64, 12));
  for (const double cap : {0.0, 30.0, 2.0, 1000.0})
    expect_near(kSumBound, [&](Ops& ops) {
      return ops.lm_head(activation(ops, {3, 64}, normals(3 * 64, 13)), load(ops, weight), cap);
    });
}

struct AttentionCase {
  const char* name;
  int heads, kv_heads, head_dim;
  std::int64_t window;
  double softcap;
};
const std::array kAttentionCases{
    AttentionCase{"multi-head", 4, 4, 16, 0, 0.0},    AttentionCase{"grouped", 6, 2, 20, 0, 0.0},
    AttentionCase{"narrow heads", 2, 1, 8, 0, 0.0},   AttentionCase{"window", 4, 2, 32, 5, 0.0},
    AttentionCase{"window of one", 2, 2, 16, 1, 0.0}, AttentionCase{"softcap", 4, 2, 16, 0, 3.0},
};

/// 21 positions of one sequence in pages of 4, the last 6 of them in this step.
struct PagedStep {
  static constexpr std::int32_t kPast = 15, kRows = 6;
  std::unique_ptr<KvStore> store;
  Batch step;
  AttentionArgs args;
  Tensor q;

  PagedStep(Ops& ops, const AttentionCase& c) {
    auto made =
        ops.make_kv_store({.layers = 2, .kv_heads = c.kv_heads, .head_dim = c.head_dim, .page_tokens = 4, .pages = 9});
    EXPECT_TRUE(made.has_value());
    store = std::move(made).value();
    args = {.heads = c.heads,
            .kv_heads = c.kv_heads,
            .head_dim = c.head_dim,
            .scale = 1.0 / std::sqrt(c.head_dim),
            .window = c.window,
            .softcap = c.softcap};
    const std::vector<std::int32_t> pages{7, 2, 0, 8, 3, 5};
    Batch past;
    past.sequences = {{.first_row = 0, .rows = kPast, .past = 0, .pages = pages}};
    step.sequences = {{.first_row = 0, .rows = kRows, .past = kPast, .pages = pages}};
    write(ops, past, kPast, 20);
    write(ops, step, kRows, 22);
    const Shape shape{kRows, c.heads, c.head_dim};
    q = activation(ops, shape, normals(count(shape), 24));
  }
  void write(Ops& ops, const Batch& batch, std::int64_t rows, std::uint64_t stream) {
    const Shape shape{rows, args.kv_heads, args.head_dim};
    for (const int layer : {0, 1}) {
      const auto k = normals(count(shape), stream + 10 * static_cast<std::uint64_t>(layer));
      const auto v = normals(count(shape), stream + 1 + 10 * static_cast<std::uint64_t>(layer));
      ops.kv_write(*store, layer, activation(ops, shape, k), activation(ops, shape, v), batch);
    }
  }
};

TEST_P(OpContract, AttentionItsScoresAndItsPatternMatchTheReference) {
  for (const AttentionCase& c : kAttentionCases) {
    SCOPED_TRACE(c.name);
    expect_near(kSumBound, [&](Ops& ops) {
      PagedStep s(ops, c);
      return ops.attention(s.q, *s.store, 1, s.step, s.args);
    });
    expect_near(kSumBound, [&](Ops& ops) {
      PagedStep s(ops, c);
      return ops.attention_scores(s.q, *s.store, 1, s.step, 0, s.args);
    });
    expect_near(kSumBound, [&](Ops& ops) {
      PagedStep s(ops, c);
      return ops.attention_pattern(s.q, *s.store, 1, s.step, 0, s.args);
    });
  }
}

TEST_P(OpContract, ThePatternSumsToOneAndIsCausalAndWindowed) {
  PagedStep s(*own_, kAttentionCases[3]);
  const Tensor pattern = own_->attention_pattern(s.q, *s.store, 0, s.step, 0, s.args);
  ASSERT_EQ(pattern.shape(), (Shape{4, 6, 21}));
  const std::vector<double> values = to_f64(pattern);
  for (std::size_t row = 0; row < 24; ++row) {
    const std::size_t position = PagedStep::kPast + row % 6;
    double sum = 0.0;
    for (std::size_t key = 0; key < 21; ++key) {
      const double weight = values[row * 21 + key];
      EXPECT_EQ(weight != 0.0, key <= position && key + 5 > position) << "row " << row << " key " << key;
      sum += weight;
    }
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST_P(OpContract, CopyPageCopiesEveryLayer) {
  const auto run = [](Ops& ops, bool copied) {
    PagedStep s(ops, kAttentionCases[1]);
    if (copied) {
      VB_EXPECT_OK(s.store->copy_page(2, 6));
      s.step.sequences[0].pages[1] = 6;
    }
    return to_f64(ops.attention(s.q, *s.store, 1, s.step, s.args));
  };
  EXPECT_EQ(run(*own_, false), run(*own_, true));
}

// ---- hand-computed cases ----

TEST_P(OpContract, RmsNormOfThreeAndFourIsWorkedOutByHand) {
  // mean square (9 + 16) / 2 = 12.5; with epsilon 12.5 the scale is 1/5.
  const Weight weight = load(*own_, stored(DType::f32, {2}, {1.0, 10.0}));
  const auto got = to_f64(own_->rms_norm(activation(*own_, {1, 2}, {3.0, 4.0}), weight, 12.5));
  EXPECT_NEAR(got[0], 0.6, 1e-7);
  EXPECT_NEAR(got[1], 8.0, 1e-6);
}

TEST_P(OpContract, LayerNormOfOneAndFiveIsWorkedOutByHand) {
  // Mean 3, variance ((-2)^2 + 2^2) / 2 = 4; with epsilon 12 the scale is 1/4: -0.5 and 0.5.
  const Weight weight = load(*own_, stored(DType::f32, {2}, {1.0, 10.0}));
  const Weight bias = load(*own_, stored(DType::f32, {2}, {0.25, -1.0}), "b");
  const auto got = to_f64(own_->layer_norm(activation(*own_, {1, 2}, {1.0, 5.0}), weight, &bias, 12.0));
  EXPECT_NEAR(got[0], -0.25, 1e-7);
  EXPECT_NEAR(got[1], 4.0, 1e-6);
}

TEST_P(OpContract, ActivationsOfMinusOneAreKnownNumbers) {
  const auto of = [&](Activation act) {
    return to_f64(own_->activation(activation(*own_, {1, 1}, {-1.0}), act)).front();
  };
  EXPECT_NEAR(of(Activation::silu), -0.2689414213699951, 1e-7);      // -1 / (1 + e)
  EXPECT_NEAR(of(Activation::gelu_erf), -0.15865525393145707, 1e-7);  // -Phi(-1)
  EXPECT_NEAR(of(Activation::gelu_tanh), -0.15880800939172324, 1e-7);
  EXPECT_EQ(of(Activation::relu), 0.0);
}

TEST_P(OpContract, RopeTurnsAQuarterAtPositionOneOfHalfPi) {
  RopeTable table{
      .layout = RopeLayout::half, .inverse_frequency = {std::numbers::pi / 2, 0.0}, .attention_factor = 1.0};
  const std::vector<std::int32_t> positions{1};
  // Pairs (0, 2) and (1, 3): the first turns by 90 degrees, (1, 3) -> (-3, 1); the second does not turn.
  auto got = to_f64(own_->rope(activation(*own_, {1, 1, 5}, {1.0, 2.0, 3.0, 4.0, 5.0}), positions, table));
  const std::vector<double> half{-3.0, 2.0, 1.0, 4.0, 5.0};
  for (std::size_t i = 0; i < half.size(); ++i) EXPECT_NEAR(got[i], half[i], 1e-6);
  table.layout = RopeLayout::interleaved;
  got = to_f64(own_->rope(activation(*own_, {1, 1, 5}, {1.0, 2.0, 3.0, 4.0, 5.0}), positions, table));
  const std::vector<double> interleaved{-2.0, 1.0, 3.0, 4.0, 5.0};
  for (std::size_t i = 0; i < interleaved.size(); ++i) EXPECT_NEAR(got[i], interleaved[i], 1e-6);
}

TEST_P(OpContract, AttentionOverTwoKeysIsWorkedOutByHand) {
  // Scores ln 3 and 0 give weights 3/4 and 1/4.
  auto store = own_->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = 2, .page_tokens = 16, .pages = 1});
  VB_ASSERT_OK(store);
  Batch batch;
  batch.sequences = {{.first_row = 0, .rows = 2, .past = 0, .pages = {0}}};
  own_->kv_write(**store, 0, activation(*own_, {2, 1, 2}, {1.0, 0.0, 0.0, 1.0}),
                 activation(*own_, {2, 1, 2}, {8.0, 0.0, 0.0, 4.0}), batch);
  const Tensor q = activation(*own_, {2, 1, 2}, {1.0, 1.0, 2.0 * std::log(3.0), 0.0});
  const AttentionArgs args{.heads = 1, .kv_heads = 1, .head_dim = 2, .scale = 0.5, .window = 0, .softcap = 0.0};
  const auto z = to_f64(own_->attention(q, **store, 0, batch, args));
  const std::vector<double> expected{8.0, 0.0, 6.0, 1.0};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(z[i], expected[i], 1e-6);
}

TEST_P(OpContract, RowsOfNoSequenceAreZero) {
  PagedStep s(*own_, kAttentionCases[0]);
  s.step.sequences[0].rows = 2;
  const Tensor z = own_->attention(s.q, *s.store, 0, s.step, s.args);
  const std::vector<double> values = to_f64(z);
  EXPECT_TRUE(std::all_of(values.begin() + 2 * 64, values.end(), [](double v) { return v == 0.0; }));
  EXPECT_NE(values[0], 0.0);
  own_.expect_clean();
}

// ---- faults ----

TEST_P(OpContract, FaultsAreStickyUntilTheNextStep) {
  const Weight table = load(*own_, stored(DType::f32, {4, 8}, normals(32, 1)));
  const std::vector<std::int32_t> ids{1, 4};
  const Tensor out = own_->embed(table, ids);
  EXPECT_EQ(out.shape(), (Shape{2, 8}));
  own_->add(activation(*own_, {2}, {1, 2}), activation(*own_, {3}, {1, 2, 3}));
  const Result<void> status = own_->end_step();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::invalid_input) << "the first fault is kept";
  EXPECT_NE(status.error().message.find("4"), std::string::npos);
  own_->begin_step();
  own_.expect_clean();
}

TEST_P(OpContract, MismatchedOperandsAreFoundBeforeMemoryIsTouched) {
  const Weight weight = load(*own_, stored(DType::f32, {4, 8}, normals(32, 1)));
  const Weight norm = load(*own_, stored(DType::f32, {9}, normals(9, 1)));
  const Tensor x = activation(*own_, {2, 7}, normals(14, 2));
  const RopeTable table{.layout = RopeLayout::half, .inverse_frequency = {1.0}, .attention_factor = 1.0};
  const std::vector<std::int32_t> three{0, 1, 2};
  const std::vector<std::function<void()>> wrong{
      [&] { own_->linear(x, weight); },
      [&] {
        own_->linear(activation(*own_, {1, 8}, normals(8, 2)), weight, &norm);
      },
      [&] {
        own_->linear(activation(*own_, {1, 9}, normals(9, 2)), norm);
      },
      [&] { own_->rms_norm(x, norm, 1e-5); },
      [&] {
        own_->rope(activation(*own_, {2, 1, 7}, normals(14, 2)), three, table);
      },
      [&] {
        own_->gated_activation(x, activation(*own_, {7, 2}, normals(14, 2)), Activation::silu);
      },
      [&] { own_->select_rows(x, three); },
      [&] { own_->layer_norm(x, norm, nullptr, 1e-5); },
      [&] {
        own_->layer_norm(activation(*own_, {1, 9}, normals(9, 2)), norm, &weight, 1e-5);
      },
      [&] { own_->columns(x, 5, 3); },
      [&] { own_->columns(x, -1, 3); },
      [&] { own_->columns(x, 1, INT64_MAX); },
      [&] {
        own_->add(x, activation(*own_, {7, 2}, normals(14, 2)), 2.0);
      },
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    own_->begin_step();
    wrong[i]();
    const Result<void> status = own_->end_step();
    ASSERT_FALSE(status.has_value()) << "case " << i;
    EXPECT_EQ(status.error().code, ErrorCode::internal) << "case " << i;
  }
}

TEST_P(OpContract, AttentionRefusesPagesThatAreMissingOrOutside) {
  const auto status_with = [&](auto change) {
    own_->begin_step();
    PagedStep s(*own_, kAttentionCases[0]);
    change(s);
    own_->attention(s.q, *s.store, 0, s.step, s.args);
    return own_->end_step().has_value();
  };
  EXPECT_TRUE(status_with([](PagedStep&) {}));
  EXPECT_FALSE(status_with([](PagedStep& s) { s.step.sequences[0].pages.pop_back(); }));
  EXPECT_FALSE(status_with([](PagedStep& s) { s.step.sequences[0].pages[0] = 9; }));
  EXPECT_FALSE(status_with([](PagedStep& s) { s.step.sequences[0].rows = 7; }));
  EXPECT_FALSE(status_with([](PagedStep& s) { s.args.heads = 3; }));
  EXPECT_FALSE(status_with([](PagedStep& s) { s.args.kv_heads = 2; }));
}

TEST_P(OpContract, AStoreOfAnotherBackendIsRefused) {
  Bench other({"other", own_->backend() == "reference" ? "cpu" : "reference", {}});
  PagedStep foreign(*other, kAttentionCases[0]);
  own_->begin_step();
  own_->attention(foreign.q, *foreign.store, 0, foreign.step, foreign.args);
  const Result<void> status = own_->end_step();
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("of another backend"), std::string::npos) << status.error().message;
}

TEST_P(OpContract, LoadWeightRefusesWhatItCannotHold) {
  StoredWeight weight = stored(DType::f32, {4, 8}, normals(32, 1));
  weight.view.bytes = weight.view.bytes.first(120);
  const auto cut = own_->load_weight("blk.0.w", weight.view, weight.memory);
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().code, ErrorCode::corrupt);
  EXPECT_NE(cut.error().message.find("blk.0.w"), std::string::npos);

  const StoredWeight nan = stored(DType::f32, {2}, {1.0, std::nan("")});
  const auto bad = own_->load_weight("norm", nan.view, nan.memory);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, ErrorCode::corrupt);

  const TensorView integers{DType::f4, {2, 8}, weight.view.bytes.first(8)};
  const auto type = own_->load_weight("w4", integers, weight.memory);
  ASSERT_FALSE(type.has_value());
  EXPECT_EQ(type.error().code, ErrorCode::unsupported);
  EXPECT_NE(describe(type.error()).find("f4"), std::string::npos) << describe(type.error());
}

TEST_P(OpContract, MakeKvStoreRefusesSizesWithoutSense) {
  EXPECT_FALSE(own_->make_kv_store({.layers = 0, .kv_heads = 1, .head_dim = 8, .page_tokens = 16, .pages = 4}));
  EXPECT_FALSE(own_->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = -8, .page_tokens = 16, .pages = 4}));
  const KvGeometry huge{.layers = 1 << 30, .kv_heads = 1 << 30, .head_dim = 128, .page_tokens = 16, .pages = 1 << 30};
  EXPECT_FALSE(own_->make_kv_store(huge));
}

/// Which ones have a backward is asked of the backends that train (gradients_contract_test.cpp).
TEST_P(OpContract, EveryForwardOperationIsSupportedAndNoBackwardOneWithoutGradients) {
  for (const Op op : all_ops()) {
    EXPECT_TRUE(own_->supports(op, Direction::forward)) << to_string(op);
    if (own_->gradients()) continue;
    EXPECT_FALSE(own_->supports(op, Direction::backward)) << to_string(op);
  }
}

TEST_P(OpContract, CountersNameTheKernelsAndAreTakenOnce) {
  own_->take_counters();
  const Weight weight = load(*own_, stored(DType::q8_0, {4, 32}, normals(128, 1)));
  own_->linear(activation(*own_, {1, 32}, normals(32, 2)), weight);
  const OpCounters counters = own_->take_counters();
  EXPECT_EQ(counters.kernel_path.substr(0, own_->backend().size()), own_->backend());
  EXPECT_GT(counters.bytes_read, 0);
  EXPECT_GT(counters.bytes_written, 0);
  EXPECT_GT(counters.memory_high_water_bytes, 0);
  EXPECT_EQ(own_->take_counters().bytes_read, 0);
}

/// A mark of the process would never fall, and would tell a stage what an earlier one took.
TEST_P(OpContract, TheMemoryMarkIsOfTheWorkSinceItWasLastTaken) {
  const Weight weight = load(*own_, stored(DType::f32, {4, 32}, normals(128, 1)));
  const auto mark = [&](std::int64_t rows) {
    own_->begin_step();
    own_->linear(activation(*own_, {rows, 32}, normals(static_cast<std::size_t>(32 * rows), 2)), weight);
    EXPECT_TRUE(own_->end_step());
    return own_->take_counters().memory_high_water_bytes;
  };
  mark(1);
  const std::int64_t large = mark(4096), small = mark(1);
  EXPECT_GE(large, 4096 * 4 * static_cast<std::int64_t>(sizeof(float)));
  EXPECT_LT(small, large / 16);
}

}  // namespace
}  // namespace vauban::test
