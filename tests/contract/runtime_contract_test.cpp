// What every runtime owes, shown on the local runtime over each backend with a small seeded model.

#include <cstring>
#include <gtest/gtest.h>
#include <set>

#include "base/result.h"
#include "local_session.h"
#include "runtime/replay/replay_runtime.h"
#include "runtime/runtimes.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "trace/wants.h"

namespace vauban {
namespace {

using test::LocalSession;
using Ids = std::vector<std::int32_t>;

TraceRequest request_of(std::string id, Ids prompt, int max_tokens = 0) {
  TraceRequest request;
  request.trace_id = std::move(id);
  request.prompt_ids = std::move(prompt);
  request.sampling.max_tokens = max_tokens;
  return request;
}

/// Every site of the table, as a summary (attention maps, logits and logprobs too).
std::vector<Want> every_site() {
  std::vector<Want> wants;
  for (const SiteInfo& site : all_sites()) {
    Want want;
    want.site = site.id;
    want.kind = ArtifactKind::activation;
    if (site.id == Site::tokens || site.id == Site::sampled_id) want.kind = ArtifactKind::tokens;
    if (site.id == Site::logits) want.kind = ArtifactKind::logits;
    if (site.id == Site::logprobs) want.kind = ArtifactKind::logprobs;
    if (site.id == Site::kv_pages) want.kind = ArtifactKind::other;
    wants.push_back(want);
  }
  return wants;
}

Want want_of(Site site, Form form = Form::summary) {
  Want want;
  want.site = site;
  want.form = form;
  if (site == Site::logits) want.kind = ArtifactKind::logits;
  if (site == Site::logprobs) want.kind = ArtifactKind::logprobs;
  return want;
}

Intervention looking_at_layer_0() {
  Intervention out;
  out.name = "look";
  out.layers = {0};
  out.primitive.direction.assign(64, 1.0);
  return out;
}

Positions positions(std::string_view text) { return *positions_from(text); }

class RuntimeContract : public testing::TestWithParam<test::Place> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempDir();
    const Result<void> made = test::write_tiny_model(folder_->path());
    ASSERT_TRUE(made.has_value()) << describe(made.error());
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  std::unique_ptr<LocalSession> open(const LocalOptions& options = {}, int threads = 1) {
    auto session = LocalSession::open(folder_->path(), GetParam(), options, threads);
    EXPECT_TRUE(session.has_value()) << (session ? "" : describe(session.error()));
    return session ? *std::move(session) : nullptr;
  }

  static test::TempDir* folder_;
};
test::TempDir* RuntimeContract::folder_ = nullptr;

INSTANTIATE_TEST_SUITE_P(Backends, RuntimeContract, testing::ValuesIn(test::places_here()),
                         [](const auto& tested) { return tested.param.name(); });

const Ids kPrompt{1, 72, 104, 260, 270, 280};

TEST_P(RuntimeContract, EverySiteIsEmittedOrMissingWithAReason) {
  auto session = open();
  TraceRequest request = request_of("sites", kPrompt, 3);
  request.want = every_site();
  const Result<Trace> trace = (*session)->trace(request);
  VB_ASSERT_OK(trace);
  for (const Want& want : request.want) {
    const Support support = (*session)->capabilities().site(want.site);
    for (const std::optional<int> layer : layers_of(want, 2)) {
      const auto matches = [&](const auto& entry) {
        return entry.site == want.site && (!layer || entry.layer == layer);
      };
      const bool emitted = std::any_of(trace->artifacts().begin(), trace->artifacts().end(), matches);
      const auto missing = std::find_if(trace->missing().begin(), trace->missing().end(), matches);
      EXPECT_EQ(emitted, support.level != SupportLevel::unsupported) << to_string(want.site);
      EXPECT_EQ(emitted, missing == trace->missing().end()) << to_string(want.site);
      EXPECT_TRUE(missing == trace->missing().end() || !missing->reason.empty());
    }
  }
}

TEST_P(RuntimeContract, OnlyAttentionMapsAndRoutersMayBeMissing) {
  auto session = open();
  const std::set<Site> routers{Site::router_logits, Site::router_topk, Site::router_weights};
  for (const auto& [site, support] : (*session)->capabilities().site_limits) {
    const bool map = site == Site::attn_scores || site == Site::attn_pattern;
    EXPECT_TRUE(routers.contains(site) || (map && GetParam().backend != "reference")) << to_string(site);
  }
}

TEST_P(RuntimeContract, SpansCarryTheirOwnCost) {
  auto session = open();
  TraceRequest request = request_of("spans", {}, 4);
  request.input_text = "the rain and the sand";
  request.want = {want_of(Site::resid_post)};
  const Result<Trace> trace = (*session)->trace(request);
  VB_ASSERT_OK(trace);
  std::vector<std::string> names;
  for (const TraceSpan& span : trace->spans()) {
    names.push_back(span.name);
    ASSERT_TRUE(span.profile.has_value());
    EXPECT_GE(span.profile->duration_s, 0);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"load", "tokenize", "batch", "prefill", "observe", "decode", "score", "emit"}));
  const auto& prefill = trace->spans()[3];
  EXPECT_EQ(prefill.profile->token_count, static_cast<std::int64_t>((*session)->tokenize(request)->size()));
  EXPECT_FALSE(prefill.profile->kernel_path.empty());
  const std::size_t made = trace->find("generated_tokens")->metadata.find("ids")->size();
  EXPECT_EQ(trace->spans()[5].profile->token_count.value_or(0), static_cast<std::int64_t>(made) - 1)
      << "the last new token is never fed back";
  const Result<Trace> again = (*session)->trace(request);
  EXPECT_EQ(again->spans().front().name, "tokenize") << "loading is told once";
}

TEST_P(RuntimeContract, ObservationNeverChangesAnything) {
  auto session = open();
  TraceRequest plain = request_of("t", kPrompt, 12);
  plain.want = {want_of(Site::logits)};
  TraceRequest watched = plain;
  watched.want = every_site();
  const Result<Trace> a = (*session)->trace(plain), b = (*session)->trace(watched);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(a->find("logits")->digest, b->find("logits")->digest);
  EXPECT_EQ(a->find("generated_tokens")->digest, b->find("generated_tokens")->digest);
  EXPECT_EQ(a->find("token_logprobs")->digest, b->find("token_logprobs")->digest);
}

std::vector<TraceRequest> five_requests() {
  std::vector<TraceRequest> requests;
  for (int i = 0; i < 5; ++i) {
    Ids prompt{1};
    for (int j = 0; j < 3 + 7 * i; ++j) prompt.push_back(259 + (i * 11 + j * 5) % 41);
    TraceRequest request = request_of("r" + std::to_string(i), prompt, 3 + 4 * i);
    request.sampling.temperature = i % 2;
    request.sampling.seed = 11;
    request.want = every_site();
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST_P(RuntimeContract, ABatchGivesWhatEachRequestGivesAlone) {
  LocalOptions small;
  small.engine = {.max_batch = 3, .prefill_chunk = 7};  // chunked, mixed with decoding, and queued
  auto together = open(small);
  auto alone = open();
  const std::vector<TraceRequest> requests = five_requests();
  const auto batch = (*together)->trace_batch(requests);
  ASSERT_EQ(batch.size(), requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    VB_ASSERT_OK(batch[i]);
    const Result<Trace> single = (*alone)->trace(requests[i]);
    VB_ASSERT_OK(single);
    SCOPED_TRACE(requests[i].trace_id);
    test::expect_same_values(*batch[i], *single);
  }
  EXPECT_EQ(together->used_pages(), 0);
}

TEST_P(RuntimeContract, ThreadCountsGiveEqualBits) {
  auto one = open({}, 1), two = open({}, 2);
  for (const TraceRequest& request : five_requests()) {
    const Result<Trace> a = (*one)->trace(request), b = (*two)->trace(request);
    VB_ASSERT_OK(a);
    VB_ASSERT_OK(b);
    test::expect_same_values(*a, *b);
  }
}

TEST_P(RuntimeContract, OneBadRequestDoesNotTouchTheOthers) {
  auto session = open();
  const std::vector<TraceRequest> requests{request_of("good", kPrompt, 2), request_of("bad", {1, 99999}, 2),
                                           request_of("", kPrompt)};
  const auto traces = (*session)->trace_batch(requests);
  VB_EXPECT_OK(traces[0]);
  ASSERT_FALSE(traces[1].has_value());
  EXPECT_NE(traces[1].error().message.find("99999"), std::string::npos);
  EXPECT_FALSE(traces[2].has_value()) << "a blank trace id";
}

TEST_P(RuntimeContract, LogprobsAreTheLogSoftmaxOfTheLogits) {
  auto session = open();
  TraceRequest request = request_of("lp", kPrompt, 3);
  request.want = {want_of(Site::logits, Form::payload), want_of(Site::logprobs, Form::payload)};
  test::MemorySink sink;
  const Result<Trace> trace = (*session)->trace(request, &sink);
  VB_ASSERT_OK(trace);
  ASSERT_EQ(sink.payloads.size(), 2u);
  const auto &logits = sink.payloads[0].values, &logprobs = sink.payloads[1].values;
  ASSERT_EQ(sink.payloads[0].shape, (std::vector<std::int64_t>{static_cast<std::int64_t>(kPrompt.size()) + 2, 300}));
  std::vector<float> expected(300);
  for (std::size_t row = 0; row < logits.size() / 300; ++row) {
    log_softmax(std::span(logits).subspan(row * 300, 300), expected);
    EXPECT_EQ(std::memcmp(expected.data(), logprobs.data() + row * 300, 1200), 0) << "row " << row;
  }
  const Json& ids = *trace->find("generated_tokens")->metadata.find("ids");
  const Json& chosen = *trace->find("token_logprobs")->metadata.find("values");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::size_t row = kPrompt.size() - 1 + i;
    EXPECT_EQ(static_cast<float>(chosen.items()[i].as_double()),
              logprobs[row * 300 + static_cast<std::size_t>(ids.items()[i].as_int())]);
  }
}

TEST_P(RuntimeContract, ScoreRowsAreTheLogitsOfTheTraceInEveryChunking) {
  auto session = open();
  Ids ids{1};
  for (int i = 0; i < 40; ++i) ids.push_back(259 + i * 7 % 41);
  TraceRequest request = request_of("score", ids);
  request.want = {want_of(Site::logits, Form::payload)};
  test::MemorySink sink;
  const Result<Trace> trace = (*session)->trace(request, &sink);
  VB_ASSERT_OK(trace);
  for (const std::int64_t chunk : {1, 7, 64}) {
    auto stream = (*session)->score(ids, {.chunk_rows = chunk});
    VB_ASSERT_OK(stream);
    std::vector<float> rows;
    while (true) {
      const auto next = (*stream)->next();
      VB_ASSERT_OK(next);
      if (!*next) break;
      EXPECT_LE((*next)->rows, chunk);
      EXPECT_EQ((*next)->first_position * 300, static_cast<std::int64_t>(rows.size()));
      rows.insert(rows.end(), (*next)->values.begin(), (*next)->values.end());
    }
    ASSERT_EQ(rows.size(), sink.payloads[0].values.size());
    SCOPED_TRACE(chunk);
    test::expect_same_floats(rows, sink.payloads[0].values, test::promises_bits(*trace));
  }
  EXPECT_EQ(session->used_pages(), 0);
}

TEST_P(RuntimeContract, LastMeansTheLastPromptRowHoweverLongTheAnswerGets) {
  auto session = open();
  TraceRequest request = request_of("last", kPrompt, 6);
  request.want = {want_of(Site::resid_post), want_of(Site::resid_post)};
  request.want[0].positions = positions("last");
  TraceRequest silent = request;
  silent.sampling.max_tokens = 0;
  const Result<Trace> a = (*session)->trace(request), b = (*session)->trace(silent);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  const TraceArtifact* artifact = a->find("activation.resid_post.layer_1");
  ASSERT_NE(artifact, nullptr);
  EXPECT_EQ(artifact->positions, "last");
  EXPECT_EQ(artifact->level, SupportLevel::full);
  EXPECT_EQ(artifact->shape, (std::vector<std::int64_t>{1, 64}));
  EXPECT_EQ(artifact->digest, b->find("activation.resid_post.layer_1")->digest);
}

TEST_P(RuntimeContract, LeftOutStagesAreSaidAndNotSilent) {
  auto session = open();
  TraceRequest request = request_of("out", kPrompt, 4);
  request.want = {want_of(Site::resid_post, Form::payload), want_of(Site::logprobs)};
  request.leave_out = {"decode", "score"};
  test::MemorySink sink;
  const Result<Trace> trace = (*session)->trace(request, &sink);
  VB_ASSERT_OK(trace);
  EXPECT_EQ(trace->find("text"), nullptr);
  EXPECT_EQ(trace->find("logprobs"), nullptr);
  EXPECT_NE(trace->find("activation.resid_post.layer_0"), nullptr);
  EXPECT_EQ(trace->parts().metadata.find("left_out_stages")->size(), 2u);
  std::set<ArtifactKind> missing;
  for (const Missing& entry : trace->missing()) missing.insert(entry.kind);
  EXPECT_EQ(missing, (std::set{ArtifactKind::text, ArtifactKind::logprobs}));

  request.leave_out = {"observe", "emit"};
  const Result<Trace> other = (*session)->trace(request, &sink);
  VB_ASSERT_OK(other);
  EXPECT_NE(other->find("text"), nullptr);
  EXPECT_EQ(other->find("activation.resid_post.layer_0"), nullptr);
  EXPECT_EQ(sink.payloads.size(), 2u) << "nothing was stored by the second run";
}

TEST_P(RuntimeContract, WantsOfOtherKindsAreAnsweredToo) {
  auto session = open();
  TraceRequest request = request_of("kinds", kPrompt, 2);
  for (const ArtifactKind kind : {ArtifactKind::text, ArtifactKind::tokens, ArtifactKind::intervention_result,
                                  ArtifactKind::weight_snapshot, ArtifactKind::metric, ArtifactKind::profile}) {
    Want want;
    want.kind = kind;
    request.want.push_back(want);
  }
  const Result<Trace> trace = (*session)->trace(request);
  VB_ASSERT_OK(trace);
  for (const Want& want : request.want) {
    const bool missing = std::any_of(trace->missing().begin(), trace->missing().end(),
                                     [&](const Missing& m) { return m.kind == want.kind; });
    EXPECT_NE(missing, !trace->artifacts_by_kind(want.kind).empty()) << to_string(want.kind);
  }
  EXPECT_NE(trace->find("weight_snapshot"), nullptr);
  EXPECT_NE(trace->find("profile"), nullptr);
}

/// Declared full or partial: emitted. Declared unsupported: missing, as unsupported. What is made above the runtime: one or
/// the other.
TEST_P(RuntimeContract, EveryKindDeclaredFullIsEmitted) {
  auto session = open();
  for (int number = 0; number < kArtifactKindCount; ++number) {
    const auto kind = static_cast<ArtifactKind>(number);
    SCOPED_TRACE(to_string(kind));
    TraceRequest request = request_of("kind", kPrompt, 2);
    request.interventions = {looking_at_layer_0()};
    Want want;
    want.kind = kind;
    if (kind == ArtifactKind::logits) want.site = Site::logits;
    if (kind == ArtifactKind::logprobs) want.site = Site::logprobs;
    if (kind == ArtifactKind::tokens) want.site = Site::tokens;
    if (kind == ArtifactKind::other) want.site = Site::kv_pages;
    request.want = {want};
    const Result<Trace> trace = (*session)->trace(request);
    VB_ASSERT_OK(trace);
    const bool emitted = !trace->artifacts_by_kind(kind).empty();
    const auto missing = std::find_if(trace->missing().begin(), trace->missing().end(),
                                      [&](const Missing& entry) { return entry.kind == kind; });
    const bool is_missing = missing != trace->missing().end();
    const SupportLevel level = (*session)->capabilities().artifact(kind).level;
    if (level == SupportLevel::unsupported) {
      EXPECT_TRUE(!emitted && is_missing && missing->unsupported);
    } else if (kind != ArtifactKind::report_evidence) {
      EXPECT_TRUE(emitted) << "declared " << to_string(level);
    }
    EXPECT_NE(emitted, is_missing);
    EXPECT_TRUE(!is_missing || !missing->reason.empty());
  }
}

TEST_P(RuntimeContract, KvPagesNameThePagesThatHoldTheSequence) {
  auto session = open();
  TraceRequest request = request_of("pages", kPrompt, 4);
  Want pages = want_of(Site::kv_pages);
  pages.kind = ArtifactKind::other;
  request.want = {pages};
  const Result<Trace> trace = (*session)->trace(request);
  VB_ASSERT_OK(trace);
  const TraceArtifact* found = trace->find("kv_pages");
  ASSERT_NE(found, nullptr);
  std::set<std::int64_t> distinct;
  for (const Json& page : found->metadata.find("pages")->items()) distinct.insert(page.as_int());
  const std::int64_t tokens = found->metadata.find("page_tokens")->as_int();
  const std::int64_t positions = std::ssize(kPrompt) + 3;  // the last token is not run
  EXPECT_GE(std::ssize(distinct), (positions + tokens - 1) / tokens);
  EXPECT_EQ(distinct.size(), found->metadata.find("pages")->size()) << "a page was named twice";
}

TEST_P(RuntimeContract, AReplayAnswersWithTheIdenticalTrace) {
  auto session = open();
  std::vector<TraceRequest> requests = five_requests();
  std::string lines;
  for (const TraceRequest& request : requests) lines += *to_json(*(*session)->trace(request)).dump() + "\n";
  test::TempDir folder;
  std::ofstream(folder / "traces.jsonl") << lines;
  const auto replay = ReplayRuntime::open(folder / "traces.jsonl");
  VB_ASSERT_OK(replay);
  std::string answered;
  for (const TraceRequest& request : requests) {
    const Result<Trace> trace = (*replay)->trace(request, nullptr);
    VB_ASSERT_OK(trace);
    answered += *to_json(*trace).dump() + "\n";
    const auto streamed = test::generate_one(**replay, request),
               original = test::generate_one(session->runtime(), request);
    VB_ASSERT_OK(streamed);
    VB_ASSERT_OK(original);
    EXPECT_EQ(streamed->ids, original->ids);
    EXPECT_EQ(streamed->text, original->text);
    test::expect_same_floats(streamed->logprobs, original->logprobs, test::promises_bits(*trace));
    EXPECT_EQ(streamed->finish_reason, original->finish_reason);
    EXPECT_EQ(*(*replay)->tokenize(request), request.prompt_ids);
  }
  EXPECT_EQ(answered, lines);
  EXPECT_EQ((*replay)->capabilities().activations.level, SupportLevel::full);
  EXPECT_EQ((*replay)->capabilities().interventions.level, SupportLevel::unsupported);
  EXPECT_EQ((*replay)->score(requests[0].prompt_ids).error().code, ErrorCode::unsupported);
}

TEST_P(RuntimeContract, AReplayKnowsOnlyWhatWasAsked) {
  auto session = open();
  const TraceRequest request = request_of("known", kPrompt, 3);
  const auto replay = ReplayRuntime::make({*(*session)->trace(request)});
  VB_ASSERT_OK(replay);
  TraceRequest other_id = request, other_seed = request, other_prompt = request, other_want = request;
  other_id.trace_id = "unknown";
  other_seed.sampling.seed = 9;
  other_prompt.prompt_ids.push_back(5);
  other_want.want = {want_of(Site::logits)};
  for (const TraceRequest& asked : {other_id, other_seed, other_prompt, other_want}) {
    const Result<Trace> trace = (*replay)->trace(asked, nullptr);
    ASSERT_FALSE(trace.has_value());
    EXPECT_EQ(trace.error().code, ErrorCode::not_found);
  }
  TraceRequest relabelled = request;
  relabelled.metadata = Json::object({{"note", "metadata is not part of the question"}});
  VB_EXPECT_OK((*replay)->trace(relabelled, nullptr));
  EXPECT_FALSE(ReplayRuntime::make({}).has_value());
}

TEST(Runtimes, TheListNamesEachOnce) {
  std::set<std::string_view> ids;
  for (const RuntimeEntry& entry : all_runtimes()) {
    EXPECT_TRUE(ids.insert(entry.id).second);
    EXPECT_FALSE(entry.summary.empty());
  }
  EXPECT_TRUE(ids.contains("local") && ids.contains("replay"));
}

}  // namespace
}  // namespace vauban
