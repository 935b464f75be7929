/// FakeRuntime: answers at once from the request, without a model. It puts everything into its traces that a store must
/// know how to withhold: text, ids, values, top-k rows and payloads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/result.h"
#include "base/sha256.h"
#include "vauban/runtime.h"

namespace vauban::test {

class FakeRuntime final : public Runtime {
 public:
  /// Of the request with that prompt id (metadata.prompt_id): answer with this error.
  std::map<std::string, Error> failures;
  /// What every prompt is answered with.
  std::string answer = "the secret answer";
  std::vector<std::int32_t> prompt_ids{70001, 70002, 70003}, output_ids{80001, 80002};

  /// One call of trace_batch.
  struct Call {
    std::vector<TraceRequest> requests;
    PayloadSink* sink = nullptr;
  };
  std::vector<Call> calls;
  std::vector<std::string> tokenized;  ///< trace ids
  std::function<void()> after_batch;

  const Capability& capabilities() const override { return capability_; }
  const ModelIdentity& model() const override { return model_; }
  Numerics numerics() const override { return Numerics::exact; }

  Result<std::vector<std::int32_t>> tokenize(const TraceRequest& request) override {
    tokenized.push_back(request.trace_id);
    return prompt_ids;
  }
  Result<Trace> trace(const TraceRequest& request, PayloadSink* sink) override {
    return std::move(trace_batch({&request, 1}, sink).front());
  }
  std::vector<Result<Trace>> trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink) override {
    calls.push_back({{requests.begin(), requests.end()}, sink});
    std::vector<Result<Trace>> traces;
    for (const TraceRequest& request : requests) traces.push_back(answer_to(request, sink));
    if (after_batch) after_batch();
    return traces;
  }
  Result<std::unique_ptr<StepStream>> generate(std::span<const TraceRequest>) override {
    return unsupported("the fake runtime does not stream");
  }
  Result<std::unique_ptr<ScoreStream>> score(std::span<const std::int32_t>, const ScoreOptions&) override {
    return unsupported("the fake runtime does not score");
  }

 private:
  static TraceArtifact artifact(std::string id, ArtifactKind kind) {
    TraceArtifact out;
    out.digest = sha256_hex(std::string_view(id));
    out.artifact_id = std::move(id);
    out.kind = kind;
    return out;
  }
  TraceArtifact tokens(std::string id, const std::vector<std::int32_t>& ids, Site site) const {
    TraceArtifact out = artifact(std::move(id), ArtifactKind::tokens);
    out.site = site;
    out.metadata =
        Json::object({{"ids", Json(ids)}, {"pieces", Json::array({answer})}, {"text_length_chars", answer.size()}});
    return out;
  }
  Result<TraceArtifact> observed(const Want& want, int layer, PayloadSink* sink) const {
    const std::string_view form = form_word(want.form);
    TraceArtifact out =
        artifact(format("{}.{}.{}.{}", to_string(want.kind), to_string(want.site), layer, form), want.kind);
    out.site = want.site;
    if (info(want.site).per_layer) out.layer = layer;
    out.positions = want.positions.to_string();
    out.summary = Json::object({{"max", 0.123456}});
    if (want.form == Form::top_k) out.summary["rows"] = Json::array({Json::object({{"id", output_ids.front()}})});
    out.metadata = Json::object({{"prompt_ids_sha256", sha256_hex(std::string_view("prompt"))}});
    if (want.form != Form::payload || !sink) return out;
    const std::vector<std::int64_t> shape{static_cast<std::int64_t>(prompt_ids.size())};
    VB_TRY(const StoredPayload stored, sink->put(out.artifact_id, "i32", shape, std::as_bytes(std::span(prompt_ids))));
    out.payload_path = stored.path;
    out.payload_digest = stored.digest;
    return out;
  }
  static std::string_view form_word(Form form) {
    return form == Form::summary ? "summary" : form == Form::payload ? "payload" : "top_k";
  }
  using Artifacts = std::vector<TraceArtifact>;
  Result<Artifacts> artifacts_of(const TraceRequest& request, PayloadSink* sink) const {
    Artifacts out{tokens("tokens", prompt_ids, Site::tokens), tokens("generated_tokens", output_ids, Site::sampled_id),
                  artifact("text", ArtifactKind::text), artifact("token_logprobs", ArtifactKind::logprobs)};
    out[2].metadata = Json::object({{"text", answer}, {"finish_reason", "length"}});
    out[3].metadata = Json::object({{"values", Json::array({-0.25f, -0.5f})}});
    for (const Want& want : request.want)
      for (const int layer : want.layers.empty() ? std::vector<int>{0} : want.layers) {
        VB_TRY(TraceArtifact seen, observed(want, layer, sink));
        out.push_back(std::move(seen));
      }
    return out;
  }
  Result<Trace> answer_to(const TraceRequest& request, PayloadSink* sink) const {
    const auto failure = failures.find(request.metadata.find("prompt_id")->as_string());
    if (failure != failures.end()) return failure->second;
    TraceParts parts;
    parts.trace_id = request.trace_id;
    parts.device = {"cpu", "cpu:0"};
    parts.backend = "fake";
    parts.model = model_;
    parts.metadata = Json::object({{"prompt_ids_sha256", sha256_hex(std::string_view("prompt"))},
                                   {"request_digest", sha256_hex(std::string_view("request"))}});
    VB_TRY(parts.artifacts, artifacts_of(request, sink));
    return Trace::make(std::move(parts));
  }

  Capability capability_;
  ModelIdentity model_{.name = "fake", .path = "/models/fake", .digest = std::string(64, 'a'), .architecture = "fake"};
};

}  // namespace vauban::test
