/// Activations of prompts, through the runtime's own traces.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/prompt_lines.h"
#include "evidence/directions/directions.h"
#include "vauban/runtime.h"

namespace vauban {

struct GatherOptions {
  Site site = Site::resid_post;
  Positions positions;
  int max_tokens = 0;  ///< new tokens after each prompt, greedy; their rows follow the prompt's
  bool chat = false;   ///< lines are messages of the user
};

struct Groups {
  std::vector<PromptLine> positive, negative;
  std::string positive_sha256, negative_sha256;  ///< of their files
};

/// One row per prompt and layer: the mean over the chosen positions. Layers ascending; a site without layers counts as
/// layer 0. `after` is called with the number of prompts done, and may stop the run with an error.
/// Errors: invalid_input for a site whose rows are not token rows; unsupported, with the runtime's reason, where an
/// activation was not observed; those of the runtime.
Result<std::vector<LayerActivations>> gather_activations(Runtime& runtime, const Groups& groups,
                                                         const GatherOptions& options,
                                                         const std::function<Result<void>(std::size_t)>& after);

}  // namespace vauban
