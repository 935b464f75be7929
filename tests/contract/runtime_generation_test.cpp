// Generation: outside answers of two real models, then stopping, sampling, limits and cancelling on a tiny one.

#include <array>
#include <gtest/gtest.h>

#include "base/result.h"
#include "base/strings.h"
#include "local_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

using test::LocalSession;
using Ids = std::vector<std::int32_t>;

Ids ids_of(const Json& json) {
  Ids ids;
  for (const Json& id : json.items()) ids.push_back(static_cast<std::int32_t>(id.as_int()));
  return ids;
}

TraceRequest ask(Ids prompt, int max_tokens) {
  TraceRequest request;
  request.trace_id = "t";
  request.prompt_ids = std::move(prompt);
  request.sampling.max_tokens = max_tokens;
  return request;
}

class RuntimeGolden : public testing::TestWithParam<test::Place> {};
class RuntimeGeneration : public testing::TestWithParam<test::Place> {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path()));
    session_ = open({});
  }
  std::unique_ptr<LocalSession> open(const LocalOptions& options) {
    auto session = LocalSession::open(folder_.path(), GetParam(), options);
    EXPECT_TRUE(session.has_value()) << (session ? "" : describe(session.error()));
    return session ? *std::move(session) : nullptr;
  }
  Generation generate(const TraceRequest& request) {
    auto out = test::generate_one(session_->runtime(), request);
    EXPECT_TRUE(out.has_value()) << (out ? "" : describe(out.error()));
    return out ? *std::move(out) : Generation{};
  }
  Error refusal(const TraceRequest& request) {
    const Result<Trace> trace = session_->runtime().trace(request);
    EXPECT_FALSE(trace.has_value());
    return trace ? Error{} : trace.error();
  }

  test::TempDir folder_;
  std::unique_ptr<LocalSession> session_;
};
const auto kName = [](const auto& tested) { return tested.param.name(); };
INSTANTIATE_TEST_SUITE_P(Backends, RuntimeGolden, testing::ValuesIn(test::places_here()), kName);
INSTANTIATE_TEST_SUITE_P(Backends, RuntimeGeneration, testing::ValuesIn(test::places_here()), kName);

/// run.c counts positions: a prompt of n tokens (BOS included) and `steps` give steps - (n - 1) new tokens.
TEST_P(RuntimeGolden, Stories260KWritesTheAuthorsTextByteForByte) {
  VB_NEED_SHARED("models/stories260K/hf");
  const Result<Json> golden =
      Json::parse(test::read_text(test::shared_data() / "golden/stories260K_author_expected.json"));
  VB_ASSERT_OK(golden);
  auto session = LocalSession::open(test::shared_data() / "models/stories260K/hf", GetParam());
  VB_ASSERT_OK(session);
  for (const Json& answer : golden->find("cases")->items()) {
    const std::string prompt = answer.find("prompt")->as_string();
    TraceRequest request = ask({1}, 0);
    if (!prompt.empty()) {
      request.prompt_ids.clear();
      request.input_text = prompt;
    }
    const auto ids = (**session)->tokenize(request);
    VB_ASSERT_OK(ids);
    request.sampling.max_tokens =
        static_cast<int>(answer.find("steps")->as_int() - static_cast<std::int64_t>(ids->size()) + 1);
    const auto out = test::generate_one((*session)->runtime(), request);
    VB_ASSERT_OK(out);
    EXPECT_EQ(prompt + out->text, answer.find("expected")->as_string());
    const Result<Trace> trace = (**session)->trace(request);
    VB_ASSERT_OK(trace);
    EXPECT_EQ(trace->find("text")->metadata.find("text")->as_string(), out->text)
        << "a trace writes what generate streams";
  }
}

void expect_run_c(const std::string& model, const std::string& golden_file, const test::Place& place) {
  const Result<Json> golden = Json::parse(test::read_text(test::shared_data() / golden_file));
  VB_ASSERT_OK(golden);
  auto session = LocalSession::open(test::shared_data() / model, place);
  VB_ASSERT_OK(session);
  std::vector<TraceRequest> requests;
  for (const Json& answer : golden->find("cases")->items()) {
    requests.push_back(ask(ids_of(*answer.find("ids")), static_cast<int>(answer.find("greedy_ids")->size())));
    TraceRequest text = ask({}, 0);
    text.input_text = answer.find("prompt")->as_string();
    if (text.input_text.empty()) continue;
    EXPECT_EQ(*(**session)->tokenize(text), requests.back().prompt_ids);
  }
  const auto out = test::generate_all((*session)->runtime(), requests);  // all in one batch
  VB_ASSERT_OK(out);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Json& answer = golden->find("cases")->items()[i];
    EXPECT_EQ((*out)[i].ids, ids_of(*answer.find("greedy_ids"))) << answer.find("prompt")->as_string();
  }
  EXPECT_EQ((*session)->used_pages(), 0);
}

/// Rotary tables that depend on the length: a prompt that comes in chunks rotates from its first row as all of it does, and
/// beside a shorter one each goes by its own length. The answers are transformers'.
TEST_P(RuntimeGolden, PromptsInChunksRotateByTheirWholeLength) {
  VB_NEED_SHARED("tiny_models/phi3_longrope");
  for (const char* model : {"phi3_longrope", "llama_rope_dynamic"}) {
    SCOPED_TRACE(model);
    const std::filesystem::path folder = test::shared_data() / "tiny_models" / model;
    const Result<Json> golden = Json::parse(test::read_text(folder / "golden.json"));
    VB_ASSERT_OK(golden);
    std::vector<TraceRequest> requests;
    for (const char* length : {"long", "short", "medium"}) {
      requests.push_back(ask(ids_of(*golden->find("prompts")->find(length)),
                             static_cast<int>(golden->find("greedy")->find(length)->size())));
      requests.back().sampling.ignore_eos = true;
    }
    LocalOptions options;
    options.engine = {.max_batch = 3, .prefill_chunk = 16};
    auto session = LocalSession::open(folder, GetParam(), options);
    VB_ASSERT_OK(session);
    const auto out = test::generate_all((*session)->runtime(), requests);
    VB_ASSERT_OK(out);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const char* length = std::array{"long", "short", "medium"}[i];
      EXPECT_EQ((*out)[i].ids, ids_of(*golden->find("greedy")->find(length))) << length;
    }
  }
}

TEST_P(RuntimeGolden, Stories260KGreedyIdsAreThoseOfRunC) {
  VB_NEED_SHARED("models/stories260K/hf");
  expect_run_c("models/stories260K/hf", "golden/stories260K_runc.json", GetParam());
}

TEST_P(RuntimeGolden, TinyStories656KGreedyIdsAreThoseOfRunC) {
  VB_NEED_SHARED("models/TinyStories-656K");
  expect_run_c("models/TinyStories-656K", "golden/TinyStories-656K_runc.json", GetParam());
}

const Ids kPrompt{1, 72, 104, 260, 270, 280};

TraceRequest long_request(int max_tokens = 24) {
  TraceRequest request = ask(kPrompt, max_tokens);
  request.sampling.ignore_eos = true;
  return request;
}

TEST_P(RuntimeGeneration, AStopStringIsCutOutWhereverTokensMeet) {
  const Generation whole = generate(long_request());
  ASSERT_GT(whole.text.size(), 12u);
  EXPECT_EQ(whole.finish_reason, "length");
  for (std::size_t at = 1; at + 5 < whole.text.size(); ++at) {
    TraceRequest request = long_request();
    request.sampling.stop = {whole.text.substr(at, 5)};
    if (!is_valid_utf8(request.sampling.stop[0])) continue;
    const Generation cut = generate(request);
    EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(request.sampling.stop[0])));
    EXPECT_EQ(cut.finish_reason, "stop");
    EXPECT_LE(cut.ids.size(), whole.ids.size());
  }
}

TEST_P(RuntimeGeneration, EndTokensEndUnlessIgnored) {
  TraceRequest request = long_request(200);
  request.sampling.temperature = 1.5;
  request.sampling.ignore_eos = false;
  bool seen = false;
  for (std::uint64_t seed = 0; seed < 40 && !seen; ++seed) {
    request.sampling.seed = seed;
    const Generation out = generate(request);
    if (out.finish_reason != "eos") continue;
    seen = true;
    EXPECT_EQ(out.ids.back(), 2);
    EXPECT_EQ(out.text.find("</s>"), std::string::npos);
    request.sampling.ignore_eos = true;
    EXPECT_EQ(generate(request).ids.size(), 200u);
  }
  EXPECT_TRUE(seen) << "no seed met the end token";
}

TEST_P(RuntimeGeneration, SeedsAndSamplesDecideTheDraws) {
  TraceRequest request = long_request();
  request.sampling.temperature = 1.0;
  const Ids first = generate(request).ids;
  EXPECT_EQ(generate(request).ids, first);
  TraceRequest relabelled = request;
  relabelled.trace_id = "another name";
  EXPECT_EQ(generate(relabelled).ids, first) << "the key is the prompt, not the name";
  TraceRequest seed = request, sample = request;
  seed.sampling.seed = 1;
  sample.sampling.sample = 1;
  EXPECT_NE(generate(seed).ids, first);
  EXPECT_NE(generate(sample).ids, first);
}

TEST_P(RuntimeGeneration, TheTraceHoldsTheSamplerRecord) {
  TraceRequest request = long_request(4);
  request.sampling.temperature = 0.7;
  request.sampling.top_k = 5;
  request.sampling.seed = 77;
  const Result<Trace> trace = session_->runtime().trace(request);
  VB_ASSERT_OK(trace);
  const Json& record = trace->find("sampler")->metadata;
  EXPECT_EQ(record.find("seed")->as_int(), 77);
  EXPECT_EQ(record.find("survivors")->size(), 4u);
  EXPECT_EQ(record.find("survivors")->items()[0].as_int(), 5);
  EXPECT_EQ(record.find("order")->items().front().as_string(), "logprobs");
}

TEST_P(RuntimeGeneration, PromptsThatCannotRunAreRefusedWithNumbers) {
  EXPECT_EQ(refusal(ask({}, 4)).code, ErrorCode::invalid_input);
  TraceRequest blank = ask({}, 4);
  blank.input_text = "  ";
  EXPECT_EQ(refusal(blank).code, ErrorCode::invalid_input);

  const Error overflow = refusal(ask(Ids(500, 260), 14));
  EXPECT_EQ(overflow.code, ErrorCode::invalid_input);
  for (const char* number : {"500", "14", "513", "512"})
    EXPECT_NE(overflow.message.find(number), std::string::npos) << overflow.message;
  VB_EXPECT_OK(session_->runtime().trace(ask(Ids(500, 260), 13)));

  TraceRequest chat = ask({}, 4);
  chat.input_text = "hello";
  chat.apply_chat_template = true;
  EXPECT_EQ(refusal(chat).code, ErrorCode::unsupported);
}

TEST_P(RuntimeGeneration, ARequestThatNeedsMorePagesThanExistIsAResourceError) {
  LocalOptions options;
  options.kv_memory_bytes =
      16 * 1024 * (GetParam().backend == "reference" ? 2 : 1);  // 2 layers x 2 heads x 16 x 2 x 16 tokens = 8 KiB f32 a page
  auto small = open(options);
  ASSERT_NE(small, nullptr);
  const Result<Trace> trace = small->runtime().trace(ask(Ids(40, 260), 8));
  ASSERT_FALSE(trace.has_value());
  EXPECT_EQ(trace.error().code, ErrorCode::resource);
  VB_EXPECT_OK(small->runtime().trace(ask(Ids(20, 260), 8)));
  options.kv_memory_bytes = 100;
  const auto none = LocalSession::open(folder_.path(), GetParam(), options);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::resource);
}

TEST_P(RuntimeGeneration, RequestsQueueWhenPagesAreShort) {
  LocalOptions options;
  options.kv_memory_bytes = 16 * 1024 * (GetParam().backend == "reference" ? 2 : 1);
  auto small = open(options);
  ASSERT_NE(small, nullptr);
  const std::vector<TraceRequest> requests(4, long_request(12));
  const auto out = test::generate_all(small->runtime(), requests);
  VB_ASSERT_OK(out);
  for (const Generation& generation : *out) EXPECT_EQ(generation.ids, (*out)[0].ids);
  EXPECT_EQ(generate(requests[0]).ids, (*out)[0].ids);
  EXPECT_EQ(small->used_pages(), 0);
}

TEST_P(RuntimeGeneration, CancellingEndsEveryRequestAndFreesAllPages) {
  const std::vector<TraceRequest> requests(3, long_request(100));
  auto stream = session_->runtime().generate(requests);
  VB_ASSERT_OK(stream);
  for (int i = 0; i < 5; ++i) VB_ASSERT_OK((*stream)->next());
  EXPECT_GT(session_->used_pages(), 0);
  session_->cancel().cancel();
  std::vector<std::string> finishes(3);
  while (true) {
    const auto event = (*stream)->next();
    VB_ASSERT_OK(event);
    if (!*event) break;
    finishes[(*event)->request] = (*event)->finish;
  }
  EXPECT_EQ(finishes, std::vector<std::string>(3, "cancelled"));
  EXPECT_EQ(session_->used_pages(), 0);

  const Result<Trace> trace = session_->runtime().trace(requests[0]);
  ASSERT_FALSE(trace.has_value());
  EXPECT_EQ(trace.error().code, ErrorCode::cancelled);
  auto scoring = session_->runtime().score(kPrompt);
  VB_ASSERT_OK(scoring);
  const auto rows = (*scoring)->next();
  ASSERT_FALSE(rows.has_value());
  EXPECT_EQ(rows.error().code, ErrorCode::cancelled);
  EXPECT_EQ(session_->used_pages(), 0);
}

TEST_P(RuntimeGeneration, WithoutATokenizerThereAreIdsAndTheTextIsMissing) {
  std::filesystem::remove(folder_ / "tokenizer.json");
  auto bare = open({});
  ASSERT_NE(bare, nullptr);
  const Result<Trace> trace = bare->runtime().trace(long_request(5));
  VB_ASSERT_OK(trace);
  const Result<Trace> with_text = session_->runtime().trace(long_request(5));
  VB_ASSERT_OK(with_text);
  EXPECT_EQ(trace->find("generated_tokens")->digest, with_text->find("generated_tokens")->digest);
  EXPECT_EQ(trace->find("text"), nullptr);
  ASSERT_EQ(trace->missing().size(), 1u);
  EXPECT_EQ(trace->missing()[0].kind, ArtifactKind::text);
  EXPECT_TRUE(trace->missing()[0].unsupported);

  TraceRequest text = long_request(5), stop = long_request(5);
  text.prompt_ids.clear();
  text.input_text = "the rain";
  stop.sampling.stop = {"x"};
  for (const TraceRequest& request : {text, stop}) {
    const Result<Trace> refused = bare->runtime().trace(request);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  }
}

TEST_P(RuntimeGeneration, AnAbandonedStreamGivesItsPagesBack) {
  {
    auto stream = session_->runtime().generate(std::vector<TraceRequest>{long_request(50)});
    VB_ASSERT_OK(stream);
    VB_ASSERT_OK((*stream)->next());
    EXPECT_GT(session_->used_pages(), 0);
  }
  EXPECT_EQ(session_->used_pages(), 0);
}

}  // namespace
}  // namespace vauban
