/// Small valid values for the tests of this layer.
#pragma once

#include <string>
#include <string_view>

#include "vauban/trace.h"

namespace vauban::test {

inline TraceArtifact artifact(std::string id, ArtifactKind kind, std::string producer) {
  TraceArtifact made;
  made.artifact_id = std::move(id);
  made.kind = kind;
  made.producer_span_id = std::move(producer);
  return made;
}

inline TraceSpan span(std::string id, std::string name, double seconds, std::vector<std::string> inputs,
                      std::vector<std::string> outputs) {
  TraceSpan made;
  made.span_id = std::move(id);
  made.name = name;
  made.profile.emplace();
  made.profile->name = std::move(name);
  made.profile->duration_s = seconds;
  made.input_artifacts = std::move(inputs);
  made.output_artifacts = std::move(outputs);
  return made;
}

/// tokenize -> tokens; prefill tokens -> activation.resid_post.layer_1, logits.
inline TraceParts trace_parts() {
  TraceParts parts;
  parts.trace_id = "t1";
  parts.device = {"cpu", "cpu:0"};
  parts.backend = "reference";
  parts.model = {.name = "tiny", .path = "/models/tiny", .digest = std::string(64, 'a'), .architecture = "llama"};
  parts.spans = {span("span.0.tokenize", "tokenize", 0.5, {}, {"tokens"}),
                 span("span.1.prefill", "prefill", 1.5, {"tokens"}, {"activation.resid_post.layer_1", "logits"})};
  parts.artifacts = {artifact("tokens", ArtifactKind::tokens, "span.0.tokenize"),
                     artifact("activation.resid_post.layer_1", ArtifactKind::activation, "span.1.prefill"),
                     artifact("logits", ArtifactKind::logits, "span.1.prefill")};
  parts.artifacts[1].site = Site::resid_post;
  parts.artifacts[1].layer = 1;
  parts.artifacts[2].site = Site::logits;
  return parts;
}

inline Capability full_capability() {
  const Support full{SupportLevel::full, ""};
  Capability capability;
  capability.name = "reference";
  capability.device_kinds = {"cpu"};
  for (Support Capability::*field :
       {&Capability::logits, &Capability::logprobs, &Capability::activations, &Capability::interventions,
        &Capability::kv_cache, &Capability::weight_access, &Capability::mutable_weights, &Capability::text,
        &Capability::tokens, &Capability::profile_device_memory, &Capability::profile_sync_points})
    capability.*field = full;
  return capability;
}

inline TraceRequest request() {
  TraceRequest made;
  made.trace_id = "t1";
  made.prompt_ids = {1, 2, 3};
  return made;
}

inline Want want(ArtifactKind kind, Site site, Form form = Form::summary) {
  Want made;
  made.kind = kind;
  made.site = site;
  made.form = form;
  return made;
}

}  // namespace vauban::test
