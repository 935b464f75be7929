#include <algorithm>

#include "base/sha256.h"
#include "runtime/local/sampler.h"
#include "runtime/replay/replay_runtime.h"
#include "surface/rows/rows.h"
#include "trace/capability.h"
#include "trace/trace_json.h"

namespace vauban::test {
namespace {

constexpr std::string_view kText = "the rain and the sand";

Measured measured(bool emitted, const Faults& faults) { return {emitted, faults.count(), faults.note()}; }

}  // namespace

Result<Measured> loads_with_capabilities(SurfaceBench& bench) {
  VB_TRY(const auto session, bench.open_here(bench.model()));
  const Capability& capability = session->runtime().capabilities();
  const ModelIdentity& model = session->runtime().model();
  Faults faults;
  faults.expect(validate(capability).has_value(), "the capability does not validate");
  faults.expect(capability.name == bench.backend(), "it names another backend");
  faults.expect(capability.device_kinds == std::vector{bench.declaration().device.kind}, "it names another device");
  faults.expect(model.digest.size() == 64, "the weights have no digest");
  faults.expect(model.architecture == "llama", "another architecture");
  return measured(true, faults);
}

Result<Measured> tokens_cover_the_text(SurfaceBench& bench) {
  TraceRequest request = surface_request("tokens", 0);
  request.prompt_ids.clear();
  request.input_text = kText;
  VB_TRY(const auto ids, bench.runtime().tokenize(request));
  VB_TRY(const Trace trace, bench.runtime().trace(request, nullptr));
  VB_TRY(const Encoding encoding, bench.local().loaded().tokenizer->encode(kText));
  const TraceArtifact* tokens = trace.find("tokens");
  if (!tokens) return Measured{};
  Faults faults;
  faults.expect(encoding.ids == ids, "the runtime's ids are not the tokenizer's");
  faults.expect(*tokens->metadata.find("ids") == Json(ids), "the artifact holds other ids");
  faults.expect(tokens->digest == sha256_hex(std::as_bytes(std::span(ids))), "its digest is not that of the ids");
  std::string covered;
  for (const TokenSpan& span : encoding.offsets) covered += kText.substr(span.begin, span.end - span.begin);
  faults.expect(covered == kText, "the offsets do not cover the text once");
  return measured(true, faults);
}

Result<Measured> logits_near_the_reference(SurfaceBench& bench) {
  VB_TRY(LocalSession * reference, bench.reference());
  VB_TRY(const std::vector<float> expected, logits_of(reference->runtime()));
  VB_TRY(const std::vector<float> found, logits_of(bench.runtime()));
  return Measured{true, largest_difference(found, expected), ""};
}

Result<Measured> trace_is_read_back_and_replayed(SurfaceBench& bench) {
  Want activation;
  const TraceRequest request = surface_request("trace", 3, {activation, want_payload(Site::logits)});
  VB_TRY(const Trace trace, bench.runtime().trace(request, nullptr));
  VB_TRY(const std::string text, to_json(trace).dump());
  VB_TRY(const Json json, Json::parse(text));
  VB_TRY(const Trace read, trace_from_json(json));
  VB_TRY(const auto replay, ReplayRuntime::make({trace}));
  VB_TRY(const Trace replayed, replay->trace(request, nullptr));
  Faults faults;
  VB_TRY(const std::string again, to_json(read).dump());
  VB_TRY(const std::string answered, to_json(replayed).dump());
  faults.expect(again == text, "it reads back as another trace");
  faults.expect(answered == text, "a replay answers with another trace");
  for (const TraceSpan& span : trace.spans()) faults.expect(span.profile.has_value(), "a span without its cost");
  for (const TraceArtifact& artifact : trace.artifacts())
    faults.expect(artifact.producer_span_id.has_value() || artifact.kind == ArtifactKind::profile ||
                      artifact.kind == ArtifactKind::tokens,
                  format("'{}' has no producer", artifact.artifact_id));
  for (const ArtifactKind kind :
       {ArtifactKind::tokens, ArtifactKind::text, ArtifactKind::logits, ArtifactKind::activation})
    faults.expect(has_kind(trace, kind), format("no artifact of kind '{}'", to_string(kind)));
  faults.expect(trace.missing().empty(), "something asked for is missing");
  return measured(!trace.spans().empty() && !trace.artifacts().empty(), faults);
}

Result<Measured> streamed_text_is_the_traced_text(SurfaceBench& bench) {
  const TraceRequest request = surface_request("text", 8);
  VB_TRY(const Trace trace, bench.runtime().trace(request, nullptr));
  VB_TRY(const Generation streamed, generate_one(bench.runtime(), request));
  const TraceArtifact* text = trace.find("text");
  const TraceArtifact* ids = trace.find("generated_tokens");
  if (!text || !ids) return Measured{};
  Faults faults;
  faults.expect(text->metadata.find("text")->as_string() == streamed.text, "the stream wrote another text");
  faults.expect(*ids->metadata.find("ids") == Json(streamed.ids), "the stream drew other tokens");
  faults.expect(streamed.ids.size() == 8, "not as many tokens as were asked for");
  VB_TRY(const std::string decoded, bench.local().loaded().tokenizer->decode(streamed.ids, true));
  faults.expect(decoded == streamed.text, "the text is not that of the tokens");
  return measured(!streamed.text.empty(), faults);
}

Result<Measured> logits_are_whole_rows(SurfaceBench& bench) {
  VB_TRY(const Watched seen, watch(bench.runtime(), surface_request("logits", 0, {want_payload(Site::logits)})));
  const TraceArtifact* logits = seen.trace.find("logits");
  if (!logits || seen.payloads.empty()) return Measured{};
  const auto rows = static_cast<std::int64_t>(surface_prompt().size());
  const auto& payload = seen.payloads.front();
  Faults faults;
  faults.expect(payload.shape == std::vector{rows, kTinyVocabulary}, "not a row of the vocabulary for each token");
  faults.expect(logits->shape == payload.shape, "the artifact says another shape");
  faults.expect(logits->digest == sha256_hex(std::as_bytes(std::span(payload.values))),
                "its digest is of other values");
  faults.expect(std::ranges::all_of(payload.values, [](float value) { return std::isfinite(value); }), "not finite");
  return measured(true, faults);
}

Result<Measured> logprobs_are_the_log_softmax(SurfaceBench& bench) {
  const TraceRequest request =
      surface_request("logprobs", 0, {want_payload(Site::logits), want_payload(Site::logprobs)});
  VB_TRY(const Watched seen, watch(bench.runtime(), request));
  if (!seen.trace.find("logprobs") || seen.payloads.size() != 2) return Measured{};
  const std::span<const float> logits(seen.payloads[0].values);
  std::vector<float> expected(logits.size());
  constexpr auto width = static_cast<std::size_t>(kTinyVocabulary);
  for (std::size_t at = 0; at + width <= logits.size(); at += width)
    log_softmax(logits.subspan(at, width), std::span(expected).subspan(at, width));
  return Measured{true, largest_difference(seen.payloads[1].values, expected), ""};
}

}  // namespace vauban::test
