/// vauban generate MODEL --prompt T: prompt -> text, streamed.

#include <algorithm>

#include "app/command.h"
#include "app/open.h"
#include "app/prompt_options.h"
#include "app/weight_edit_file.h"
#include "trace/weight_edit_json.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

struct GenerateConfig {
  std::string model;
  PromptOptions prompt;
  SamplingOptions sampling;
  std::optional<std::string> edit_weights;
  std::vector<std::string> profile;
  CommonOptions common;
};

void fields(GenerateConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  fields(c.prompt, f);
  fields(c.sampling, f);
  f("edit_weights", c.edit_weights, {.help = "TOML file with [[weight_edits]]: see `vauban man weights`", .metavar = "FILE", .file = true});
  f("profile", c.profile,
    {.help = "STAGES[,STAGES] or all: also tell what each stage cost; the text then comes at once, at the end", .metavar = "STAGES"});
  fields(c.common, f);
}

double seconds_since(std::chrono::nanoseconds start, const Clock& clock) {
  return std::chrono::duration<double>(clock.monotonic() - start).count();
}

struct Timings {
  double prefill_s = 0, decode_s = 0;
};

/// Pulls every event; with `live` the text is printed as it comes.
Result<Generation> collect(StepStream& stream, const Context& context, Output* live, Timings& timings) {
  Generation done;
  const std::chrono::nanoseconds start = context.clock.monotonic();
  while (true) {
    VB_TRY(const std::optional<StepEvent> event, stream.next());
    if (!event) break;
    if (event->token && done.ids.empty()) timings.prefill_s = seconds_since(start, context.clock);
    if (event->token) done.ids.push_back(*event->token);
    done.text += event->text;
    if (live) live->text(event->text);
    if (!event->finish.empty()) done.finish_reason = event->finish;
  }
  timings.decode_s = std::max(0.0, seconds_since(start, context.clock) - timings.prefill_s);
  return done;
}

Json to_json(const Generation& done, bool has_text, const Timings& timings, const Runtime& runtime) {
  const std::size_t decoded = done.ids.empty() ? 0 : done.ids.size() - 1;
  return Json::object({{"text", has_text ? Json(done.text) : Json()},
                       {"ids", Json(done.ids)},
                       {"prompt_ids", Json(done.prompt_ids)},
                       {"finish_reason", done.finish_reason},
                       {"weight_edits", to_json(runtime.weight_edits())},
                       {"timings", Json::object({{"prefill_tokens", done.prompt_ids.size()},
                                                 {"prefill_s", timings.prefill_s},
                                                 {"decode_tokens", decoded},
                                                 {"decode_s", timings.decode_s}})}});
}

const Json* metadata_of(const Trace& trace, std::string_view artifact_id, std::string_view key) {
  const TraceArtifact* artifact = trace.find(artifact_id);
  return artifact ? artifact->metadata.find(key) : nullptr;
}

/// The same answer as a stream's, from a trace.
Generation generation_of(const Trace& trace) {
  Generation done{.trace_id = trace.id()};
  if (const Json* ids = metadata_of(trace, "generated_tokens", "ids"))
    for (const Json& id : ids->items()) done.ids.push_back(static_cast<std::int32_t>(id.as_int()));
  if (const Json* text = metadata_of(trace, "text", "text")) done.text = text->as_string();
  const Json* finish = metadata_of(trace, "generated_tokens", "finish_reason");
  done.finish_reason = finish ? finish->as_string() : "length";
  return done;
}

Timings timings_of(const Trace& trace) {
  Timings timings;
  for (const TraceSpan& span : trace.spans()) {
    if (span.name == "prefill") timings.prefill_s += span.profile->duration_s;
    if (span.name == "decode") timings.decode_s += span.profile->duration_s;
  }
  return timings;
}

void note_profile(const Trace& trace, Output& out) {
  for (const TraceSpan& span : trace.spans()) {
    const StageProfile& profile = *span.profile;
    std::string line = format("{:<10}{:>12.3f} ms", span.name, profile.duration_s * 1e3);
    if (profile.token_count) line += format("  {} tokens", *profile.token_count);
    if (profile.device_s) line += format("  {:.3f} ms on the device", *profile.device_s * 1e3);
    if (profile.host_peak_bytes) line += format("  host peak {:.1f} MiB", static_cast<double>(*profile.host_peak_bytes) / (1 << 20));
    out.note(line);
  }
}

/// With --profile the answer comes from a trace, since only a trace has profiles.
Result<int> run_profiled(TraceRequest request, Runtime& runtime, bool has_text, Session& session) {
  VB_TRY(const Trace trace, runtime.trace(request));
  Generation done = generation_of(trace);
  done.prompt_ids = request.prompt_ids;
  if (session.out().json()) {
    Json answer = to_json(done, has_text, timings_of(trace), runtime), profiles = Json::array();
    for (const TraceSpan& span : trace.spans()) profiles.push_back(to_json(*span.profile));
    answer["profile"] = std::move(profiles);
    VB_CHECK(session.out().print_json(answer, -1));
    return 0;
  }
  session.out().text(has_text ? done.text + "\n" : format("{}\n", Json(done.ids).dump().value_or("")));
  note_profile(trace, session.out());
  return 0;
}

Result<int> run_generate(const GenerateConfig& config, Session& session) {
  VB_TRY(TraceRequest request, to_request(config.prompt, to_sampling(config.sampling, config.common.seed)));
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session, {.max_batch = 1}));
  VB_CHECK(edit_weights(config.edit_weights, *runtime));
  VB_TRY(request.prompt_ids, runtime->tokenize(request));
  const bool has_text = runtime->capabilities().text.level != SupportLevel::unsupported;
  const std::vector<std::int32_t> prompt_ids = request.prompt_ids;
  request.input_text.clear();
  request.apply_chat_template = false;
  VB_TRY(request.profile, to_profile(config.profile));
  if (!request.profile.empty()) return run_profiled(std::move(request), *runtime, has_text, session);
  Timings timings;
  VB_TRY(const std::unique_ptr<StepStream> stream, runtime->generate({&request, 1}));
  Output* live = session.out().json() || !has_text ? nullptr : &session.out();
  VB_TRY(Generation done, collect(*stream, session.context(), live, timings));
  done.prompt_ids = prompt_ids;
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(to_json(done, has_text, timings, *runtime), -1));
  } else if (has_text) {
    session.out().text("\n");
  } else {
    session.out().text(format("{}\n", Json(done.ids).dump().value_or("")));
  }
  return done.finish_reason == "cancelled" ? 130 : 0;
}

}  // namespace

Command generate_command() {
  return make_command<GenerateConfig>(
      {"generate", "continue a prompt",
       "Order of operations on the logits of one position: logprobs are recorded from the raw logits; then repetition "
       "penalty, temperature, top-k, top-p, min-p, normalise, draw. Temperature 0 is greedy: the largest logit after the "
       "penalty, the lowest id on ties.\n\n"
       "Random numbers are counter based and keyed by seed, request, sample and position, so an answer does not depend on "
       "what else runs beside it."},
      run_generate);
}

}  // namespace vauban
