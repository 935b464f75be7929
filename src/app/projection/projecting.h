/// Projections of prompts on the directions of a file, through the runtime's own traces: one intervention of mode
/// `project` per layer, which looks and changes nothing. `vauban probe` and `vauban scan` are made of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/projection/trace_folder.h"
#include "app/prompt_lines.h"
#include "app/session.h"
#include "format/direction.h"
#include "vauban/runtime.h"

namespace vauban {

/// What a user says about the direction.
struct ProjectionChoice {
  std::string direction, layers, positions;
  std::optional<std::string> site, direction_sha256;
  std::string layers_flag = "--layers";  ///< how the user says `layers`
};

struct ProjectionPlan {
  std::string path;  ///< of the direction file
  DirectionFile file;
  std::vector<int> layers;
  std::vector<Intervention> interventions;  ///< beside layers
  Site site() const { return interventions.front().site; }
};
/// Errors: those of the file, its layers and the positions.
Result<ProjectionPlan> plan_projections(const ProjectionChoice& choice);

/// One prompt to be run.
struct ProjectionInput {
  std::string id;   ///< "prompt-0001": also the trace's id
  std::string set;  ///< "prompt", "positive", "negative", "calibration"
  std::string text;
  std::vector<std::int32_t> ids;  ///< instead of the text, where not empty
  bool chat = false, rendered = false;
};
/// `lines` named `set`-0001, ...
std::vector<ProjectionInput> inputs_of(const std::vector<PromptLine>& lines, std::string_view set, bool chat);

/// One prompt at one layer, a value per row that the positions select.
struct ProjectedRows {
  int layer = 0;
  std::vector<std::int64_t> positions;
  std::vector<float> projections;  ///< h . d, d of unit length
  std::vector<float> norms;        ///< |h|
  double mean_projection() const;
  double mean_cosine() const;  ///< of projection / norm; a row of zeros counts as 0
};
double cosine_of(float projection, float norm);

struct ProjectedPrompt {
  std::vector<std::int32_t> ids;
  std::vector<ProjectedRows> layers;  ///< beside those of the plan
};

/// Runs the prompts in batches, in order, writes their traces, and shows progress under `task`.
/// Errors: those of the runtime and the folder, naming the prompt; cancelled; invalid_input where no row of a prompt
/// stands at the positions.
Result<std::vector<ProjectedPrompt>> project_prompts(const ProjectionPlan& plan,
                                                     std::span<const ProjectionInput> inputs, std::string_view task,
                                                     Runtime& runtime, TraceFolder& folder, const Session& session);

/// count, mean, std (n - 1; null for one value), min, max. `values` is not empty.
Json spread_json(std::span<const double> values);

/// What a reader should know of the direction: see direction_notes.
std::vector<std::string> plan_notes(const ProjectionPlan& plan, const Runtime& runtime);

}  // namespace vauban
