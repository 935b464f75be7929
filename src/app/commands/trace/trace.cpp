/// vauban trace MODEL (--prompt | --ids) --observe SPEC --out DIR: one run, observed.

#include <algorithm>
#include <chrono>

#include "app/command.h"
#include "app/commands/trace/trace_config.h"
#include "app/intervention_file.h"
#include "app/open.h"
#include "app/out_folder.h"
#include "app/weight_edit_file.h"
#include "base/json_file.h"
#include "base/strings.h"
#include "trace/artifact_store.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

struct TraceCommandConfig {
  TraceConfig trace;
  CommonOptions common;
};

void fields(TraceCommandConfig& c, FieldVisitor& f) {
  fields(c.trace, f);
  fields(c.common, f);
}

Result<TraceRequest> request_of(const TraceConfig& config, const Session& session) {
  VB_TRY(TraceRequest request, to_request(config.prompt, to_sampling(config.sampling, session.options().seed)));
  VB_TRY(request.want, to_wants(config.observe));
  if (config.intervene) {
    VB_TRY(request.interventions, read_interventions(*config.intervene));
    const bool asked = std::ranges::any_of(request.want, [](const Want& w) { return w.kind == ArtifactKind::metric; });
    if (!asked) request.want.push_back({.kind = ArtifactKind::metric});  // what the edits met belongs to the record
  }
  request.leave_out = config.leave_out;
  VB_TRY(request.profile, to_profile(config.profile));
  return request;
}

Json weight_edits_of(const Trace& trace) {
  const Json* edits = trace.parts().metadata.find("weight_edits");
  return edits ? *edits : Json::array();
}

/// `trace` is the whole path, so that it can be opened from anywhere; `path` of an artifact is relative to --out.
Json answer_of(const Trace& trace, const std::filesystem::path& file) {
  const Json whole = to_json(trace);
  Json artifacts = Json::array();
  for (const TraceArtifact& artifact : trace.artifacts())
    artifacts.push_back(Json::object({{"id", artifact.artifact_id},
                                      {"kind", to_string(artifact.kind)},
                                      {"site", artifact.site ? Json(to_string(*artifact.site)) : Json()},
                                      {"layer", artifact.layer ? Json(*artifact.layer) : Json()},
                                      {"shape", artifact.shape ? Json(*artifact.shape) : Json()},
                                      {"dtype", artifact.dtype},
                                      {"digest", artifact.digest},
                                      {"path", artifact.payload_path.empty() ? Json() : Json(artifact.payload_path)},
                                      {"summary", artifact.summary},
                                      {"metadata", artifact.metadata}}));
  return Json::object({{"trace_id", trace.id()},
                       {"trace", std::filesystem::absolute(file).lexically_normal().string()},
                       {"artifacts", std::move(artifacts)},
                       {"missing", *whole.find("missing")},
                       {"weight_edits", weight_edits_of(trace)},
                       {"spans", *whole.find("spans")}});
}

std::string plain(const Trace& trace, const std::string& out) {
  std::string text = format("trace {} -> {}/trace.json\n", trace.id(), out);
  for (const TraceSpan& span : trace.spans())
    text += format("  span  {:<24}{:>12.3f} ms\n", span.span_id, span.profile ? span.profile->duration_s * 1e3 : 0.0);
  for (const TraceArtifact& artifact : trace.artifacts())
    text += format("  {:<20}{:<32}{}\n", to_string(artifact.kind), artifact.artifact_id, artifact.payload_path);
  for (const Json& edit : weight_edits_of(trace).items())
    text += format("  edit  {} of {}: {}, at most {:.3g} per value\n", edit.find("op")->as_string(), edit.find("tensor")->as_string(),
                   edit.find("effect")->as_string(), edit.find("max_abs_change")->as_double());
  for (const Missing& missing : trace.missing())
    text += format("  missing {}{}: {}\n", to_string(missing.kind), missing.site ? format(" {}", to_string(*missing.site)) : "",
                   missing.reason);
  return text;
}

/// The trace with a span for what its own rendering cost: measured on a first rendering, which is then thrown away.
Result<Trace> with_render_span(const Trace& trace, const Session& session) {
  const Clock& clock = session.context().clock;
  const std::chrono::nanoseconds start = clock.monotonic();
  VB_TRY(const std::string text, to_json(trace).dump(2));
  TraceParts parts = trace.parts();
  StageProfile profile{.name = "render"};
  profile.duration_s = std::chrono::duration<double>(clock.monotonic() - start).count();
  profile.output_bytes = static_cast<std::int64_t>(text.size());
  parts.spans.push_back({.span_id = format("span.{}.render", parts.spans.size()), .name = "render", .profile = std::move(profile)});
  return Trace::make(std::move(parts));
}

Result<int> run_trace_command(const TraceCommandConfig& config, Session& session) { return run_trace(config.trace, session); }

}  // namespace

Result<int> run_trace(const TraceConfig& config, Session& session) {
  VB_CHECK(check_out_folder(config.out, kTraceFolder));
  VB_TRY(const TraceRequest request, request_of(config, session));
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session, {.max_batch = 1}));
  VB_CHECK(edit_weights(config.edit_weights, *runtime));
  VB_TRY(const FolderLock lock, take_out_folder(config.out, kTraceFolder));
  VB_TRY(const std::unique_ptr<ArtifactStore> store,
         ArtifactStore::open(config.out, real_file_ops(), ArtifactStore::Durable::at_sync));
  VB_TRY(const Trace observed, runtime->trace(request, store.get()));
  VB_CHECK(store->sync());
  VB_TRY(const Trace trace, with_render_span(observed, session));
  const std::filesystem::path file = std::filesystem::path(config.out) / "trace.json";
  VB_CHECK(write_json_file(file, to_json(trace)));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer_of(trace, file)));
  } else {
    session.out().text(plain(trace, config.out));
  }
  return config.fail_on_missing && !trace.missing().empty() ? 3 : 0;
}

Command trace_command() {
  return make_command<TraceCommandConfig>(
      {"trace", "run a prompt and record what was observed",
       "SPEC is site:layers:form[@positions]. Layers count from 0: all, 3 or 0-3; sites without layers leave that part out. "
       "form is summary (default), payload (a safetensors file) or topN (logits and logprobs). positions is all, last, a-b "
       "or decode; prompt rows come first. `vauban list sites` names the sites. weights:GLOB:form shows loaded weights.\n\n"
       "What was asked for and could not be observed is listed under `missing` with the reason."},
      run_trace_command);
}

}  // namespace vauban
