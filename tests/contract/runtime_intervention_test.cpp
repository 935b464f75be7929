// Interventions: they act in prefill and in decode, their effect is measured, and what did nothing says so.

#include <cmath>
#include <gtest/gtest.h>

#include "base/result.h"
#include "local_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

using test::LocalSession;
using Ids = std::vector<std::int32_t>;
constexpr std::int64_t kWidth = 64;
const Ids kPrompt{1, 72, 104, 260, 270, 280};

std::vector<double> some_direction(int seed = 0) {
  std::vector<double> direction;
  for (int i = 0; i < kWidth; ++i) direction.push_back(std::sin(1.7 * i + seed) + 0.3);
  return direction;
}

Intervention edit(PrimitiveMode mode, double alpha, Site site = Site::resid_post) {
  Intervention out;
  out.name = "steer";
  out.site = site;
  out.layers = {0};
  out.primitive.mode = mode;
  out.primitive.direction = some_direction();
  out.primitive.alpha = alpha;
  return out;
}

Want want_of(Site site, ArtifactKind kind = ArtifactKind::activation, Moment moment = Moment::after) {
  Want want;
  want.site = site;
  want.kind = kind;
  want.moment = moment;
  want.form = Form::payload;
  return want;
}

TraceRequest request_with(std::vector<Intervention> interventions, int max_tokens = 8) {
  TraceRequest request;
  request.trace_id = "t";
  request.prompt_ids = kPrompt;
  request.sampling.max_tokens = max_tokens;
  request.sampling.ignore_eos = true;
  request.interventions = std::move(interventions);
  request.want = {want_of(Site::logits, ArtifactKind::logits)};
  return request;
}

class RuntimeIntervention : public testing::TestWithParam<test::Place> {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path()));
    auto session = LocalSession::open(folder_.path(), GetParam());
    VB_ASSERT_OK(session);
    session_ = *std::move(session);
  }
  Trace trace_of(const TraceRequest& request, PayloadSink* sink = nullptr) {
    Result<Trace> trace = session_->runtime().trace(request, sink);
    if (trace) return *std::move(trace);
    ADD_FAILURE() << describe(trace.error());
    TraceParts none;
    none.trace_id = "failed";
    none.device = {"cpu", "cpu:0"};
    return *Trace::make(std::move(none));
  }
  std::string digest_of(const TraceRequest& request, std::string_view artifact = "logits") {
    const Trace trace = trace_of(request);
    const TraceArtifact* found = trace.find(artifact);
    return found ? found->digest : "absent";
  }

  test::TempDir folder_;
  std::unique_ptr<LocalSession> session_;
};
INSTANTIATE_TEST_SUITE_P(Backends, RuntimeIntervention, testing::ValuesIn(test::places_here()),
                         [](const auto& tested) { return tested.param.name(); });

/// Requests and the primitive name its modes each in a layer that may not see the other: the words are the same.
TEST(PrimitiveWords, OfRequestsAreThoseOfThePrimitive) {
  for (int i = 0; i <= static_cast<int>(PrimitiveMode::offset); ++i) {
    const auto mode = static_cast<PrimitiveMode>(i);
    EXPECT_EQ(mode_word(mode), to_string(mode));
    const auto back = mode_from_word(to_string(mode));
    VB_ASSERT_OK(back);
    EXPECT_EQ(*back, mode);
  }
}

TEST_P(RuntimeIntervention, AlphaZeroGivesTheSameBitsAndIsANoOp) {
  const TraceRequest plain = request_with({});
  for (const PrimitiveMode mode : {PrimitiveMode::subtract, PrimitiveMode::add, PrimitiveMode::offset,
                                   PrimitiveMode::clamp, PrimitiveMode::subspace_remove, PrimitiveMode::subspace_add}) {
    const TraceRequest edited = request_with({edit(mode, 0.0)});
    EXPECT_EQ(digest_of(edited), digest_of(plain)) << to_string(mode);
    const Trace trace = trace_of(edited);
    EXPECT_EQ(trace.find("intervention.0")->metadata.find("effect")->as_string(), "none");
    ASSERT_EQ(trace.missing().size(), 1u);
    EXPECT_NE(trace.missing()[0].reason.find("had no effect"), std::string::npos);
  }
}

/// Teacher-forced logits of the prompt and the answer are those that the edited model had while it answered.
TEST_P(RuntimeIntervention, ScoringSeesTheEditThatAnsweringSaw) {
  for (const bool decode_only : {false, true}) {
    Intervention edited = edit(PrimitiveMode::offset, 8.0);
    if (decode_only) edited.positions.kind = Positions::Kind::decode;
    const TraceRequest request = request_with({edited});
    test::MemorySink sink;
    const Trace trace = trace_of(request, &sink);
    std::vector<std::int32_t> ids = kPrompt;
    for (const Json& id : trace.find("generated_tokens")->metadata.find("ids")->items())
      ids.push_back(static_cast<std::int32_t>(id.as_int()));
    ids.pop_back();  // never fed back
    const auto rows = [&](const ScoreOptions& options) {
      std::vector<float> values;
      const auto stream = session_->runtime().score(ids, options);
      while (stream) {
        const Result<std::optional<LogitRows>> chunk = (*stream)->next();
        if (!chunk || !*chunk) break;
        values.insert(values.end(), (*chunk)->values.begin(), (*chunk)->values.end());
      }
      return values;
    };
    const std::vector<float> scored = rows({.interventions = {edited}, .prompt_rows = std::ssize(kPrompt)});
    ASSERT_EQ(sink.payloads.size(), 1u);
    SCOPED_TRACE(decode_only);
    test::expect_same_floats(scored, sink.payloads[0].values, test::promises_bits(trace));
    EXPECT_NE(scored, rows({})) << decode_only;
  }
}

TEST_P(RuntimeIntervention, ItActsOnThePromptAndOnNewTokens) {
  const TraceRequest plain = request_with({});
  const Trace trace = trace_of(request_with({edit(PrimitiveMode::offset, 8.0)}));
  EXPECT_NE(trace.find("logits")->digest, digest_of(plain));
  EXPECT_NE(trace.find("generated_tokens")->digest, digest_of(plain, "generated_tokens"));
  const Json& record = trace.find("intervention.0")->metadata;
  EXPECT_EQ(record.find("effect")->as_string(), "changed");
  const Json& layer = record.find("layers")->items().front();
  EXPECT_EQ(layer.find("prompt_rows")->as_int(), 6);
  EXPECT_EQ(layer.find("decoded_rows")->as_int(), 7) << "8 new tokens, of which the last is never fed back";
  EXPECT_TRUE(trace.missing().empty());
}

TEST_P(RuntimeIntervention, DecodePositionsLeaveThePromptAsItWas) {
  Intervention late = edit(PrimitiveMode::offset, 8.0);
  late.positions.kind = Positions::Kind::decode;
  TraceRequest prompt_only = request_with({late}), plain = request_with({});
  prompt_only.want[0].positions = plain.want[0].positions = *positions_from("0-5");
  EXPECT_EQ(digest_of(prompt_only), digest_of(plain));
  const Trace trace = trace_of(prompt_only);
  const Json& layer = trace.find("intervention.0")->metadata.find("layers")->items().front();
  EXPECT_EQ(layer.find("prompt_rows")->as_int(), 0);
  EXPECT_EQ(layer.find("decoded_rows")->as_int(), 7);
  EXPECT_NE(trace.find("generated_tokens")->digest, digest_of(plain, "generated_tokens"));
}

TEST_P(RuntimeIntervention, PositionsDecideWhichRowsAreTouched) {
  for (const auto& [text, rows] : {std::pair<std::string, int>{"last", 1}, {"1-3", 3}, {"0,4", 2}, {"all", 6}}) {
    Intervention some = edit(PrimitiveMode::subtract, 1.0);
    some.positions = *positions_from(text);
    const Trace trace = trace_of(request_with({some}, 0));
    EXPECT_EQ(trace.find("intervention.0")->metadata.find("rows_touched")->as_int(), rows) << text;
    EXPECT_EQ(trace.find("intervention.0")->positions, text);
  }
}

TEST_P(RuntimeIntervention, BeforeAndAfterAreBothSeenAndTheComponentIsGone) {
  TraceRequest request = request_with({edit(PrimitiveMode::subtract, 1.0)}, 0);
  request.want = {want_of(Site::resid_post, ArtifactKind::activation, Moment::before), want_of(Site::resid_post)};
  for (Want& want : request.want) want.layers = {0};
  test::MemorySink sink;
  const Trace trace = trace_of(request, &sink);
  ASSERT_EQ(sink.payloads.size(), 2u);
  double norm = 0;
  for (const double d : some_direction()) norm += d * d;
  norm = std::sqrt(norm);
  const auto component = [&](const std::vector<float>& h, std::size_t row) {
    double p = 0;
    for (std::size_t i = 0; i < kWidth; ++i) p += static_cast<double>(h[row * kWidth + i]) * some_direction()[i] / norm;
    return p;
  };
  double largest = 0;
  for (std::size_t row = 0; row < kPrompt.size(); ++row) {
    double length = 0;
    for (std::size_t i = 0; i < kWidth; ++i) length += std::pow(sink.payloads[1].values[row * kWidth + i], 2);
    EXPECT_LE(std::abs(component(sink.payloads[1].values, row)), 1e-5 * std::sqrt(length));  // trace-contract 7.4
    largest = std::max(largest, component(sink.payloads[0].values, row));
  }
  const Json& layer = trace.find("intervention.0")->metadata.find("layers")->items().front();
  EXPECT_NEAR(layer.find("projection_summary_before")->find("max")->as_double(), largest, 1e-5 * std::abs(largest));
  EXPECT_NEAR(layer.find("projection_summary_after")->find("max")->as_double(), 0, 1e-5);
  EXPECT_NEAR(trace.find("intervention.0")->metadata.find("norm_before")->items().front().as_double(), norm, 1e-12);
}

TEST_P(RuntimeIntervention, ADirectionTheActivationLacksIsRecordedAsNoOp) {
  TraceRequest look = request_with({}, 0);
  look.want = {want_of(Site::resid_post)};
  look.want[0].layers = {0};
  look.want[0].positions = *positions_from("last");
  test::MemorySink sink;
  trace_of(look, &sink);
  const std::vector<float>& h = sink.payloads.at(0).values;
  Intervention orthogonal = edit(PrimitiveMode::subtract, 1.0);
  orthogonal.positions = *positions_from("last");
  std::vector<double>& d = orthogonal.primitive.direction;
  double dot = 0, squares = 0;
  for (std::size_t i = 0; i < h.size(); ++i) dot += d[i] * h[i], squares += static_cast<double>(h[i]) * h[i];
  for (std::size_t i = 0; i < h.size(); ++i) d[i] -= dot / squares * h[i];
  const Trace trace = trace_of(request_with({orthogonal}, 0));
  EXPECT_EQ(trace.find("intervention.0")->metadata.find("effect")->as_string(), "none");
  EXPECT_EQ(trace.parts().metadata.find("no_op_interventions")->size(), 1u);
  ASSERT_EQ(trace.missing().size(), 1u);
  EXPECT_EQ(trace.missing()[0].kind, ArtifactKind::intervention_result);
}

TEST_P(RuntimeIntervention, OneThatMeetsNoRowSaysSo) {
  Intervention beyond = edit(PrimitiveMode::offset, 1.0);
  beyond.positions = *positions_from("400");
  const Trace trace = trace_of(request_with({beyond}));
  ASSERT_EQ(trace.missing().size(), 1u);
  EXPECT_NE(trace.missing()[0].reason.find("met no row"), std::string::npos);
}

TEST_P(RuntimeIntervention, ProjectingOnlyLooks) {
  const Trace trace = trace_of(request_with({edit(PrimitiveMode::project, 1.0)}));
  EXPECT_EQ(trace.find("logits")->digest, digest_of(request_with({})));
  EXPECT_EQ(trace.find("intervention.0")->metadata.find("effect")->as_string(), "observed");
  EXPECT_TRUE(trace.missing().empty());
}

TEST_P(RuntimeIntervention, TheyRunInListOrder) {
  const Intervention remove = edit(PrimitiveMode::subtract, 1.0), push = edit(PrimitiveMode::offset, 4.0);
  EXPECT_NE(digest_of(request_with({remove, push}, 0)), digest_of(request_with({push, remove}, 0)));
}

TEST_P(RuntimeIntervention, AnotherRequestOfTheBatchIsNotTouched) {
  const TraceRequest plain = request_with({});
  TraceRequest edited = request_with({edit(PrimitiveMode::offset, 8.0)});
  edited.trace_id = "edited";
  const std::vector<TraceRequest> both{edited, plain, edited};
  const auto traces = session_->runtime().trace_batch(both);
  for (const auto& trace : traces) VB_ASSERT_OK(trace);
  test::expect_same_values(*traces[1], trace_of(plain));
  test::expect_same_values(*traces[0], trace_of(edited));
  EXPECT_NE(traces[0]->find("logits")->digest, traces[1]->find("logits")->digest);
  if (!test::promises_bits(*traces[0])) return;
  EXPECT_EQ(traces[2]->find("logits")->digest, traces[0]->find("logits")->digest);
}

TEST_P(RuntimeIntervention, EveryEditableSiteChangesTheLogits) {
  const std::string plain = digest_of(request_with({}, 0));
  const std::pair<Site, std::size_t> sites[] = {
      {Site::embed_out, 64}, {Site::resid_pre, 64},    {Site::attn_norm_out, 64}, {Site::q, 64},   {Site::k, 32},
      {Site::v, 32},         {Site::q_rot, 64},        {Site::k_rot, 32},         {Site::z, 64},   {Site::attn_out, 64},
      {Site::resid_mid, 64}, {Site::mlp_norm_out, 64}, {Site::gate, 128},         {Site::up, 128}, {Site::act, 128},
      {Site::mlp_out, 64},   {Site::resid_post, 64},   {Site::final_norm_out, 64}};
  for (const auto& [site, width] : sites) {
    Intervention push = edit(PrimitiveMode::add, 3.0, site);
    if (!info(site).per_layer) push.layers.clear();
    push.primitive.direction.resize(width, 0.4);
    EXPECT_NE(digest_of(request_with({push}, 0)), plain) << to_string(site);
  }
}

TEST_P(RuntimeIntervention, WhatCannotBeEditedIsRefusedByName) {
  for (const Site site : {Site::tokens, Site::attn_scores, Site::attn_pattern, Site::logits, Site::logprobs,
                          Site::sampled_id, Site::kv_pages, Site::router_logits}) {
    Intervention bad = edit(PrimitiveMode::offset, 1.0, site);
    bad.layers.clear();
    const Result<Trace> trace = session_->runtime().trace(request_with({bad}));
    ASSERT_FALSE(trace.has_value()) << to_string(site);
    EXPECT_EQ(trace.error().code, ErrorCode::unsupported);
    EXPECT_NE(trace.error().message.find("'" + std::string(to_string(site)) + "'"), std::string::npos)
        << trace.error().message;
  }
}

TEST_P(RuntimeIntervention, WrongLayersAndVectorsAreRefused) {
  Intervention layer = edit(PrimitiveMode::offset, 1.0), width = layer, zero = edit(PrimitiveMode::subtract, 1.0);
  layer.layers = {2};
  width.primitive.direction.pop_back();
  zero.primitive.direction.assign(kWidth, 0.0);
  for (const Intervention& bad : {layer, width, zero}) {
    const Result<Trace> trace = session_->runtime().trace(request_with({bad}));
    ASSERT_FALSE(trace.has_value());
    EXPECT_EQ(trace.error().code, ErrorCode::invalid_input);
  }
}

TEST_P(RuntimeIntervention, GenerateEditsAsTraceDoes) {
  const TraceRequest edited = request_with({edit(PrimitiveMode::offset, 8.0)});
  const auto streamed = test::generate_one(session_->runtime(), edited);
  VB_ASSERT_OK(streamed);
  const Trace trace = trace_of(edited);
  EXPECT_EQ(Json(streamed->ids), *trace.find("generated_tokens")->metadata.find("ids"));
}

TEST_P(RuntimeIntervention, AConditionalCountsItsOpenGates) {
  Intervention gated = edit(PrimitiveMode::conditional, 1.0);
  gated.primitive.inner = PrimitiveMode::subtract;
  gated.primitive.gate = some_direction(3);
  for (const double tau : {-1e9, 1e9}) {
    gated.primitive.tau = tau;
    const Trace trace = trace_of(request_with({gated}, 0));
    EXPECT_EQ(trace.find("intervention.0")->metadata.find("gate_open_count")->as_int(), tau < 0 ? 6 : 0);
  }
}

}  // namespace
}  // namespace vauban
