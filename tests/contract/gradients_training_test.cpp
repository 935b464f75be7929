/// What the cases of gradients_contract_test.cpp cannot say of a training backend: parameters, dropout masks,
/// documents, the head's numbers, and which operands are refused.
#include "contract/gradients_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

/// A small matrix.
constexpr std::int64_t kOut = 7, kIn = 17;

class Training : public testing::TestWithParam<Trainer> {
 protected:
  TrainingBench bench_{GetParam(), 2};
  Ops& ops_ = bench_.ops();
  Gradients& gradients_ = bench_.gradients();
  Machine machine_ = machine(bench_);

  Tensor some(const Shape& shape, std::uint64_t stream = 1) {
    return activation(ops_, shape, normals(static_cast<std::size_t>(shape.elements()), stream));
  }
  void expect_clean() {
    const Result<void> status = ops_.end_step();
    EXPECT_TRUE(status.has_value()) << describe(status.error());
  }
};
INSTANTIATE_TEST_SUITE_P(Trainers, Training, testing::ValuesIn(all_trainers()),
                         [](const auto& param) { return param.param.name; });

TEST_P(Training, EveryOperationOfAForwardPassHasABackward) {
  for (const Op op : all_ops()) {
    const bool only_observed = op == Op::attention_scores || op == Op::attention_pattern;
    const bool has_a_part_only = op == Op::blend_rows;  // ops/gradients.h, has_gradient
    EXPECT_TRUE(ops_.supports(op, Direction::forward)) << to_string(op);
    const bool recurrence = op == Op::short_conv || op == Op::selective_scan || op == Op::gated_delta;
    EXPECT_EQ(ops_.supports(op, Direction::backward), !only_observed && !has_a_part_only && !recurrence) << to_string(op);
  }
}

TEST_P(Training, AParameterIsAWideCopyOfItsOwn) {
  for (const DType dtype : kWeightTypes) {
    const std::int64_t width = info(dtype).block > 32 ? 256 : 32;
    const StoredWeight source = stored(dtype, {3, width}, normals(static_cast<std::size_t>(3 * width), 4));
    const std::vector<float> expected = decode_f32(source.view).value();
    const auto made = gradients_.make_parameter("model.w", source.view);
    VB_ASSERT_OK(made);
    std::fill(source.memory->begin(), source.memory->end(), std::byte{0x3f});
    EXPECT_EQ(made->name, "model.w");
    EXPECT_EQ(made->shape, (Shape{3, width}));
    EXPECT_EQ(made->tensor.shape(), (Shape{3, width}));
    EXPECT_EQ(made->tensor.dtype(), ops_.activation_dtype());
    EXPECT_EQ(to_f32(made->tensor), expected) << to_string(dtype);
  }
}

TEST_P(Training, AParameterRefusesWhatItCannotHold) {
  const StoredWeight nan = stored(DType::f32, {2}, {1.0, std::nan("")});
  const auto bad = gradients_.make_parameter("norm", nan.view);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, ErrorCode::corrupt);
  const auto packed = gradients_.make_parameter("w4", {DType::f4, {2, 8}, nan.view.bytes});
  ASSERT_FALSE(packed.has_value());
  EXPECT_EQ(packed.error().code, ErrorCode::unsupported);
}

TEST_P(Training, AWrittenParameterIsWhatTheNextProductUses) {
  Weight w = parameter(machine_, {kOut, kIn}, normals(kOut * kIn, 1));
  const Tensor x = some({4, kIn}, 2), dy = some({4, kOut}, 3);
  const std::vector<double> y = to_f64(ops_.linear(x, w, nullptr)),
                            dx = to_f64(gradients_.linear_input_backward(dy, w));
  const Tensor twice = gradients_.scaled(w.tensor, 2.0);
  if (!w.tensor.data()) GTEST_SKIP() << "optimisers write in host memory: nothing trains on this device";
  std::memcpy(w.tensor.data(), twice.data(), size_bytes(w.tensor.dtype(), w.shape).value());
  gradients_.parameter_changed(w);
  const std::vector<double> y2 = to_f64(ops_.linear(x, w, nullptr)),
                            dx2 = to_f64(gradients_.linear_input_backward(dy, w));
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y2[i], 2.0 * y[i]);
  for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_EQ(dx2[i], 2.0 * dx[i]);
  expect_clean();
}

TEST_P(Training, ZerosLiveAcrossSteps) {
  Tensor db = gradients_.zeros({5});
  EXPECT_EQ(to_f64(db), std::vector<double>(5, 0.0));
  for (int step = 0; step < 3; ++step) {
    ops_.begin_step();
    gradients_.bias_backward(activation(ops_, {2, 5}, std::vector<double>(10, 0.5)), db);
    expect_clean();
  }
  EXPECT_EQ(to_f64(db), std::vector<double>(5, 3.0));
}

// ---- dropout ----

TEST_P(Training, AMaskKeepsItsShareAndScalesIt) {
  constexpr std::size_t kCount = 40000;
  const Tensor ones = activation(ops_, {kCount}, std::vector<double>(kCount, 1.0));
  for (const double rate : {0.0, 0.05, 0.5, 0.9}) {
    const std::vector<double> got = to_f64(gradients_.masked(ones, rate, {11, 3}));
    double kept = 0.0;
    for (const double value : got) {
      if (value == 0.0) continue;
      kept += 1.0;
      EXPECT_NEAR(value, 1.0 / (1.0 - rate), 1e-6);
    }
    // Four standard deviations of a binomial share.
    const double spread = 4.0 * std::sqrt(rate * (1.0 - rate) / kCount);
    EXPECT_NEAR(kept / kCount, 1.0 - rate, spread) << "rate " << rate;
  }
  expect_clean();
}

TEST_P(Training, AMaskDependsOnItsKeyAndTheElementAlone) {
  const std::vector<double> ones(600, 1.0);
  const auto mask = [&](const Shape& shape, DropoutKey key) {
    const std::ptrdiff_t n = shape.elements();
    return to_f64(gradients_.masked(activation(ops_, shape, {ones.begin(), ones.begin() + n}), 0.4, key));
  };
  const std::vector<double> all = mask({600}, {5, 1});
  EXPECT_EQ(all, mask({20, 30}, {5, 1}));
  EXPECT_NE(all, mask({600}, {6, 1}));
  EXPECT_NE(all, mask({600}, {5, 2}));
  const std::vector<double> first = mask({37}, {5, 1});
  EXPECT_TRUE(std::equal(first.begin(), first.end(), all.begin()));
  expect_clean();
}

TEST_P(Training, ElementIOfAMaskTakesDrawIOfItsStream) {
  const std::vector<double> got =
      to_f64(gradients_.masked(activation(ops_, {300}, std::vector<double>(300, 1.0)), 0.4, {5, 1}));
  Rng rng(5, 1);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i] == 0.0, rng.uniform() < 0.4) << "element " << i;
  expect_clean();
}

TEST_P(Training, ARateThatIsNoProbabilityIsRefused) {
  for (const double rate : {-0.1, 1.0, 1.5, std::nan("")}) {
    ops_.begin_step();
    gradients_.masked(some({4}), rate, {});
    const Result<void> status = ops_.end_step();
    ASSERT_FALSE(status.has_value()) << rate;
    EXPECT_EQ(status.error().code, ErrorCode::internal);
  }
}

// ---- cleared gradients ----

TEST_P(Training, AClearedGradientIsZeroWhicheverOperationComesFirst) {
  const Tensor dy = some({4, kOut}, 3), x = some({4, kIn}, 4), row = some({4, kIn}, 5);
  const std::vector<std::int32_t> ids{0, 3, 3, 6};
  const std::vector<double> coefficients{-1.0, -0.5, 0.25, -1.0};
  const Weight w = parameter(machine_, {kOut, kIn}, normals(kOut * kIn, 6)), norm = parameter(machine_, {kIn}, normals(kIn, 7));
  const auto product = [&](Tensor& dw) { gradients_.linear_weight_backward(dy, x, dw); };
  const auto head = [&](Tensor& dw) { gradients_.head(x, w, 0.0, ids, coefficients, &dw); };
  const auto lookup = [&](Tensor& dw) { gradients_.embed_backward(row, ids, dw); };
  const auto scale = [&](Tensor& dw) { gradients_.rms_norm_backward(row, x, norm, 1e-5, &dw); };
  const auto shift = [&](Tensor& dw) { gradients_.bias_backward(row, dw); };
  const auto nothing = [](Tensor&) {};
  const Shape matrix{kOut, kIn}, vector{kIn};
  const std::vector<std::pair<Shape, std::vector<std::function<void(Tensor&)>>>> orders{
      {matrix, {product, product}}, {matrix, {head, lookup}}, {matrix, {lookup, head}},
      {matrix, {head, head}},       {vector, {scale, scale}}, {vector, {shift, shift}},
      {matrix, {nothing}}};
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const auto& [shape, calls] = orders[i];
    Tensor fresh = gradients_.zeros(shape), used = gradients_.zeros(shape);
    const Tensor junk = some(shape, 9);
    if (used.data())
      std::memcpy(used.data(), junk.data(), static_cast<std::size_t>(shape.elements()) * (info(used.dtype()).bits / 8));
    else
      calls.front()(used);
    gradients_.clear(used);
    for (const auto& call : calls) call(fresh), call(used);
    expect_clean();
    EXPECT_LE(nmse(to_f64(used), to_f64(fresh)), 1e-12) << "order " << i;
    EXPECT_TRUE(calls.size() != 1 || to_f64(used) == to_f64(fresh)) << "order " << i;
    ops_.begin_step();
  }
}

// ---- attention ----

TEST_P(Training, AttentionIsThatOfTheForwardPassOverPages) {
  const AttentionArgs args{.heads = 6, .kv_heads = 2, .head_dim = 6, .scale = 0.6, .window = 4, .softcap = 2.0};
  Batch batch = documents({6, 1, 9});
  const Tensor q = some({16, 6, 6}, 1), k = some({16, 2, 6}, 2), v = some({16, 2, 6}, 3);
  const std::vector<double> z = to_f64(gradients_.attention(q, k, v, batch, args).z);
  auto store = ops_.make_kv_store({.layers = 1, .kv_heads = 2, .head_dim = 6, .page_tokens = 4, .pages = 6});
  VB_ASSERT_OK(store);
  const std::array<std::vector<std::int32_t>, 3> pages{{{0, 1}, {2}, {3, 4, 5}}};
  for (std::size_t i = 0; i < 3; ++i) batch.sequences[i].pages = pages[i];
  ops_.kv_write(**store, 0, k, v, batch);
  EXPECT_LE(nmse(z, to_f64(ops_.attention(q, **store, 0, batch, args))), std::max(GetParam().bound, 1e-12));
  expect_clean();
}

TEST_P(Training, TheLogSumOfTwoScoresIsWorkedOutByHand) {
  // Scores of the second query: ln 3 and 0; their exponentials sum to 4.
  const Tensor q = activation(ops_, {2, 1, 2}, {1.0, 1.0, 2.0 * std::log(3.0), 0.0});
  const Tensor k = activation(ops_, {2, 1, 2}, {1.0, 0.0, 0.0, 1.0}), v = activation(ops_, {2, 1, 2}, {8, 0, 0, 4});
  const AttentionArgs args{.heads = 1, .kv_heads = 1, .head_dim = 2, .scale = 0.5, .window = 0, .softcap = 0.0};
  const TrainingAttention out = gradients_.attention(q, k, v, documents({2}), args);
  ASSERT_EQ(out.log_sum_exp.shape(), (Shape{2, 1}));
  EXPECT_NEAR(to_f64(out.log_sum_exp)[0], 0.5, 1e-6);
  EXPECT_NEAR(to_f64(out.log_sum_exp)[1], std::log(4.0), 1e-6);
  EXPECT_NEAR(to_f64(out.z)[2], 6.0, 1e-5);
  EXPECT_NEAR(to_f64(out.z)[3], 1.0, 1e-5);
  expect_clean();
}

TEST_P(Training, DocumentsDoNotSeeEachOther) {
  const AttentionArgs args{.heads = 2, .kv_heads = 1, .head_dim = 6, .scale = 0.6, .window = 0, .softcap = 0.0};
  const Batch batch = documents({5, 7});
  const auto second_document = [&](std::uint64_t stream_of_first) {
    const auto join = [&](std::int64_t width, std::uint64_t stream) {
      std::vector<double> values = normals(static_cast<std::size_t>(12 * width), stream);
      const std::vector<double> first = normals(static_cast<std::size_t>(5 * width), stream_of_first);
      std::copy(first.begin(), first.end(), values.begin());
      return values;
    };
    const Tensor q = activation(ops_, {12, 2, 6}, join(12, 1)), k = activation(ops_, {12, 1, 6}, join(6, 2)),
                 v = activation(ops_, {12, 1, 6}, join(6, 3)), dz = activation(ops_, {12, 2, 6}, join(12, 4));
    const TrainingAttention out = gradients_.attention(q, k, v, batch, args);
    const AttentionGradients d = gradients_.attention_backward(dz, q, k, v, out, batch, args);
    return bits(out.z.rows(5, 12)) + bits(d.q.rows(5, 12)) + bits(d.k.rows(5, 12)) + bits(d.v.rows(5, 12));
  };
  EXPECT_EQ(second_document(100), second_document(200));
  expect_clean();
}

// ---- the head ----

TEST_P(Training, TheHeadOverTwoTokensIsWorkedOutByHand) {
  // Logits ln 3 and 0: probabilities 3/4 and 1/4. Cross entropy of one row: coefficient -1.
  const Weight w = parameter(machine_, {2, 1}, {std::log(3.0), 0.0});
  const Tensor x = activation(ops_, {1, 1}, {1.0});
  Tensor dw = gradients_.zeros({2, 1});
  const std::vector<std::int32_t> targets{0};
  const std::vector<double> coefficients{-1.0};
  const HeadResult result = gradients_.head(x, w, 0.0, targets, coefficients, &dw);
  const double bound = std::max(1e-6, std::sqrt(GetParam().bound));
  EXPECT_NEAR(result.logprobs[0], std::log(0.75), bound);
  EXPECT_NEAR(to_f64(result.dx)[0], -0.25 * std::log(3.0), bound);
  EXPECT_NEAR(to_f64(dw)[0], -0.25, bound);
  EXPECT_NEAR(to_f64(dw)[1], 0.25, bound);
  expect_clean();
}

TEST_P(Training, TheHeadsLogProbabilitiesAreThoseOfItsLogits) {
  const std::vector<std::int32_t> targets{3, 0, 32, 7, 7};
  const Weight w = parameter(machine_, {33, 17}, normals(33 * 17, 1));
  const Tensor x = some({5, 17}, 2);
  const HeadResult result = gradients_.head(x, w, 3.0, targets, {}, nullptr);
  EXPECT_TRUE(result.dx.empty()) << "the forward alone";
  const std::vector<double> logits = to_f64(ops_.lm_head(x, w, 3.0));
  std::vector<double> expected;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    double sum = 0.0;
    for (std::size_t token = 0; token < 33; ++token) sum += std::exp(logits[t * 33 + token]);
    expected.push_back(logits[t * 33 + static_cast<std::size_t>(targets[t])] - std::log(sum));
  }
  EXPECT_LE(nmse(result.logprobs, expected), std::max(GetParam().bound, 1e-12));
  expect_clean();
}

TEST_P(Training, TheHeadHoldsNoLogitsOfTheWholeStep) {
  constexpr std::int64_t kTokens = 4096, kWords = 2053, kWidth = 3;
  const Weight w = parameter(machine_, {kWords, kWidth}, normals(kWords * kWidth, 1));
  const Tensor x = some({kTokens, kWidth}, 2);
  const std::vector<std::int32_t> targets(kTokens, 2052);
  const std::vector<double> coefficients(kTokens, -1.0 / kTokens);
  Tensor dw = gradients_.zeros({kWords, kWidth});
  ops_.take_counters();
  gradients_.head(x, w, 0.0, targets, coefficients, &dw);
  const std::int64_t logits = kTokens * kWords * 4;
  EXPECT_LT(ops_.take_counters().memory_high_water_bytes, logits);
  expect_clean();
}

TEST_P(Training, AChoiceWithoutDoubtHasFiniteGradients) {
  // Logits of +-400: exp overflows unless the largest is taken out first.
  const Weight w = parameter(machine_, {2, 1}, {400.0, -400.0});
  Tensor dw = gradients_.zeros({2, 1});
  const std::vector<std::int32_t> targets{0, 1};
  const std::vector<double> coefficients{-0.5, -0.5};
  const HeadResult result = gradients_.head(activation(ops_, {2, 1}, {1.0, 1.0}), w, 0.0, targets, coefficients, &dw);
  EXPECT_EQ(result.logprobs[0], 0.0);
  EXPECT_NEAR(result.logprobs[1], -800.0, 1e-3);
  EXPECT_NEAR(to_f64(result.dx)[1], 400.0, 2.0);
  expect_clean();
}

TEST_P(Training, AnAlmostCertainTargetKeepsTheDigitsOfItsGradient) {
  // p = 1 / (1 + e^-12): what is left of it, 6.1e-6, is far below the rounding of p in bf16.
  const Weight w = parameter(machine_, {2, 1}, {6.0, -6.0});
  Tensor dw = gradients_.zeros({2, 1});
  const std::vector<std::int32_t> targets{0};
  const std::vector<double> coefficients{-1.0};
  const HeadResult result = gradients_.head(activation(ops_, {1, 1}, {1.0}), w, 0.0, targets, coefficients, &dw);
  const double rest = 1.0 / (1.0 + std::exp(12.0));
  const double bound = 1e-7 + 2.0 * std::sqrt(GetParam().bound) * rest;  // 1e-7: f32 sums that are near 1
  EXPECT_NEAR(result.logprobs[0], std::log1p(-rest), bound);
  EXPECT_NEAR(to_f64(dw)[0], -rest, bound);
  EXPECT_NEAR(to_f64(dw)[1], rest, bound);
  EXPECT_NEAR(to_f64(result.dx)[0], -12.0 * rest, 12.0 * bound);
  expect_clean();
}

TEST_P(Training, AHopelessTargetLeavesTheOtherRowsAsTheyAre) {
  // The second row's target is e^-600 as likely as the other token; the first row is the example worked out by hand.
  const Weight w = parameter(machine_, {2, 2}, {std::log(3.0), -300.0, 0.0, 300.0});
  const Tensor x = activation(ops_, {2, 2}, {1.0, 0.0, 0.0, 1.0});
  Tensor dw = gradients_.zeros({2, 2});
  const std::vector<std::int32_t> targets{0, 0};
  const std::vector<double> coefficients{-1.0, -1.0};
  const HeadResult result = gradients_.head(x, w, 0.0, targets, coefficients, &dw);
  const double bound = std::max(1e-6, std::sqrt(GetParam().bound));
  EXPECT_NEAR(result.logprobs[0], std::log(0.75), bound);
  EXPECT_NEAR(result.logprobs[1], -600.0, 1e-3);
  EXPECT_NEAR(to_f64(dw)[0], -0.25, bound);
  EXPECT_NEAR(to_f64(dw)[1], -1.0, bound);
  EXPECT_NEAR(to_f64(dw)[3], 1.0, bound);
  EXPECT_NEAR(to_f64(result.dx)[3], 600.0, 4.0);
  expect_clean();
}

TEST_P(Training, ATargetOutsideTheVocabularyIsTheUsersFault) {
  const Weight w = parameter(machine_, {4, 2}, normals(8, 1));
  for (const std::int32_t target : {4, -1}) {
    ops_.begin_step();
    const std::vector<std::int32_t> targets{1, target};
    gradients_.head(some({2, 2}), w, 0.0, targets, {}, nullptr);
    const Result<void> status = ops_.end_step();
    ASSERT_FALSE(status.has_value()) << target;
    EXPECT_EQ(status.error().code, ErrorCode::invalid_input) << target;
  }
}

TEST_P(Training, MismatchedOperandsAreFoundBeforeMemoryIsTouched) {
  const Weight w = parameter(machine_, {4, 8}, normals(32, 1)), norm = parameter(machine_, {9}, normals(9, 1));
  Tensor small = gradients_.zeros({4, 7}), vector = gradients_.zeros({3});
  const AttentionArgs args{.heads = 2, .kv_heads = 1, .head_dim = 6, .scale = 1.0, .window = 0, .softcap = 0.0};
  const std::vector<std::int32_t> two{0, 1}, outside{0, 9};
  const std::vector<double> one{1.0}, both{1.0, 1.0};
  Batch with_past = documents({2});
  with_past.sequences[0].past = 1;
  Batch apart = documents({1});
  apart.sequences[0].first_row = 1;
  const auto attend = [&](std::int64_t key_rows, const Batch& batch, const AttentionArgs& a) {
    gradients_.attention(some({2, 2, 6}), some({key_rows, 1, 6}), some({2, 1, 6}), batch, a);
  };
  AttentionArgs no_key_heads = args;
  no_key_heads.kv_heads = 0;
  const std::vector<std::function<void()>> wrong{
      [&] {
        gradients_.linear_input_backward(some({2, 5}), w);
      },
      [&] {
        gradients_.linear_input_backward(some({2, 4}), norm);
      },
      [&] {
        gradients_.linear_weight_backward(some({2, 4}), some({2, 8}), small);
      },
      [&] {
        gradients_.linear_weight_backward(some({3, 4}), some({2, 7}), small);
      },
      [&] {
        gradients_.bias_backward(some({2, 4}), vector);
      },
      [&] {
        gradients_.embed_backward(some({3, 7}), two, small);
      },
      [&] {
        gradients_.rms_norm_backward(some({2, 9}), some({2, 9}), norm, 1e-5, &vector);
      },
      [&] {
        gradients_.rms_norm_backward(some({2, 8}), some({2, 9}), norm, 1e-5, nullptr);
      },
      [&] {
        gradients_.layer_norm_backward(some({2, 9}), some({2, 9}), norm, 1e-5, nullptr, &vector);
      },
      [&] {
        gradients_.activation_backward(some({2, 9}), some({2, 8}), Activation::silu);
      },
      [&] {
        gradients_.gated_activation_backward(some({2, 9}), some({2, 9}), some({9, 2}), Activation::silu);
      },
      [&] {
        gradients_.columns_backward(some({2, 5}), 4, 8);
      },
      [&] {
        gradients_.select_rows_backward(some({3, 5}), two, 8);
      },
      [&] {
        gradients_.select_rows_backward(some({2, 5}), outside, 8);
      },
      [&] {
        gradients_.head(some({3, 8}), w, 0.0, two, {}, nullptr);
      },
      [&] {
        gradients_.head(some({2, 8}), w, 0.0, two, one, nullptr);
      },
      [&] {
        gradients_.head(some({2, 8}), w, 0.0, two, both, &small);
      },
      [&] {
        gradients_.lm_head_backward(some({2, 5}), some({2, 4}), some({2, 8}), w, 0.0, nullptr);
      },
      [&] { attend(3, documents({2}), args); },
      [&] { attend(2, documents({3}), args); },
      [&] { attend(2, documents({1}), args); },  // a row of no document
      [&] { attend(2, apart, args); },
      [&] { attend(2, with_past, args); },
      [&] { attend(2, documents({2}), no_key_heads); },
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    ops_.begin_step();
    wrong[i]();
    const Result<void> status = ops_.end_step();
    ASSERT_FALSE(status.has_value()) << "case " << i;
    EXPECT_EQ(status.error().code, ErrorCode::internal) << "case " << i;
  }
}

}  // namespace
}  // namespace vauban::test
