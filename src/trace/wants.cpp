#include "trace/wants.h"

#include <algorithm>

#include "base/format.h"
#include "trace/capability.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

bool taken_before(const TraceArtifact& artifact) {
  const Json* moment = artifact.metadata.find("moment");
  return moment && moment->as_string() == to_string(Moment::before);
}

bool answers(const TraceArtifact& artifact, const Want& want, std::optional<int> layer) {
  if (artifact.kind != want.kind) return false;
  const std::optional<Site> site = site_of(want);
  if (!site) return true;
  // The tokens artifact may leave its site out: it is the only one of its kind that a prompt has.
  if (artifact.site ? artifact.site != site : *site != Site::tokens) return false;
  if (layer && artifact.layer != layer) return false;
  return taken_before(artifact) == (want.moment == Moment::before);
}

bool covers(const Missing& entry, const Want& want, std::optional<int> layer) {
  const std::optional<Site> site = site_of(want);
  if (entry.kind != want.kind || (entry.site && entry.site != site)) return false;
  return !entry.layer || entry.layer == layer;
}

bool observation_left_out(const TraceRequest& request) {
  return std::find(request.leave_out.begin(), request.leave_out.end(), "observe") != request.leave_out.end();
}

Missing entry_for(const TraceRequest& request, const Capability& capability, const Want& want, std::optional<int> layer,
                  int model_layers) {
  Missing entry{.kind = want.kind, .site = site_of(want), .layer = layer, .reason = "", .unsupported = false};
  const Support support = support_for(capability, want.kind, entry.site);
  if (support.level == SupportLevel::unsupported) {
    entry.unsupported = true;
    entry.reason = support.reason.empty() ? format("'{}' cannot show it", capability.name) : support.reason;
  } else if (observation_left_out(request)) {
    entry.reason = "the configuration leaves the stage 'observe' out";
  } else if (layer && *layer >= model_layers) {
    entry.reason = format("the model has {} layers, counted from 0", model_layers);
  } else {
    entry.reason = "asked for, and the run did not emit it";
  }
  return entry;
}

}  // namespace

std::optional<Site> site_of(const Want& want) {
  if (artifact_kind_of(want.site) == want.kind) return want.site;
  return std::nullopt;
}

std::vector<std::optional<int>> layers_of(const Want& want, int model_layers) {
  const std::optional<Site> site = site_of(want);
  if (!site || !info(*site).per_layer) return {std::nullopt};
  std::vector<std::optional<int>> layers(want.layers.begin(), want.layers.end());
  for (int layer = 0; want.layers.empty() && layer < model_layers; ++layer) layers.emplace_back(layer);
  return layers;
}

std::vector<Missing> find_missing(const TraceRequest& request, const Capability& capability,
                                  std::span<const TraceArtifact> artifacts, int model_layers,
                                  std::span<const Missing> known) {
  std::vector<Missing> missing(known.begin(), known.end());
  for (const Want& want : request.want) {
    for (const std::optional<int> layer : layers_of(want, model_layers)) {
      const auto emitted = [&](const TraceArtifact& artifact) { return answers(artifact, want, layer); };
      const auto covered = [&](const Missing& entry) { return covers(entry, want, layer); };
      if (std::any_of(artifacts.begin(), artifacts.end(), emitted)) continue;
      if (std::any_of(missing.begin(), missing.end(), covered)) continue;
      missing.push_back(entry_for(request, capability, want, layer, model_layers));
    }
  }
  return missing;
}

Json missing_kinds(std::span<const Missing> missing, bool unsupported) {
  Json names = Json::array();
  for (const ArtifactKind kind : all_artifact_kinds()) {
    const auto of_kind = [&](const Missing& entry) { return entry.kind == kind && entry.unsupported == unsupported; };
    if (std::any_of(missing.begin(), missing.end(), of_kind)) names.push_back(to_string(kind));
  }
  return names;
}

}  // namespace vauban
