/// Operations against outside answers: golden/cs336_ops.json, PyTorch in f32 on the inputs of a public course.
#include "base/json_file.h"
#include "contract/ops_bench.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

constexpr const char* kFile = "golden/cs336_ops.json";
/// The file states that PyTorch itself differs from the recorded numbers by up to 7.2e-7.
constexpr double kBound = 2e-6;

void flatten(const Json& value, std::vector<double>& out) {
  if (!value.is_array()) return out.push_back(value.as_double());
  for (const Json& item : value.items()) flatten(item, out);
}

class OpGolden : public testing::TestWithParam<Executor> {
 protected:
  void open(const std::string& name) {
    auto file = read_json_file(shared_data() / kFile);
    VB_ASSERT_OK(file);
    const Json* cases = file->find("cases");
    ASSERT_TRUE(cases && cases->find(name));
    case_ = *cases->find(name);
  }
  std::vector<double> values(const std::string& name) const {
    std::vector<double> out;
    flatten(*case_.find(name), out);
    return out;
  }
  Bench bench_{GetParam(), 2};
  Json case_;
};
INSTANTIATE_TEST_SUITE_P(Executors, OpGolden, testing::ValuesIn(all_executors()), executor_name);

TEST_P(OpGolden, InterleavedRopeIsThatOfTheCourse) {
  VB_NEED_SHARED(kFile);
  open("rope_interleaved");
  ASSERT_FALSE(HasFatalFailure());
  constexpr std::int64_t kRows = 4 * 12, kWidth = 64;
  RopeTable table{.layout = RopeLayout::interleaved, .inverse_frequency = {}, .attention_factor = 1.0};
  for (int pair = 0; pair < kWidth / 2; ++pair) table.inverse_frequency.push_back(std::pow(10000.0, -pair / 32.0));
  std::vector<std::int32_t> positions;
  for (std::int32_t row = 0; row < kRows; ++row) positions.push_back(row % 12);
  const auto got = to_f64(bench_->rope(activation(*bench_, {kRows, 1, kWidth}, values("x")), positions, table));
  const std::vector<double> expected = values("expected");
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], kBound) << "element " << i;
  bench_.expect_clean();
}

/// The course's mask is arbitrary, ours is causal: the keys that a query may see become a sequence of their own, with
/// that query as its last row.
TEST_P(OpGolden, AttentionOverChosenKeysIsThatOfTheCourse) {
  VB_NEED_SHARED(kFile);
  open("sdpa_masked");
  ASSERT_FALSE(HasFatalFailure());
  constexpr std::int64_t kBatch = 4, kQueries = 12, kKeys = 16, kWidth = 64;
  const auto q = values("q"), k = values("k"), v = values("v"), expected = values("expected");
  const auto mask = values("mask_true_means_attend");
  const AttentionArgs args{.heads = 1, .kv_heads = 1, .head_dim = kWidth, .scale = 0.125, .window = 0, .softcap = 0.0};
  const auto row_of = [](const std::vector<double>& all, std::int64_t row) {
    return std::vector<double>(all.begin() + row * kWidth, all.begin() + (row + 1) * kWidth);
  };
  auto store = bench_->make_kv_store({.layers = 1, .kv_heads = 1, .head_dim = kWidth, .page_tokens = 16, .pages = 1});
  VB_ASSERT_OK(store);
  for (std::int64_t row = 0; row < kBatch * kQueries; ++row) {
    std::vector<double> seen_k, seen_v;
    for (std::int64_t key = 0; key < kKeys; ++key) {
      if (mask[static_cast<std::size_t>(row * kKeys + key)] == 0.0) continue;
      const auto one_k = row_of(k, row / kQueries * kKeys + key), one_v = row_of(v, row / kQueries * kKeys + key);
      seen_k.insert(seen_k.end(), one_k.begin(), one_k.end());
      seen_v.insert(seen_v.end(), one_v.begin(), one_v.end());
    }
    const auto n = static_cast<std::int32_t>(seen_k.size() / kWidth);
    ASSERT_GE(n, 1);
    Batch fill, ask;
    fill.sequences = {{.first_row = 0, .rows = n, .past = 0, .pages = {0}}};
    ask.sequences = {{.first_row = 0, .rows = 1, .past = n - 1, .pages = {0}}};
    bench_->begin_step();
    bench_->kv_write(**store, 0, activation(*bench_, {n, 1, kWidth}, seen_k),
                     activation(*bench_, {n, 1, kWidth}, seen_v), fill);
    const Tensor query = activation(*bench_, {1, 1, kWidth}, row_of(q, row));
    const auto z = to_f64(bench_->attention(query, **store, 0, ask, args)), right = row_of(expected, row);
    for (std::size_t i = 0; i < z.size(); ++i) ASSERT_NEAR(z[i], right[i], kBound) << "row " << row;
    bench_.expect_clean();
  }
}

}  // namespace
}  // namespace vauban::test
