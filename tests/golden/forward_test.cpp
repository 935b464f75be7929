// The trained story models against run.c, float64 PyTorch and peer-dequantised weights, on every backend.
#include <bit>
#include <cmath>
#include <gtest/gtest.h>

#include "backends/backends.h"
#include "base/result.h"
#include "golden/golden_case.h"
#include "support/model_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

constexpr const char* kStories = "models/stories260K/hf";
constexpr const char* kStoriesGguf = "models/gguf/stories260K-F32.gguf";
constexpr const char* kTinyStories = "models/TinyStories-656K";
constexpr const char* kStoriesGolden = "golden/stories260K_runc.json";
constexpr const char* kTinyStoriesGolden = "golden/TinyStories-656K_runc.json";

// run.c adds up in f32; its own distance to float64 is up to 1.2e-5.
constexpr double kRuncBound = 2e-5;
// The goldens are printed with 9 significant digits: half a unit at values below 32 is 5e-8.
constexpr double kFloat64Bound = 1e-6;

bool is_reference(const std::string& backend) { return backend == "reference"; }

std::vector<double> last_row(const std::vector<double>& logits, std::int64_t vocab) {
  return {logits.end() - vocab, logits.end()};
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) {
           return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
         });
}

void check_case(ModelSession& session, const Json& golden, const std::string& backend) {
  SCOPED_TRACE(golden.find("prompt")->as_string());
  const std::vector<std::int32_t> prompt = ids(*golden.find("ids"));
  const Result<std::vector<double>> logits = session.logits(prompt);
  VB_ASSERT_OK(logits);
  const std::int64_t vocab = session.vocab();
  ASSERT_EQ(logits->size(), prompt.size() * static_cast<std::size_t>(vocab));

  const std::vector<double> last = last_row(*logits, vocab);
  EXPECT_LE(max_difference(last, numbers(*golden.find("last_logits"))), kRuncBound);
  if (const Json* all = golden.find("all_logits")) {
    EXPECT_LE(max_difference(*logits, joined_rows(*all)), kRuncBound);
  }
  if (const Json* exact = golden.find("last_logits_f64_torch")) {
    EXPECT_LE(max_difference(last, numbers(*exact)), is_reference(backend) ? kFloat64Bound : kRuncBound);
  }
  const std::vector<std::int32_t> best = ids(*golden.find("argmax_per_position"));
  for (std::size_t t = 0; t < best.size(); ++t)
    EXPECT_EQ(argmax(std::span(*logits).subspan(t * static_cast<std::size_t>(vocab), static_cast<std::size_t>(vocab))),
              best[t]);
  const double nll = negative_log_likelihood(*logits, prompt);
  EXPECT_NEAR(nll, golden.find("prompt_nll_sum")->as_double(), 1e-4);  // one f32 sum per token in run.c
  if (const Json* exact = golden.find("nll_sum_f64_torch")) {
    EXPECT_NEAR(nll, exact->as_double(), is_reference(backend) ? 1e-6 : 1e-4);
  }
}

/// Activations grow to some tens; the bound is relative above 1.
void check_activations(const CollectTap& tap, const Json& golden, std::int64_t head_dim) {
  int checked = 0;
  for (const auto& [name, list] : golden.entries()) {
    SCOPED_TRACE(name);
    const std::optional<RuncSite> at = runc_site(name);
    ASSERT_TRUE(at.has_value());
    const CollectTap::Value* value = tap.find(at->site, at->layer);
    ASSERT_NE(value, nullptr);
    std::vector<double> expected = numbers(list);
    if (at->interleaved) expected = halves_from_pairs(expected, head_dim);
    double largest = 1.0;
    for (const double x : expected) largest = std::max(largest, std::fabs(x));
    EXPECT_LE(max_difference(last_position(*value, at->head), expected), kRuncBound * largest);
    ++checked;
  }
  EXPECT_GT(checked, 40);
}

class Forward : public testing::TestWithParam<Place> {
 protected:
  std::unique_ptr<ModelSession> open(const std::string& relative, int threads = 1) {
    auto session = ModelSession::open(shared_data() / relative, GetParam(), threads);
    EXPECT_TRUE(session.has_value()) << describe(session.error());
    return session ? *std::move(session) : nullptr;
  }
  /// Every case of a run.c golden.
  void check_file(const std::string& model, const std::string& golden_file) {
    const Result<Json> golden = read_golden(golden_file);
    VB_ASSERT_OK(golden);
    const auto session = open(model);
    ASSERT_NE(session, nullptr);
    ASSERT_GE(golden->find("cases")->size(), 6U);
    for (const Json& one : golden->find("cases")->items()) check_case(*session, one, GetParam().backend);
  }
  void check_greedy(const std::string& model, const std::string& golden_file) {
    const Result<Json> golden = read_golden(golden_file);
    VB_ASSERT_OK(golden);
    const auto session = open(model);
    ASSERT_NE(session, nullptr);
    for (const Json& one : golden->find("cases")->items()) {
      SCOPED_TRACE(one.find("prompt")->as_string());
      const std::vector<std::int32_t> expected = ids(*one.find("greedy_ids"));
      const auto made = session->greedy(ids(*one.find("ids")), static_cast<int>(expected.size()));
      VB_ASSERT_OK(made);
      EXPECT_EQ(*made, expected);
    }
  }
  void check_sites(const std::string& model, const std::string& golden_file) {
    const Result<Json> golden = read_golden(golden_file);
    VB_ASSERT_OK(golden);
    const auto session = open(model);
    ASSERT_NE(session, nullptr);
    const Json& one = golden->find("cases")->items().front();
    const CollectTap tap(static_cast<int>(session->model().config.layers));
    VB_ASSERT_OK(session->logits(ids(*one.find("ids")), tap));
    Json activations = *one.find("last_position_activations");
    if (!session->ops().supports(Op::attention_pattern, Direction::forward)) {
      Json kept = Json::object();
      for (const auto& [name, list] : activations.entries())
        if (name.find("attn_prob") == std::string::npos) kept[name] = list;
      activations = kept;
    }
    check_activations(tap, activations, session->model().config.head_dim);
  }
  void check_nll(const std::string& model, const std::string& key) {
    const Result<Json> golden = read_golden("golden/stories_nll.json");
    VB_ASSERT_OK(golden);
    const auto session = open(model);
    ASSERT_NE(session, nullptr);
    double sum = 0, tokens = 0;
    for (const Json& story : golden->find("models")->find(key)->items()) {
      const std::vector<std::int32_t> text = ids(*story.find("ids"));
      const auto logits = session->logits(text);
      VB_ASSERT_OK(logits);
      const double nll = negative_log_likelihood(*logits, text), count = story.find("tokens")->as_double();
      EXPECT_NEAR(nll / count, story.find("nll_sum")->as_double() / count, 1e-5);
      sum += nll;
      tokens += count;
    }
    EXPECT_NEAR(sum / tokens, golden->find("models")->find(key + "_mean_nll")->as_double(), 1e-5);
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, Forward, testing::ValuesIn(places_here()),
                         [](const auto& param) { return param.param.name(); });

TEST_P(Forward, Stories260KMatchesRuncOnAllPrompts) {
  VB_NEED_SHARED(kStories);
  check_file(kStories, kStoriesGolden);
}
TEST_P(Forward, Stories260KGgufMatchesRuncOnAllPrompts) {
  VB_NEED_SHARED(kStoriesGguf);
  check_file(kStoriesGguf, kStoriesGolden);
}
TEST_P(Forward, TinyStories656KMatchesRuncOnAllPrompts) {
  VB_NEED_SHARED(kTinyStories);
  check_file(kTinyStories, kTinyStoriesGolden);
}
TEST_P(Forward, Stories260KActivationsMatchRuncAtTheirSites) {
  VB_NEED_SHARED(kStories);
  check_sites(kStories, kStoriesGolden);
}
TEST_P(Forward, TinyStories656KActivationsMatchRuncAtTheirSites) {
  VB_NEED_SHARED(kTinyStories);
  check_sites(kTinyStories, kTinyStoriesGolden);
}
TEST_P(Forward, Stories260KWritesTheGreedyIdsOfRunc) {
  VB_NEED_SHARED(kStories);
  check_greedy(kStories, kStoriesGolden);
}
TEST_P(Forward, TinyStories656KWritesTheGreedyIdsOfRunc) {
  VB_NEED_SHARED(kTinyStories);
  check_greedy(kTinyStories, kTinyStoriesGolden);
}
TEST_P(Forward, StoryLikelihoodsMatchRunc) {
  VB_NEED_SHARED("golden/stories_nll.json");
  check_nll(kStories, "stories260K");
  check_nll(kTinyStories, "TinyStories-656K");
}

TEST_P(Forward, SafetensorsAndGgufGiveTheSameBits) {
  VB_NEED_SHARED(kStoriesGguf);
  const std::vector<std::int32_t> text = {1, 403, 407, 261, 378, 432, 383, 286, 261, 410};
  for (const auto& [folder, gguf] :
       {std::pair{kStories, kStoriesGguf}, {kTinyStories, "models/gguf/TinyStories-656K-F32.gguf"}}) {
    const auto a = open(folder), b = open(gguf);
    ASSERT_TRUE(a && b);
    const auto from_folder = a->logits(text), from_gguf = b->logits(text);
    VB_ASSERT_OK(from_folder);
    VB_ASSERT_OK(from_gguf);
    EXPECT_TRUE(same_bits(*from_folder, *from_gguf)) << folder;
  }
}

TEST_P(Forward, QuantisedGgufMatchesTheDequantisedPeer) {
  VB_NEED_SHARED("golden/TinyStories-656K_quant.json");
  const Result<Json> golden = read_golden("golden/TinyStories-656K_quant.json");
  VB_ASSERT_OK(golden);
  for (const char* type : {"F16", "Q8_0", "Q5_0", "Q4_1", "Q4_0"}) {
    SCOPED_TRACE(type);
    const auto session = open(std::string("models/gguf/TinyStories-656K-") + type + ".gguf");
    ASSERT_NE(session, nullptr);
    for (const Json& one : golden->find("types")->find(type)->items()) {
      const std::vector<std::int32_t> prompt = ids(*one.find("ids"));
      const Json& peer = *one.find("runc_dequantised");
      const auto logits = session->logits(prompt);
      VB_ASSERT_OK(logits);
      EXPECT_LE(max_difference(last_row(*logits, session->vocab()), numbers(*peer.find("last_logits"))), 1e-4);
      EXPECT_NEAR(negative_log_likelihood(*logits, prompt), peer.find("nll_sum")->as_double(), 1e-4);
      const std::vector<std::int32_t> expected = ids(*peer.find("greedy_ids"));
      const auto made = session->greedy(prompt, static_cast<int>(expected.size()));
      VB_ASSERT_OK(made);
      EXPECT_EQ(*made, expected);
    }
  }
}

}  // namespace
}  // namespace vauban::test
