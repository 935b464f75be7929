#include "app/projection/projecting.h"

#include <algorithm>

#include "app/direction_notes.h"
#include "app/intervention_file.h"
#include "app/layer_choice.h"
#include "evidence/stats/stats.h"

namespace vauban {
namespace {

constexpr std::size_t kPromptsAtOnce = 16;  // bounds what waits in memory

TraceRequest request_of(const ProjectionInput& input, const ProjectionPlan& plan) {
  TraceRequest request{.trace_id = input.id};
  if (input.ids.empty()) {
    request.input_text = input.text;
    request.apply_chat_template = input.chat && !input.rendered;
    request.add_special = !input.rendered;
  }
  request.prompt_ids = input.ids;
  request.want = {{.kind = ArtifactKind::metric, .form = Form::payload}};
  request.interventions = plan.interventions;
  request.metadata = Json::object({{"prompt_id", input.id}, {"set", input.set}});
  return request;
}

const TraceArtifact* artifact_of(const Trace& trace, std::string_view name, int layer) {
  for (const TraceArtifact& artifact : trace.artifacts())
    if (artifact.kind == ArtifactKind::metric && artifact.artifact_id.starts_with(name) &&
        artifact.layer.value_or(layer) == layer)  // a site that is there once has no layer
      return &artifact;
  return nullptr;
}

std::vector<std::int64_t> positions_in(const TraceArtifact& artifact) {
  std::vector<std::int64_t> out;
  const Json* runs = artifact.metadata.find("position_runs");
  if (!runs) return out;
  for (const Json& run : runs->items())
    for (std::int64_t at = run.items()[0].as_int(); at <= run.items()[1].as_int(); ++at) out.push_back(at);
  return out;
}

Result<ProjectedRows> rows_of(const Trace& trace, int layer, const TraceFolder& folder) {
  const TraceArtifact* projection = artifact_of(trace, "activation_projection", layer);
  const TraceArtifact* norm = artifact_of(trace, "activation_norm", layer);
  if (!projection || !norm)
    return with_hint(invalid_input("no token stands at the chosen positions"),
                     "prompt rows count from 0; see --positions");
  ProjectedRows rows{.layer = layer, .positions = positions_in(*projection), .projections = {}, .norms = {}};
  VB_TRY(rows.projections, folder.values(*projection));
  VB_TRY(rows.norms, folder.values(*norm));
  return rows;
}

std::vector<std::int32_t> ids_in(const Trace& trace) {
  std::vector<std::int32_t> ids;
  const TraceArtifact* tokens = trace.find("tokens");
  const Json* stored = tokens ? tokens->metadata.find("ids") : nullptr;
  if (stored)
    for (const Json& id : stored->items()) ids.push_back(static_cast<std::int32_t>(id.as_int()));
  return ids;
}

Result<ProjectedPrompt> read_prompt(const Trace& trace, const ProjectionPlan& plan, const TraceFolder& folder) {
  ProjectedPrompt out{.ids = ids_in(trace), .layers = {}};
  for (const int layer : plan.layers) {
    VB_TRY(ProjectedRows rows, rows_of(trace, layer, folder));
    out.layers.push_back(std::move(rows));
  }
  return out;
}

}  // namespace

Result<ProjectionPlan> plan_projections(const ProjectionChoice& choice) {
  ProjectionPlan plan{.path = choice.direction, .file = {}, .layers = {}, .interventions = {}};
  VB_TRY(plan.file, read_directions(choice.direction));
  VB_TRY(plan.layers, layers_from(choice.layers, plan.file, choice.layers_flag), "in {}", choice.direction);
  InterventionConfig config{.name = "projection"};
  config.site = choice.site.value_or(plan.file.site());
  config.mode = "project";
  config.layers = plan.layers;
  config.positions = choice.positions;
  config.direction_file = choice.direction;
  config.direction_sha256 = choice.direction_sha256;
  VB_TRY(plan.interventions, to_interventions({config}));
  return plan;
}

std::vector<ProjectionInput> inputs_of(const std::vector<PromptLine>& lines, std::string_view set, bool chat) {
  std::vector<ProjectionInput> out;
  for (const PromptLine& line : lines)
    out.push_back({.id = format("{}-{:04}", set, out.size() + 1),
                   .set = std::string(set),
                   .text = line.text,
                   .ids = {},
                   .chat = chat,
                   .rendered = line.rendered});
  return out;
}

double cosine_of(float projection, float norm) {
  return norm > 0 ? static_cast<double>(projection) / static_cast<double>(norm) : 0.0;
}

double ProjectedRows::mean_projection() const {
  double sum = 0;
  for (const float value : projections) sum += static_cast<double>(value);
  return sum / static_cast<double>(projections.size());
}

double ProjectedRows::mean_cosine() const {
  double sum = 0;
  for (std::size_t i = 0; i < projections.size(); ++i) sum += cosine_of(projections[i], norms[i]);
  return sum / static_cast<double>(projections.size());
}

Result<std::vector<ProjectedPrompt>> project_prompts(const ProjectionPlan& plan,
                                                     std::span<const ProjectionInput> inputs, std::string_view task,
                                                     Runtime& runtime, TraceFolder& folder, const Session& session) {
  const Context& context = session.context();
  std::vector<ProjectedPrompt> out;
  while (out.size() < inputs.size()) {
    VB_CHECK(context.cancel.check());
    const auto chunk = inputs.subspan(out.size(), std::min(kPromptsAtOnce, inputs.size() - out.size()));
    std::vector<TraceRequest> requests;
    for (const ProjectionInput& input : chunk) requests.push_back(request_of(input, plan));
    const std::vector<Result<Trace>> traces = runtime.trace_batch(requests, &folder);
    for (std::size_t i = 0; i < traces.size(); ++i) {
      if (!traces[i]) return explain_width(traces[i].error(), plan.path, plan.file);
      VB_TRY(ProjectedPrompt read, read_prompt(*traces[i], plan, folder), "in prompt '{}'", chunk[i].id);
      VB_CHECK(folder.add(*traces[i]));
      out.push_back(std::move(read));
    }
    folder.forget();
    context.progress.update(task, out.size(), inputs.size(), "prompts");
  }
  context.progress.finish(task);
  return out;
}

Json spread_json(std::span<const double> values) {
  const auto [low, high] = std::ranges::minmax(values);
  return Json::object({{"count", values.size()},
                       {"mean", mean_of(values)},
                       {"std", values.size() > 1 ? Json(sample_sd(values)) : Json()},
                       {"min", low},
                       {"max", high}});
}

std::vector<std::string> plan_notes(const ProjectionPlan& plan, const Runtime& runtime) {
  return direction_notes(plan.file, plan.layers, plan.site(), false, runtime);
}

}  // namespace vauban
