#include "runtime/local/trace_run.h"

#include <algorithm>

#include "base/sha256.h"
#include "trace/wants.h"

namespace vauban {

namespace {

/// The stage that yields what a want asks for.
std::string_view stage_of(const Want& want) {
  if (want.kind == ArtifactKind::logprobs) return "score";
  if (want.kind == ArtifactKind::activation || want.kind == ArtifactKind::logits) return "observe";
  return "";
}

}  // namespace

bool TraceRun::leaves_out(std::string_view stage) const {
  return std::find(request.leave_out.begin(), request.leave_out.end(), stage) != request.leave_out.end();
}

Json TraceRun::input_identity() const {
  Json out = Json::object({{"prompt_ids_sha256", sha256_hex(std::as_bytes(std::span<const std::int32_t>(prompt)))}});
  if (const Json* id = request.metadata.is_object() ? request.metadata.find("prompt_id") : nullptr)
    out["prompt_id"] = *id;
  return out;
}

Result<void> TraceRun::prepare(const TraceSetting& setting) {
  const int layers = static_cast<int>(setting.model.config.layers);
  observed.prompt_rows = static_cast<std::int64_t>(prompt.size());
  VB_TRY(observed.effects, check_interventions(request, setting.model.config, setting.capability));
  for (const Want& want : request.want) {
    const std::string_view stage = stage_of(want);
    if (!stage.empty() && leaves_out(stage)) {
      left_out.push_back({.kind = want.kind,
                          .site = site_of(want),
                          .layer = {},
                          .reason = format("the configuration leaves the stage '{}' out", stage),
                          .unsupported = false});
      continue;
    }
    observed.wants.push_back(want);
    if (want.kind == ArtifactKind::metric)
      for (InterventionEffect& effect : observed.effects) effect.keep_rows();
  }
  RecorderSetup setup;
  setup.layers = layers;
  setup.prompt_rows = observed.prompt_rows;
  // Known now, and two models that go on differently stay comparable.
  setup.last_position = observed.prompt_rows - 1;
  setup.capability = &setting.capability;
  setup.metadata = input_identity();
  setup.metadata["numerics"] = to_string(setting.numerics);
  VB_TRY(observed.recorder, Recorder::make(observed.wants, std::move(setup)));
  return ok();
}

SequenceRequest TraceRun::sequence_request() const {
  SequenceRequest out{
      .prompt = prompt, .sampling = request.sampling, .wants_logits = {}, .logprobs = !leaves_out("score")};
  if (leaves_out("decode")) out.sampling.max_tokens = 0;
  std::vector<Positions> wanted;
  for (const Want& want : observed.wants)
    if (want.kind == ArtifactKind::logits || want.kind == ArtifactKind::logprobs) wanted.push_back(want.positions);
  const std::int64_t rows = observed.prompt_rows;
  if (!wanted.empty())
    out.wants_logits = [wanted = std::move(wanted), rows](std::int64_t position) {
      return std::any_of(wanted.begin(), wanted.end(),
                         [&](const Positions& p) { return p.contains(position, rows - 1, rows); });
    };
  return out;
}

}  // namespace vauban
