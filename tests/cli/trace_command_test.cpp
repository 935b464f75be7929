// `trace`: what was asked for is in the folder and opens, or is listed as missing.
#include <cstring>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "runtime/replay/replay_runtime.h"
#include "trace/trace_json.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> command(std::vector<std::string> more) {
  std::vector<std::string> args{"trace", "base", "--prompt", "Once upon a time", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(TraceCommand, PayloadFilesHoldOneTensorNamedAfterSiteAndLayer) {
  const Workspace work;
  const Outcome done = work.run(command({"--observe", "resid_post:all:payload,q:1:payload@last", "--out", "t"}));
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  const auto tokens = static_cast<std::int64_t>(at(work.run({"tokenize", "base", "--text", "Once upon a time", "--json"}).json(), {"ids"}).size());
  int opened = 0;
  for (const Json& artifact : at(answer, {"artifacts"}).items()) {
    for (const char* key : {"id", "kind", "site", "layer", "shape", "dtype", "digest", "path", "summary"}) EXPECT_NE(artifact.find(key), nullptr) << key;
    if (!at(artifact, {"path"}).is_string()) continue;
    const auto file = open_safetensors(work / "t" / at(artifact, {"path"}).as_string());
    VB_ASSERT_OK(file);
    ASSERT_EQ((*file)->tensors().size(), 1u);
    const TensorEntry& tensor = (*file)->tensors().front();
    EXPECT_EQ(tensor.name, format("{}.{}", at(artifact, {"site"}).as_string(), at(artifact, {"layer"}).as_int()));
    EXPECT_EQ(tensor.view.dtype, DType::f32);
    const bool residual = at(artifact, {"site"}).as_string() == "resid_post";
    EXPECT_EQ(tensor.view.shape.to_string(), residual ? format("[{}, 64]", tokens) : "[1, 4, 16]");
    ++opened;
  }
  EXPECT_EQ(opened, 3);
  EXPECT_EQ(at(answer, {"missing"}).size(), 0u);
}

TEST(TraceCommand, WhatIsComputedOtherwiseThanACheckpointAsksIsInTheTrace) {
  VB_NEED_SHARED("compress/ct_w8a8_dynamic");
  const Workspace work;
  const auto metadata = [&](const char* folder) {
    const Json answer = work.run({"trace", (shared_data() / "compress" / folder).string(), "--ids", "1,2,3", "--out", folder, "--json"}).json();
    return at(read_json(at(answer, {"trace"}).as_string()), {"metadata"});
  };
  const Json quantised = metadata("ct_w8a8_dynamic");
  ASSERT_NE(quantised.find("model_notes"), nullptr);
  EXPECT_NE(at(quantised, {"model_notes"}).items().at(0).as_string().find("activations"), std::string::npos);
  EXPECT_EQ(metadata("base_m1").find("model_notes"), nullptr);
}

TEST(TraceCommand, TheStoredTraceIsReadBackAndAnswersTheSameRequest) {
  const Workspace work;
  const Json answer = work.run(command({"--observe", "resid_post:all:summary,logprobs:top5", "--max-tokens", "5", "--out", "t"})).json();
  const fs::path stored = at(answer, {"trace"}).as_string();
  EXPECT_EQ(stored, fs::canonical(work / "t") / "trace.json");
  const auto trace = trace_from_json(read_json(stored));
  VB_ASSERT_OK(trace);
  EXPECT_EQ(trace->id(), at(answer, {"trace_id"}).as_string());
  EXPECT_EQ(to_json(*trace), read_json(stored));
  EXPECT_EQ(trace->spans().size(), at(answer, {"spans"}).size());
  std::vector<Trace> traces;
  traces.push_back(*trace);
  VB_EXPECT_OK(ReplayRuntime::make(std::move(traces)));
}

TEST(TraceCommand, TheSameCommandGivesTheSameArtifacts) {
  const Workspace work;
  const std::vector<std::string> observe{"--observe", "resid_post:all:payload,logits:payload@last", "--max-tokens", "4", "--out"};
  const auto digests = [&](const char* out, std::vector<std::string> more) {
    std::vector<std::string> args = observe;
    args.emplace_back(out);
    args.insert(args.end(), more.begin(), more.end());
    std::vector<std::string> found;
    const Json answer = work.run(command(args)).json();
    for (const Json& artifact : at(answer, {"artifacts"}).items()) found.push_back(at(artifact, {"digest"}).dump().value_or(""));
    return found;
  };
  const std::vector<std::string> first = digests("a", {});
  EXPECT_GT(first.size(), 4u);
  EXPECT_EQ(digests("b", {"--threads", "1"}), first);
}

TEST(TraceCommand, ObservationDoesNotChangeTheAnswer) {
  const Workspace work;
  const auto text_of = [](const Json& answer) {
    for (const Json& artifact : at(answer, {"artifacts"}).items())
      if (at(artifact, {"id"}).as_string() == "text") return at(artifact, {"metadata", "text"});
    return Json();
  };
  const Json plain = work.run(command({"--max-tokens", "12", "--out", "a"})).json();
  const Json observed = work.run(command({"--max-tokens", "12", "--out", "b", "--observe", "resid_post:all:payload,attn_pattern:0:summary"})).json();
  EXPECT_TRUE(text_of(plain).is_string());
  EXPECT_EQ(text_of(plain), text_of(observed));
  const Json generated = work.run({"generate", "base", "--prompt", "Once upon a time", "--max-tokens", "12", "--json"}).json();
  EXPECT_EQ(text_of(plain), at(generated, {"text"}));
}

TEST(TraceCommand, WhatCannotBeObservedIsListedWithItsReason) {
  const Workspace work;
  const Outcome done = work.run(command({"--observe", "resid_post:7:summary", "--out", "t"}));
  if (done.exit_code == 0) {
    const Json answer = done.json();
    ASSERT_EQ(at(answer, {"missing"}).size(), 1u);
    for (const char* key : {"kind", "site", "reason"}) EXPECT_TRUE(at(at(answer, {"missing"}).items()[0], {key}).is_string()) << key;
    EXPECT_EQ(work.run(command({"--observe", "resid_post:7:summary", "--fail-on-missing", "--out", "t"})).exit_code, 3);
  } else {
    EXPECT_EQ(done.exit_code, 2) << "a layer that the model does not have: refused, or listed";
  }
  const Outcome misspelt = work.run(command({"--observe", "resid_pst:all:summary", "--out", "t"}));
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_NE(misspelt.err.find("resid_post"), std::string::npos) << misspelt.err;
}

TEST(TraceCommand, AnInterventionIsRecordedWithItsMeasuredEffect) {
  const Workspace work;
  std::string values = "1.0";
  for (int i = 1; i < 64; ++i) values += ", 0.0";
  work.write("edit.toml", "[[interventions]]\nname = \"remove\"\nmode = \"subtract\"\nlayers = [1]\ndirection = [" + values + "]\n");
  const Outcome done = work.run(command({"--intervene", "edit.toml", "--observe", "resid_post:1:payload", "--out", "t"}));
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  bool recorded = false;
  for (const Json& artifact : at(answer, {"artifacts"}).items()) {
    recorded |= at(artifact, {"kind"}).as_string() == "intervention_result";
    if (at(artifact, {"site"}).dump() != "\"resid_post\"" || !at(artifact, {"path"}).is_string()) continue;
    const auto file = open_safetensors(work / "t" / at(artifact, {"path"}).as_string());
    VB_ASSERT_OK(file);
    const std::span<const std::byte> bytes = (*file)->tensors().front().view.bytes;
    for (std::size_t row = 0; row < bytes.size() / 256; ++row) {
      float first = 1;
      std::memcpy(&first, bytes.data() + row * 256, 4);
      EXPECT_NEAR(first, 0.0f, 1e-5f) << "the component along the direction is gone, row " << row;
    }
  }
  EXPECT_TRUE(recorded);
}

}  // namespace
}  // namespace vauban::test
