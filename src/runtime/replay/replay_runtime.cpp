#include "runtime/replay/replay_runtime.h"

#include <deque>

#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "runtime/replay/stored_capability.h"
#include "runtime/request_digest.h"
#include "trace/trace_json.h"

namespace vauban {

namespace {

std::vector<std::int32_t> ids_of(const Trace& trace, std::string_view artifact_id) {
  std::vector<std::int32_t> ids;
  const TraceArtifact* artifact = trace.find(artifact_id);
  const Json* stored = artifact ? artifact->metadata.find("ids") : nullptr;
  if (!stored) return ids;
  for (const Json& id : stored->items()) ids.push_back(static_cast<std::int32_t>(id.as_int()));
  return ids;
}

Result<void> check_same_model(const Trace& first, const Trace& other) {
  const TraceParts &a = first.parts(), &b = other.parts();
  if (a.model.digest != b.model.digest)
    return invalid_input("trace '{}' is of model {}, trace '{}' of model {}: a replay stands for one model", a.trace_id,
                         a.model.digest, b.trace_id, b.model.digest);
  if (a.numerics != b.numerics)
    return invalid_input("trace '{}' has numerics {}, trace '{}' has {}: a replay stands for one runtime", a.trace_id,
                         to_string(a.numerics), b.trace_id, to_string(b.numerics));
  return ok();
}

/// Whether the stored trace answers this very question.
Result<bool> answers(const Trace& trace, const TraceRequest& request) {
  const Json* stored = trace.parts().metadata.find(kRequestDigest);
  if (!stored) return !request.prompt_ids.empty() && ids_of(trace, "tokens") == request.prompt_ids;
  VB_TRY(const std::string asked, request_digest(request));
  return stored->as_string() == asked;
}

std::deque<StepEvent> events_of(const Trace& trace, std::size_t request) {
  std::deque<StepEvent> events;
  const std::vector<std::int32_t> ids = ids_of(trace, "generated_tokens");
  const TraceArtifact* scored = trace.find("token_logprobs");
  const Json* logprobs = scored ? scored->metadata.find("values") : nullptr;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    StepEvent event{.request = request, .token = ids[i], .text = {}, .logprob = {}, .finish = {}};
    if (logprobs && i < logprobs->size())
      event.logprob = TokenLogprob{ids[i], static_cast<float>(logprobs->items()[i].as_double())};
    events.push_back(std::move(event));
  }
  if (events.empty()) events.push_back({.request = request, .token = {}, .text = {}, .logprob = {}, .finish = {}});
  const TraceArtifact* text = trace.find("text");
  events.back().finish = "length";
  if (!text) return events;
  if (const Json* value = text->metadata.find("text")) events.back().text = value->as_string();
  if (const Json* value = text->metadata.find("finish_reason")) events.back().finish = value->as_string();
  return events;
}

class StoredStream final : public StepStream {
 public:
  explicit StoredStream(std::deque<StepEvent> events) : events_(std::move(events)) {}
  Result<std::optional<StepEvent>> next() override {
    if (events_.empty()) return std::optional<StepEvent>();
    std::optional<StepEvent> event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::deque<StepEvent> events_;
};

}  // namespace

Result<std::unique_ptr<ReplayRuntime>> ReplayRuntime::make(std::vector<Trace> traces) {
  if (traces.empty()) return invalid_input("a replay needs at least one stored trace, found none");
  Traces by_id;
  for (Trace& trace : traces) {
    if (!by_id.empty()) VB_CHECK(check_same_model(by_id.begin()->second, trace));
    std::string id = trace.id();
    if (!by_id.emplace(id, std::move(trace)).second)
      return invalid_input("trace id '{}' occurs twice: ids must be unique", id);
  }
  std::vector<const Trace*> all;
  for (const auto& [id, trace] : by_id) all.push_back(&trace);
  Capability capability = stored_capability(all);
  return std::unique_ptr<ReplayRuntime>(new ReplayRuntime(std::move(by_id), std::move(capability)));
}

Result<std::unique_ptr<ReplayRuntime>> ReplayRuntime::open(const std::filesystem::path& path) {
  VB_TRY(const std::string text, read_file(path));
  std::vector<Trace> traces;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    VB_TRY(const Json json, Json::parse(line), "in line {} of {}", number, path.string());
    VB_TRY(Trace trace, trace_from_json(json), "in line {} of {}", number, path.string());
    traces.push_back(std::move(trace));
  }
  return make(std::move(traces));
}

Result<const Trace*> ReplayRuntime::find(const TraceRequest& request) const {
  const auto found = traces_.find(request.trace_id);
  if (found == traces_.end())
    return not_found("no stored trace has the id '{}'; {} are stored", printable(request.trace_id), traces_.size());
  VB_TRY(const bool same, answers(found->second, request));
  if (!same)
    return not_found("stored trace '{}' answers another request: input, sampling or wants differ", request.trace_id);
  return &found->second;
}

Result<std::vector<std::int32_t>> ReplayRuntime::tokenize(const TraceRequest& request) {
  if (!request.prompt_ids.empty()) return request.prompt_ids;
  VB_TRY(const Trace* trace, find(request));
  return ids_of(*trace, "tokens");
}

Result<Trace> ReplayRuntime::trace(const TraceRequest& request, PayloadSink* /*sink*/) {
  VB_TRY(const Trace* found, find(request));
  return *found;
}

std::vector<Result<Trace>> ReplayRuntime::trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink) {
  std::vector<Result<Trace>> traces;
  for (const TraceRequest& request : requests) traces.push_back(trace(request, sink));
  return traces;
}

Result<std::unique_ptr<StepStream>> ReplayRuntime::generate(std::span<const TraceRequest> requests) {
  std::deque<StepEvent> events;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    VB_TRY(const Trace* trace, find(requests[i]), "in request {}", i);
    for (StepEvent& event : events_of(*trace, i)) events.push_back(std::move(event));
  }
  return std::make_unique<StoredStream>(std::move(events));
}

Result<std::unique_ptr<ScoreStream>> ReplayRuntime::score(std::span<const std::int32_t> /*ids*/,
                                                          const ScoreOptions& /*options*/) {
  return unsupported("a replay cannot score ids: stored traces do not hold the logits of every position");
}

}  // namespace vauban
