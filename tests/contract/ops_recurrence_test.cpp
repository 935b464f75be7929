/// The recurrences: against their formulas written out without a state, and that steps, batches and forks change no bit.
#include <functional>
#include <numeric>

#include "contract/ops_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Numbers = std::vector<double>;
constexpr std::int64_t kRows = 23;
constexpr std::int64_t kChannels = 21, kStates = 5;
constexpr int kKernel = 4;
constexpr int kKeyHeads = 2, kValueHeads = 6, kKeyDim = 7, kValueDim = 5;
constexpr std::int64_t kQkv = 2 * kKeyHeads * kKeyDim + kValueHeads * kValueDim;
const std::vector<std::int32_t> kPages{7, 2, 0, 8, 3, 5};
constexpr double kBound = 1e-13;  // nmse: f64 sums of f32 operands, rounded to f32 once

double softly(double x) { return std::log1p(std::exp(x)); }
double squashed(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// One of the three with its operands, all of kRows rows.
struct Machine {
  std::string name;
  std::int64_t out = 0;  ///< width
  /// Rows [begin, end) as these sequences.
  std::function<Tensor(Ops&, KvStore&, std::int64_t begin, std::int64_t end, const Batch&)> run;
  std::function<Numbers()> expected;  ///< of one sequence of kRows rows
};

Tensor rows_of(const Ops& ops, const Numbers& all, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = std::ssize(all) / kRows;
  return activation(ops, {end - begin, width}, {all.begin() + begin * width, all.begin() + end * width});
}
Weight vector_of(Ops& ops, const Numbers& values) { return load(ops, stored(DType::f32, {std::ssize(values)}, values)); }
Numbers matrix(std::int64_t width, std::uint64_t stream) { return normals(static_cast<std::size_t>(kRows * width), stream); }
Numbers vector(std::int64_t width, std::uint64_t stream, double scale = 1.0) {
  return normals(static_cast<std::size_t>(width), stream, scale);
}

Machine convolution(std::string name, bool gated) {
  const Numbers x = matrix(kChannels, 1), in = matrix(kChannels, 2), out = matrix(kChannels, 3);
  const Numbers weight = vector(kChannels * kKernel, 4), bias = vector(kChannels, 5);
  Machine machine{.name = std::move(name), .out = kChannels, .run = {}, .expected = {}};
  machine.run = [=](Ops& ops, KvStore& store, std::int64_t begin, std::int64_t end, const Batch& batch) {
    const Weight w = vector_of(ops, weight), b = vector_of(ops, bias);
    const Tensor first = rows_of(ops, in, begin, end), last = rows_of(ops, out, begin, end);
    ShortConvArgs args{.kernel = kKernel, .silu = !gated, .bias = gated ? nullptr : &b};
    if (gated) args.in = &first, args.out = &last;
    return ops.short_conv(rows_of(ops, x, begin, end), w, store, 0, batch, args);
  };
  machine.expected = [=] {
    Numbers y(x.size());
    for (std::int64_t t = 0; t < kRows; ++t)
      for (std::int64_t c = 0; c < kChannels; ++c) {
        double sum = gated ? 0.0 : bias[static_cast<std::size_t>(c)];
        for (std::int64_t back = 0; back < kKernel && back <= t; ++back) {
          const auto from = static_cast<std::size_t>((t - back) * kChannels + c);
          sum += weight[static_cast<std::size_t>(c * kKernel + kKernel - 1 - back)] * x[from] * (gated ? in[from] : 1.0);
        }
        const auto at = static_cast<std::size_t>(t * kChannels + c);
        y[at] = gated ? sum * out[at] : sum * squashed(sum);
      }
    return y;
  };
  return machine;
}

Machine scan() {
  const Numbers x = matrix(kChannels, 11), dt = matrix(kChannels, 12), b = matrix(kStates, 13), c = matrix(kStates, 14);
  const Numbers log_a = vector(kChannels * kStates, 15, 0.5), skip = vector(kChannels, 16);
  Machine machine{.name = "selective_scan", .out = kChannels, .run = {}, .expected = {}};
  machine.run = [=](Ops& ops, KvStore& store, std::int64_t begin, std::int64_t end, const Batch& batch) {
    const Weight rates = vector_of(ops, log_a), skips = vector_of(ops, skip);
    return ops.selective_scan(rows_of(ops, x, begin, end), store, 0, batch,
                              {.dt = rows_of(ops, dt, begin, end), .b = rows_of(ops, b, begin, end),
                               .c = rows_of(ops, c, begin, end), .log_a = &rates, .skip = &skips});
  };
  // What an input leaves behind has decayed by every step since: exp(-rate * the sum of those steps).
  machine.expected = [=] {
    Numbers y(x.size());
    for (std::int64_t t = 0; t < kRows; ++t)
      for (std::int64_t i = 0; i < kChannels; ++i) {
        const auto at = [i](std::int64_t row) { return static_cast<std::size_t>(row * kChannels + i); };
        double sum = skip[static_cast<std::size_t>(i)] * x[at(t)], since = 0.0;
        for (std::int64_t s = t; s >= 0; --s) {
          const double step = softly(dt[at(s)]);
          for (std::int64_t n = 0; n < kStates; ++n)
            sum += c[static_cast<std::size_t>(t * kStates + n)] * b[static_cast<std::size_t>(s * kStates + n)] * step * x[at(s)] *
                   std::exp(-std::exp(log_a[static_cast<std::size_t>(i * kStates + n)]) * since);
          since += step;
        }
        y[at(t)] = sum;
      }
    return y;
  };
  return machine;
}

Machine delta() {
  const Numbers qkv = matrix(kQkv, 21), a = matrix(kValueHeads, 22), b = matrix(kValueHeads, 23);
  const Numbers log_a = vector(kValueHeads, 24, 0.5), bias = vector(kValueHeads, 25);
  Machine machine{.name = "gated_delta", .out = kValueHeads * kValueDim, .run = {}, .expected = {}};
  machine.run = [=](Ops& ops, KvStore& store, std::int64_t begin, std::int64_t end, const Batch& batch) {
    const Weight rates = vector_of(ops, log_a), shifts = vector_of(ops, bias);
    return ops.gated_delta(rows_of(ops, qkv, begin, end), store, 0, batch,
                           {.key_heads = kKeyHeads, .value_heads = kValueHeads, .key_dim = kKeyDim, .value_dim = kValueDim,
                            .a = rows_of(ops, a, begin, end), .b = rows_of(ops, b, begin, end), .log_a = &rates, .dt_bias = &shifts});
  };
  // S = decay (1 - rate k k^T) S + rate k v^T, as a matrix product.
  machine.expected = [=] {
    Numbers y;
    const auto unit = [&](std::int64_t t, std::int64_t first) {
      Numbers part(qkv.begin() + t * kQkv + first, qkv.begin() + t * kQkv + first + kKeyDim);
      const double length = std::sqrt(std::inner_product(part.begin(), part.end(), part.begin(), 1e-6));
      for (double& value : part) value /= length;
      return part;
    };
    std::vector<Numbers> memory(kValueHeads, Numbers(kKeyDim * kValueDim, 0.0));
    for (std::int64_t t = 0; t < kRows; ++t)
      for (int head = 0; head < kValueHeads; ++head) {
        const int key_head = head / 3;
        const Numbers q = unit(t, key_head * kKeyDim), k = unit(t, (kKeyHeads + key_head) * kKeyDim);
        const double* v = qkv.data() + t * kQkv + 2 * kKeyHeads * kKeyDim + head * kValueDim;
        const auto gate = static_cast<std::size_t>(t * kValueHeads + head), own = static_cast<std::size_t>(head);
        const double decay = std::exp(-std::exp(log_a[own]) * softly(a[gate] + bias[own])), rate = squashed(b[gate]);
        Numbers next(kKeyDim * kValueDim, 0.0);
        for (std::size_t i = 0; i < kKeyDim; ++i)
          for (std::size_t j = 0; j < kValueDim; ++j) {
            next[i * kValueDim + j] = rate * k[i] * v[j];
            for (std::size_t m = 0; m < kKeyDim; ++m)
              next[i * kValueDim + j] += decay * ((i == m ? 1.0 : 0.0) - rate * k[i] * k[m]) * memory[own][m * kValueDim + j];
          }
        memory[own] = next;
        for (std::size_t j = 0; j < kValueDim; ++j) {
          double sum = 0.0;
          for (std::size_t i = 0; i < kKeyDim; ++i) sum += next[i * kValueDim + j] * q[i];
          y.push_back(sum / std::sqrt(static_cast<double>(kKeyDim)));
        }
      }
    return y;
  };
  return machine;
}

const std::vector<Machine>& machines() {
  static const std::vector<Machine> all{convolution("short_conv", false), convolution("short_conv_between_gates", true), scan(), delta()};
  return all;
}

std::unique_ptr<KvStore> make_store(Ops& ops) {
  auto store = ops.make_kv_store({.layers = 1, .kv_heads = 0, .head_dim = 1, .page_tokens = 4, .pages = 9,
                                  .state = {.conv = kChannels * (kKernel - 1), .scan = kValueHeads * kKeyDim * kValueDim}});
  EXPECT_TRUE(store.has_value());
  return std::move(store).value();
}

class Recurrence : public testing::TestWithParam<std::tuple<Executor, std::size_t>> {
 protected:
  Bench own_{std::get<0>(GetParam()), 2};
  const Machine& machine_ = machines()[std::get<1>(GetParam())];

  Tensor run(KvStore& store, std::int32_t begin, std::int32_t end, const std::vector<std::int32_t>& pages = kPages) {
    Batch batch;
    batch.sequences = {{.first_row = 0, .rows = end - begin, .past = begin, .pages = pages}};
    return machine_.run(*own_, store, begin, end, batch);
  }
  std::string bits_of(KvStore& store, std::int32_t begin, std::int32_t end, const std::vector<std::int32_t>& pages = kPages) {
    return bits(run(store, begin, end, pages));
  }
  std::string whole() { return bits_of(*make_store(*own_), 0, kRows); }
  std::size_t row_bytes() const { return whole_bytes() / kRows; }
  std::size_t whole_bytes() const {
    return static_cast<std::size_t>(kRows * machine_.out) * (std::get<0>(GetParam()).backend == "reference" ? 8 : 4);
  }
};
INSTANTIATE_TEST_SUITE_P(Executors, Recurrence,
                         testing::Combine(testing::ValuesIn(all_executors()), testing::Range(std::size_t{0}, std::size_t{4})),
                         [](const auto& param) {
                           return std::get<0>(param.param).name + "_" + machines()[std::get<1>(param.param)].name;
                         });

TEST_P(Recurrence, IsItsFormula) {
  const auto store = make_store(*own_);
  EXPECT_LE(nmse(to_f64(run(*store, 0, kRows)), machine_.expected()), kBound);
  own_.expect_clean();
}

TEST_P(Recurrence, StepsOfAnySizeGiveTheSameBits) {
  const std::string all = whole();
  ASSERT_EQ(all.size(), whole_bytes());
  for (const std::int32_t size : {1, 3, 4, 9, 16}) {
    const auto store = make_store(*own_);
    std::string parts;
    for (std::int32_t begin = 0; begin < kRows; begin += size)
      parts += bits_of(*store, begin, std::min<std::int32_t>(begin + size, kRows));
    EXPECT_TRUE(parts == all) << "steps of " << size;
  }
  own_.expect_clean();
}

TEST_P(Recurrence, ASequenceInABatchIsTheSequenceAlone) {
  const std::string all = whole();
  const auto store = make_store(*own_);
  bits_of(*store, 0, 6, {3, 6});  // the second of the batch has a past
  Batch batch;
  batch.sequences = {{.first_row = 0, .rows = 6, .past = 0, .pages = {1, 8}},
                     {.first_row = 6, .rows = 11, .past = 6, .pages = {3, 6, 4, 0, 5}},
                     {.first_row = 17, .rows = 0, .past = 0, .pages = {}}};
  const std::string both = bits(machine_.run(*own_, *store, 0, 17, batch));
  EXPECT_TRUE(both.substr(0, 6 * row_bytes()) == all.substr(0, 6 * row_bytes()));
  EXPECT_TRUE(both.substr(6 * row_bytes()) == all.substr(6 * row_bytes(), 11 * row_bytes()));
  own_.expect_clean();
}

TEST_P(Recurrence, AForkGoesItsOwnWay) {
  const std::string all = whole();
  const auto store = make_store(*own_);
  bits_of(*store, 0, 10);  // ends inside the third page
  VB_ASSERT_OK(store->copy_page(kPages[2], 6));
  bits_of(*store, 10, 20);
  EXPECT_TRUE(bits_of(*store, 10, kRows, {kPages[0], kPages[1], 6, 1, 4, 5}) == all.substr(10 * row_bytes()));
  own_.expect_clean();
}

TEST_P(Recurrence, AForkAtTheEndOfAPageSharesIt) {
  const std::string all = whole();
  const auto store = make_store(*own_);
  bits_of(*store, 0, 8);  // ends with the second page
  EXPECT_TRUE(bits_of(*store, 8, kRows) == all.substr(8 * row_bytes()));
  EXPECT_TRUE(bits_of(*store, 8, kRows, {kPages[0], kPages[1], 6, 1, 4, 3}) == all.substr(8 * row_bytes()));
  own_.expect_clean();
}

TEST_P(Recurrence, ANewSequenceInUsedPagesBeginsWithNothing) {
  const std::string all = whole();
  const auto store = make_store(*own_);
  bits_of(*store, 0, 13);
  EXPECT_TRUE(bits_of(*store, 0, kRows) == all);
  own_.expect_clean();
}

TEST_P(Recurrence, AStepThatDoesNotBeginWhereTheStateStandsIsRefused) {
  for (const std::int32_t begin : {5, 7, 9}) {
    const auto store = make_store(*own_);
    own_->begin_step();
    bits_of(*store, 0, 8);
    VB_ASSERT_OK(own_->end_step());
    own_->begin_step();
    run(*store, begin, 12);
    const Result<void> status = own_->end_step();
    ASSERT_FALSE(status.has_value()) << begin;
    EXPECT_EQ(status.error().code, ErrorCode::unsupported);
    EXPECT_NE(status.error().message.find(format("after {} positions", begin)), std::string::npos) << status.error().message;
  }
}

TEST_P(Recurrence, AForgottenPageCannotBeContinued) {
  const auto store = make_store(*own_);
  run(*store, 0, 8);
  EXPECT_GT(store->states().size_bytes(), 0);
  store->states().forget(kPages[1]);
  EXPECT_EQ(store->states().size_bytes(), 0);
  run(*store, 8, 9);
  EXPECT_FALSE(own_->end_step().has_value());
}

TEST_P(Recurrence, AStoreWithoutRoomForTheStateIsAFault) {
  auto store = own_->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = 1, .page_tokens = 4, .pages = 9, .state = {.conv = 3, .scan = 3}});
  VB_ASSERT_OK(store);
  run(**store, 0, 4);
  const Result<void> status = own_->end_step();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace vauban::test
