/// The artifacts of a local trace that do not come from a site of the forward pass.
#pragma once

#include <vector>

#include "runtime/local/trace_run.h"
#include "vauban/trace.h"

namespace vauban {

TraceArtifact tokens_artifact(const TraceRun& run);                        ///< "tokens": the prompt
TraceArtifact generated_tokens_artifact(const Sequence& sequence);         ///< "generated_tokens"
TraceArtifact text_artifact(const Sequence& sequence);                     ///< "text"
TraceArtifact sampler_artifact(const Sequence& sequence);                  ///< "sampler": what decided the draws
TraceArtifact token_logprobs_artifact(const Sequence& sequence);           ///< "token_logprobs"
TraceArtifact kv_pages_artifact(const TraceRun& run, const KvMemory& kv);  ///< "kv_pages": pages of the sequence
TraceArtifact profile_artifact(const std::vector<TraceSpan>& spans);       ///< "profile": which spans carry a cost

}  // namespace vauban
