// What must hold for any weights, on every backend, with the tiny model that the tests make themselves.
#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "backends/backends.h"
#include "base/result.h"
#include "golden/golden_case.h"
#include "support/model_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

std::vector<std::int32_t> some_ids(std::size_t count, std::int32_t first = 7) {
  std::vector<std::int32_t> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<std::int32_t>((first + 37 * i + 11 * i * i) % 300));
  return out;
}

bool same_bits(std::span<const double> a, std::span<const double> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  });
}

/// Halves the values of one site on their way on, and keeps what it saw of all others.
class HalvingTap final : public Tap {
 public:
  HalvingTap(Site site, int layer) : site_(site), layer_(layer) { want(site, layer); }

 private:
  Tensor reach(Site site, int layer, Tensor x) const override {
    EXPECT_EQ(site, site_);
    EXPECT_EQ(layer, layer_);
    Tensor edited = make_host_tensor(x.dtype(), x.shape());
    for (std::int64_t i = 0; i < x.shape().elements(); ++i)
      x.dtype() == DType::f64 ? void(edited.as<double>()[i] = x.as<double>()[i] * 0.5)
                              : void(edited.as<float>()[i] = x.as<float>()[i] * 0.5F);
    return edited;
  }
  void reach_sequence(Site, int, std::size_t, const Tensor&) const override {}
  Site site_;
  int layer_;
};

/// The letters of the site table as numbers.
Shape shape_of(std::string_view letters, const ModelConfig& c, std::int64_t rows) {
  if (letters == "(T,D)") return {rows, c.width};
  if (letters == "(T,F)") return {rows, c.mlp_width};
  if (letters == "(T,V)") return {rows, c.vocab_size};
  if (letters == "(T,H,d)") return {rows, c.heads, c.head_dim};
  if (letters == "(T,K,d)") return {rows, c.kv_heads, c.head_dim};
  if (letters == "(H,T,T)") return {c.heads, rows, rows};
  ADD_FAILURE() << "no such shape in the Llama family: " << letters;
  return {};
}

class Invariants : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override { VB_ASSERT_OK(write_tiny_model(folder_.path())); }
  std::unique_ptr<ModelSession> open(int threads = 1) {
    auto session = ModelSession::open(folder_.path(), GetParam(), threads);
    EXPECT_TRUE(session.has_value()) << describe(session.error());
    return session ? *std::move(session) : nullptr;
  }
  /// Bit for bit where the backend promises it, else to within rounding.
  bool same(std::span<const double> a, std::span<const double> b) {
    if (open()->ops().invariant_bits()) return same_bits(a, b);
    return a.size() == b.size() && max_difference({a.begin(), a.end()}, {b.begin(), b.end()}) <= 1e-4;  // of some tens
  }
  TempDir folder_;
};
INSTANTIATE_TEST_SUITE_P(Backends, Invariants, testing::ValuesIn(places_here()),
                         [](const auto& param) { return param.param.name(); });

TEST_P(Invariants, PrefillEqualsSingleStepsInEveryBitThatIsPromised) {
  const auto session = open();
  const std::vector<std::int32_t> text = some_ids(53);
  const auto whole = session->logits(text);
  VB_ASSERT_OK(whole);
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{5}, std::size_t{16}}) {
    SequenceState sequence(session->pages());
    std::vector<double> stepped;
    for (std::size_t at = 0; at < text.size(); at += chunk) {
      const auto part = session->step(sequence, std::span(text).subspan(at, std::min(chunk, text.size() - at)));
      VB_ASSERT_OK(part);
      stepped.insert(stepped.end(), part->begin(), part->end());
    }
    EXPECT_TRUE(same(*whole, stepped)) << "in chunks of " << chunk;
  }
}

TEST_P(Invariants, ThreadsDoNotChangeABit) {
  const auto one = open(1), two = open(2), five = open(5);
  const std::vector<std::int32_t> text = some_ids(70);
  const auto a = one->logits(text), b = two->logits(text), c = five->logits(text);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  VB_ASSERT_OK(c);
  EXPECT_TRUE(same(*a, *b));
  EXPECT_TRUE(same(*a, *c));
}

TEST_P(Invariants, OthersInTheBatchDoNotChangeABit) {
  const auto session = open();
  const std::vector<std::int32_t> first = some_ids(19), second = some_ids(33, 100), third = some_ids(1, 5);
  const auto a = session->logits(first), b = session->logits(second), c = session->logits(third);
  SequenceState s1(session->pages()), s2(session->pages()), s3(session->pages());
  const std::vector<ModelSession::Part> parts = {{&s2, second}, {&s3, third}, {&s1, first}};
  const auto together = session->step_together(parts);
  VB_ASSERT_OK(together);
  std::vector<double> joined = *b;
  joined.insert(joined.end(), c->begin(), c->end());
  joined.insert(joined.end(), a->begin(), a->end());
  EXPECT_TRUE(same(joined, *together));
}

TEST_P(Invariants, ObservationDoesNotChangeABit) {
  const auto session = open();
  const std::vector<std::int32_t> text = some_ids(21);
  const CollectTap tap(static_cast<int>(session->model().config.layers));
  const auto silent = session->logits(text), observed = session->logits(text, tap);
  VB_ASSERT_OK(silent);
  VB_ASSERT_OK(observed);
  EXPECT_TRUE(same_bits(*silent, *observed));
}

TEST_P(Invariants, EverySiteThatIsNotLimitedIsSeenOncePerLayerWithItsShape) {
  const auto session = open();
  const ModelConfig& c = session->model().config;
  const std::int64_t rows = 9;
  const CollectTap tap(static_cast<int>(c.layers));
  VB_ASSERT_OK(session->logits(some_ids(static_cast<std::size_t>(rows)), tap));
  const Capability capability = capability_of(session->model().config, session->ops(), true);
  std::size_t expected = 0;
  for (const Site site : sites_of(session->model().config.decoder)) {
    SCOPED_TRACE(to_string(site));
    for (int layer = 0; layer < (info(site).per_layer ? c.layers : 1); ++layer) {
      const CollectTap::Value* value = tap.find(site, layer);
      if (capability.site(site).level == SupportLevel::unsupported) {
        EXPECT_EQ(value, nullptr);
        continue;
      }
      ASSERT_NE(value, nullptr);
      ++expected;
      EXPECT_EQ(value->shape, shape_of(info(site).shape, c, rows));
    }
  }
  EXPECT_EQ(tap.size(), expected);  // and nothing that the architecture did not declare
}

TEST_P(Invariants, ResidualsAreSumsAndPatternsAreSoftmaxes) {
  const auto session = open();
  const CollectTap tap(2);
  VB_ASSERT_OK(session->logits(some_ids(12), tap));
  const auto sum = [&](Site a, Site b, Site total) {
    const auto &x = tap.find(a, 1)->values, &y = tap.find(b, 1)->values, &z = tap.find(total, 1)->values;
    for (std::size_t i = 0; i < z.size(); ++i) ASSERT_NEAR(x[i] + y[i], z[i], 1e-5);
  };
  sum(Site::resid_pre, Site::attn_out, Site::resid_mid);
  sum(Site::resid_mid, Site::mlp_out, Site::resid_post);
  EXPECT_EQ(tap.find(Site::embed_out, 0)->values, tap.find(Site::resid_pre, 0)->values);
  const CollectTap::Value *pattern = tap.find(Site::attn_pattern, 0), *scores = tap.find(Site::attn_scores, 0);
  if (!pattern || !scores) return;
  for (std::size_t row = 0; row < 4 * 12; ++row) {
    double total = 0, weights = 0;
    for (std::size_t i = 0; i < 12; ++i) total += std::exp(scores->values[row * 12 + i]);
    for (std::size_t i = 0; i < 12; ++i) {
      const double weight = pattern->values[row * 12 + i];
      weights += weight;
      ASSERT_TRUE(i <= row % 12 || weight == 0.0);
      ASSERT_NEAR(weight, std::exp(scores->values[row * 12 + i]) / total, 1e-5);
    }
    ASSERT_NEAR(weights, 1.0, 1e-6);
  }
}

TEST_P(Invariants, AnEditAtAnySiteFlowsOn) {
  const auto session = open();
  const std::vector<std::int32_t> text = some_ids(10);
  const auto plain = session->logits(text);
  VB_ASSERT_OK(plain);
  for (const Site site : sites_of(session->model().config.decoder)) {
    if (site == Site::attn_scores || site == Site::attn_pattern) continue;  // observation only
    for (int layer = 0; layer < (info(site).per_layer ? 2 : 1); ++layer) {
      const auto edited = session->logits(text, HalvingTap(site, layer));
      VB_ASSERT_OK(edited);
      const bool last_residual = site == Site::resid_post && layer == 1;  // only a norm reads it: a factor is lost
      EXPECT_TRUE(last_residual || max_difference(*plain, *edited) > 1e-3) << to_string(site) << " of layer " << layer;
    }
  }
}

TEST_P(Invariants, AnEditBeforeRopeShowsBehindIt) {
  class EditQ final : public Tap {
   public:
    EditQ() {
      want(Site::q, 0);
      want(Site::q_rot, 0);
    }
    mutable std::vector<double> rotated;

   private:
    Tensor reach(Site site, int, Tensor x) const override {
      if (site == Site::q_rot) rotated = to_f64(x);
      return site == Site::q ? make_host_tensor(x.dtype(), x.shape()) : x;  // all zero
    }
    void reach_sequence(Site, int, std::size_t, const Tensor&) const override {}
  };
  const auto session = open();
  const EditQ tap;
  VB_ASSERT_OK(session->logits(some_ids(6), tap));
  ASSERT_FALSE(tap.rotated.empty());
  EXPECT_TRUE(std::all_of(tap.rotated.begin(), tap.rotated.end(), [](double x) { return x == 0.0; }));
}

TEST_P(Invariants, AForkContinuesLikeTheWholeTextAndLeavesItsParentAlone) {
  const auto session = open();
  const std::vector<std::int32_t> prefix = some_ids(21), left = some_ids(7, 50), right = some_ids(9, 90);
  SequenceState parent(session->pages());
  VB_ASSERT_OK(session->step(parent, prefix));
  SequenceState child = parent.fork();
  const auto child_logits = session->step(child, right);
  const auto parent_logits = session->step(parent, left);
  const auto tail_of_whole = [&](const std::vector<std::int32_t>& end) {
    std::vector<std::int32_t> text = prefix;
    text.insert(text.end(), end.begin(), end.end());
    const std::vector<double> all = session->logits(text).value_or(std::vector<double>{});
    return std::vector<double>(all.end() - static_cast<std::ptrdiff_t>(end.size()) * session->vocab(), all.end());
  };
  VB_ASSERT_OK(child_logits);
  VB_ASSERT_OK(parent_logits);
  EXPECT_TRUE(same(*child_logits, tail_of_whole(right)));
  EXPECT_TRUE(same(*parent_logits, tail_of_whole(left)));
}

TEST_P(Invariants, ATrimmedSequenceContinuesAsIfTheRestHadNotBeen) {
  const auto session = open();
  const std::vector<std::int32_t> text = some_ids(40), other = some_ids(12, 3);
  SequenceState sequence(session->pages());
  VB_ASSERT_OK(session->step(sequence, text));
  sequence.trim(18);
  const auto again = session->step(sequence, other);
  VB_ASSERT_OK(again);
  std::vector<std::int32_t> whole(text.begin(), text.begin() + 18);
  whole.insert(whole.end(), other.begin(), other.end());
  const auto expected = session->logits(whole);
  VB_ASSERT_OK(expected);
  EXPECT_TRUE(same(*again, std::span(*expected).last(again->size())));
}

TEST_P(Invariants, ARowWithoutOutputGivesNoLogits) {
  const auto session = open();
  SequenceState sequence(session->pages());
  VB_ASSERT_OK(sequence.reserve(3));
  const Batch batch{.ids = {4, 5, 6},
                    .positions = {0, 1, 2},
                    .sequences = {{.first_row = 0, .rows = 3, .past = 0, .pages = sequence.pages()}},
                    .output_rows = {}};
  session->ops().begin_step();
  const Tensor logits = session->model().network->forward(session->ops(), session->store(), batch, NoTap());
  VB_ASSERT_OK(session->ops().end_step());
  EXPECT_EQ(logits.shape(), (Shape{0, 300}));
}

TEST_P(Invariants, AnIdOutsideTheVocabularyIsAnErrorOfThatStepOnly) {
  const auto session = open();
  for (const std::int32_t bad : {300, -1, 2147483647}) {
    const std::vector<std::int32_t> text = {1, bad};
    const auto refused = session->logits(text);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  }
  VB_EXPECT_OK(session->logits(some_ids(3)));
}

TEST_P(Invariants, TheTinyModelWritesVariedTextThatDependsOnThePrompt) {
  const auto session = open();
  const Tokenizer& tokenizer = *session->model().tokenizer;
  std::set<std::vector<std::int32_t>> texts;
  for (const char* prompt :
       {"the man and the red hen", "a", "what is he", "one two three", "sand", "in the end", "we win", "ten"}) {
    const auto encoded = tokenizer.encode(prompt);
    VB_ASSERT_OK(encoded);
    EXPECT_EQ(encoded->ids.front(), 1);
    const auto made = session->greedy(encoded->ids, 32);
    VB_ASSERT_OK(made);
    EXPECT_GE(std::set<std::int32_t>(made->begin(), made->end()).size(), 6U) << prompt;
    VB_EXPECT_OK(tokenizer.decode(*made));
    texts.insert(*made);
  }
  EXPECT_EQ(texts.size(), 8U);
}

TEST_P(Invariants, APerturbedCopyDiffersAndMoreNoiseDiffersMore) {
  const auto session = open();
  const auto base = session->logits(some_ids(16));
  double last = 0;
  for (const double noise : {0.01, 0.1, 0.5}) {
    const TempDir folder;
    VB_ASSERT_OK(write_tiny_model(folder.path(), {.perturb = noise}));
    const auto other = ModelSession::open(folder.path(), GetParam());
    VB_ASSERT_OK(other);
    EXPECT_NE((*other)->model().identity.digest, session->model().identity.digest);
    const double difference = max_difference(*base, *(*other)->logits(some_ids(16)));
    EXPECT_GT(difference, last);
    last = difference;
  }
}

TEST_P(Invariants, GgufOfTheSameWeightsGivesTheSameBits) {
  TinyModel model = make_tiny_model();
  const TempDir folder;
  const auto check = [&](const char* what) {
    SCOPED_TRACE(what);
    VB_ASSERT_OK(write_tiny_model(folder / "hf", model));
    VB_ASSERT_OK(write_file_atomic(folder / "tiny.gguf", tiny_gguf(model)));
    const auto a = ModelSession::open(folder / "hf", GetParam()),
               b = ModelSession::open(folder / "tiny.gguf", GetParam());
    VB_ASSERT_OK(a);
    VB_ASSERT_OK(b);
    const auto from_hf = (*a)->logits(some_ids(11)), from_gguf = (*b)->logits(some_ids(11));
    VB_ASSERT_OK(from_hf);
    VB_ASSERT_OK(from_gguf);
    EXPECT_TRUE(same_bits(*from_hf, *from_gguf));
  };
  check("untied");
  model.tensors.erase("lm_head.weight");
  model.config["tie_word_embeddings"] = true;
  check("tied");
}

TEST(TinyModelFiles, EqualOptionsGiveEqualBytesAndSeedsDiffer) {
  const TempDir folder;
  VB_ASSERT_OK(write_tiny_model(folder / "a"));
  VB_ASSERT_OK(write_tiny_model(folder / "b"));
  VB_ASSERT_OK(write_tiny_model(folder / "c", {.seed = 2}));
  for (const auto& entry : std::filesystem::directory_iterator(folder / "a"))
    EXPECT_EQ(read_text(entry.path()), read_text(folder / "b" / entry.path().filename())) << entry.path();
  EXPECT_NE(read_text(folder / "a" / "model.safetensors"), read_text(folder / "c" / "model.safetensors"));
}

TEST(TinyModelFiles, PerturbingChangesTwoTensorsOnly) {
  const TinyModel base = make_tiny_model(), changed = make_tiny_model({.perturb = 0.01});
  std::vector<std::string> different;
  for (const auto& [name, tensor] : base.tensors)
    if (tensor.values != changed.tensors.at(name).values) different.push_back(name);
  EXPECT_EQ(different, (std::vector<std::string>{"model.layers.0.self_attn.o_proj.weight",
                                                 "model.layers.1.mlp.down_proj.weight"}));
  const TempDir folder;
  for (const double unfit : {-0.1, std::nan(""), HUGE_VAL})
    EXPECT_FALSE(write_tiny_model(folder / "x", {.perturb = unfit}).has_value());
}

}  // namespace
}  // namespace vauban::test
