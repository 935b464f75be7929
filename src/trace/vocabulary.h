/// The words of the trace vocabulary that include/vauban/trace.h does not declare: those only JSON and flags need.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

std::span<const ArtifactKind> all_artifact_kinds();  ///< in canonical order

Result<SupportLevel> support_level_from(std::string_view name);
std::string_view to_string(Form form);
Result<Form> form_from(std::string_view name);
std::string_view to_string(Moment moment);
Result<Moment> moment_from(std::string_view name);

/// The names of vauban/primitive.h; its own functions are implemented in a layer that this one may not include.
std::string_view mode_word(PrimitiveMode mode);
Result<PrimitiveMode> mode_from_word(std::string_view name);

/// The kind of artifact that an observation at `site` yields: logits, logprobs, tokens, other (kv_pages) or activation.
ArtifactKind artifact_kind_of(Site site);
/// Scores and patterns, whose rows grow with the past: (heads, rows, past + rows) per pass.
inline bool is_attention_map(Site site) { return site == Site::attn_scores || site == Site::attn_pattern; }

}  // namespace vauban
