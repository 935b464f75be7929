// Backends against the reference, through the runtime: the same numbers to a stated bound, the same records, and the
// same direction of what is concluded from them.
//
// Bounds: the small model has logits of about +-3 after two layers of width 64 in f32 (reference: f64), so 1e-4 is some
// hundred times the rounding; another model is at least a hundred times further away (TheBoundsCanFail).

#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "base/result.h"
#include "evidence/divergence.h"
#include "local_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

using test::LocalSession;
using Ids = std::vector<std::int32_t>;
constexpr std::size_t kVocabulary = 300;
constexpr double kLogitBound = 1e-4;
constexpr double kNmseBound = 1e-9;

Ids long_prompt() {
  Ids ids{1};
  for (int i = 0; i < 39; ++i) ids.push_back(259 + i * 7 % 41);
  return ids;
}

std::vector<test::Place> others() {
  std::vector<test::Place> places = test::places_here();
  std::erase_if(places, [](const test::Place& place) { return place.backend == "reference"; });
  return places;
}

class BackendsAgree : public testing::TestWithParam<test::Place> {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_ / "base"));
    VB_ASSERT_OK(test::write_tiny_model(folder_ / "changed", {.perturb = 0.5}));
    reference_ = open("base", {"reference", ""});
    tested_ = open("base", GetParam());
    ASSERT_TRUE(reference_ && tested_);
  }
  std::unique_ptr<LocalSession> open(const std::string& model, const test::Place& place) const {
    auto session = LocalSession::open(folder_ / model, place);
    EXPECT_TRUE(session.has_value()) << (session ? "" : describe(session.error()));
    return session ? *std::move(session) : nullptr;
  }
  static std::vector<float> logits(LocalSession& session) {
    std::vector<float> rows;
    auto stream = session->score(long_prompt());
    EXPECT_TRUE(stream.has_value());
    while (stream) {
      const auto next = (*stream)->next();
      if (!next || !*next) break;
      rows.insert(rows.end(), (*next)->values.begin(), (*next)->values.end());
    }
    return rows;
  }

  test::TempDir folder_;
  std::unique_ptr<LocalSession> reference_, tested_;
};
INSTANTIATE_TEST_SUITE_P(Backends, BackendsAgree, testing::ValuesIn(others()),
                         [](const auto& tested) { return tested.param.name(); });

struct Distance {
  double largest = 0, nmse = 0;
};
Distance distance(const std::vector<float>& a, const std::vector<float>& b) {
  Distance out;
  double squares = 0, errors = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = static_cast<double>(a[i]) - b[i];
    out.largest = std::max(out.largest, std::abs(error));
    errors += error * error;
    squares += static_cast<double>(b[i]) * b[i];
  }
  out.nmse = errors / squares;
  return out;
}

TEST_P(BackendsAgree, LogitsAreWithinTheBound) {
  const std::vector<float> expected = logits(*reference_), found = logits(*tested_);
  ASSERT_EQ(expected.size(), long_prompt().size() * kVocabulary);
  ASSERT_EQ(found.size(), expected.size());
  const Distance away = distance(found, expected);
  EXPECT_LE(away.largest, kLogitBound);
  EXPECT_LE(away.nmse, kNmseBound);
}

TEST_P(BackendsAgree, TheBoundsCanFail) {
  const auto changed = open("changed", GetParam());
  ASSERT_TRUE(changed);
  const Distance away = distance(logits(*changed), logits(*reference_));
  EXPECT_GT(away.largest, 100 * kLogitBound);
  EXPECT_GT(away.nmse, 100 * kNmseBound);
}

/// A request that asks for everything at once.
TraceRequest everything() {
  TraceRequest request;
  request.trace_id = "all";
  request.input_text = "the rain and the sand";
  request.sampling.max_tokens = 4;
  request.sampling.ignore_eos = true;
  for (const SiteInfo& site : all_sites()) {
    Want want;
    want.site = site.id;
    if (site.id == Site::tokens || site.id == Site::sampled_id) want.kind = ArtifactKind::tokens;
    if (site.id == Site::logits) want.kind = ArtifactKind::logits;
    if (site.id == Site::logprobs) want.kind = ArtifactKind::logprobs;
    if (site.id == Site::kv_pages) want.kind = ArtifactKind::other;
    request.want.push_back(want);
  }
  for (const ArtifactKind kind : {ArtifactKind::weight_snapshot, ArtifactKind::metric, ArtifactKind::profile}) {
    Want want;
    want.kind = kind;
    request.want.push_back(want);
  }
  for (const PrimitiveMode mode : {PrimitiveMode::project, PrimitiveMode::subtract}) {
    Intervention edit;
    edit.name = to_string(mode);
    edit.layers = {0};
    edit.primitive.mode = mode;
    for (int i = 0; i < 64; ++i) edit.primitive.direction.push_back(std::sin(1.7 * i) + 0.3);
    request.interventions.push_back(edit);
  }
  return request;
}

/// "spans[].profile.duration_s": every key that a document has, whatever its values.
void key_paths(const Json& json, const std::string& at, std::set<std::string>& out) {
  out.insert(at);
  for (const auto& [key, value] : json.entries()) key_paths(value, at + "." + key, out);
  for (const Json& item : json.items()) key_paths(item, at + "[]", out);
}
std::set<std::string> key_paths(const Json& json) {
  std::set<std::string> out;
  key_paths(json, "", out);
  return out;
}

/// The trace without what this backend, by its own capability, cannot show.
Json shared_part(const Trace& trace, const Capability& least) {
  TraceParts parts = trace.parts();
  parts.missing.clear();
  const auto limited = [&](const TraceArtifact& artifact) {
    return artifact.site && least.site(*artifact.site).level != SupportLevel::full;
  };
  std::erase_if(parts.artifacts, limited);
  for (TraceSpan& span : parts.spans)
    for (auto* ids : {&span.input_artifacts, &span.output_artifacts})
      std::erase_if(*ids, [&](const std::string& id) { return limited(*trace.find(id)); });
  const auto made = Trace::make(std::move(parts));
  EXPECT_TRUE(made.has_value()) << (made ? "" : describe(made.error()));
  return made ? to_json(*made) : Json();
}

TEST_P(BackendsAgree, TracesHaveOneStructure) {
  const Result<Trace> expected = (*reference_)->trace(everything()), found = (*tested_)->trace(everything());
  VB_ASSERT_OK(expected);
  VB_ASSERT_OK(found);
  const Capability& least = (*tested_)->capabilities();
  const Json a = shared_part(*expected, least), b = shared_part(*found, least);
  EXPECT_EQ(key_paths(a), key_paths(b));
  EXPECT_EQ(key_paths(report_summary(*expected)), key_paths(report_summary(*found)));
  EXPECT_EQ(expected->coverage(), found->coverage());
  const auto &left = a.find("artifacts")->items(), &right = b.find("artifacts")->items();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i)
    for (const char* key : {"id", "kind", "shape", "site", "layer", "positions", "level", "producer_span_id"}) {
      const Json *x = left[i].find(key), *y = right[i].find(key);
      ASSERT_EQ(x == nullptr, y == nullptr) << key;
      if (x) {
        EXPECT_EQ(*x, *y) << *left[i].find("id")->dump() << " " << key;
      }
    }
}

TEST_P(BackendsAgree, SummariesAreWithinTheBound) {
  const Result<Trace> expected = (*reference_)->trace(everything()), found = (*tested_)->trace(everything());
  VB_ASSERT_OK(expected);
  VB_ASSERT_OK(found);
  int compared = 0;
  for (const TraceArtifact& artifact : found->artifacts()) {
    const TraceArtifact* other = expected->find(artifact.artifact_id);
    ASSERT_NE(other, nullptr) << artifact.artifact_id;
    for (const char* key : {"mean", "std", "min", "max", "rms"}) {
      const Json *x = artifact.summary.find(key), *y = other->summary.find(key);
      if (!x || !y || !x->is_number()) continue;
      EXPECT_NEAR(x->as_double(), y->as_double(), kLogitBound) << artifact.artifact_id << " " << key;
      ++compared;
    }
  }
  EXPECT_GT(compared, 100);
}

struct Comparison {
  std::vector<double> nll_delta, kld;
};
Result<Comparison> compare(const std::vector<float>& base, const std::vector<float>& candidate) {
  Comparison out;
  const Ids ids = long_prompt();
  for (std::size_t row = 0; row + 1 < ids.size(); ++row) {
    const auto at = [&](const std::vector<float>& rows) {
      return std::span(rows).subspan(row * kVocabulary, kVocabulary);
    };
    VB_TRY(const TokenDivergence token, divergence(at(base), at(candidate), ids[row + 1]));
    out.nll_delta.push_back(static_cast<double>(token.nll_candidate) - token.nll_baseline);
    out.kld.push_back(token.kld);
  }
  return out;
}

TEST_P(BackendsAgree, MetricsPointTheSameWay) {
  const auto there = open("changed", {"reference", ""}), here = open("changed", GetParam());
  ASSERT_TRUE(there && here);
  const auto expected = compare(logits(*reference_), logits(*there)), found = compare(logits(*tested_), logits(*here));
  const auto swapped = compare(logits(*here), logits(*tested_));
  VB_ASSERT_OK(expected);
  VB_ASSERT_OK(found);
  VB_ASSERT_OK(swapped);
  int decided = 0;
  for (std::size_t i = 0; i < expected->kld.size(); ++i) {
    EXPECT_NEAR(found->kld[i], expected->kld[i], 1e-4);
    EXPECT_NEAR(found->nll_delta[i], expected->nll_delta[i], 4 * kLogitBound) << "two models, two logits each";
    EXPECT_EQ(swapped->nll_delta[i], -found->nll_delta[i]);
    if (std::abs(expected->nll_delta[i]) <= 4 * kLogitBound) continue;
    EXPECT_EQ(std::signbit(found->nll_delta[i]), std::signbit(expected->nll_delta[i])) << i;
    ++decided;
  }
  EXPECT_GT(decided, 20);
}

}  // namespace
}  // namespace vauban
