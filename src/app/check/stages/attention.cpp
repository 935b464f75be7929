/// The matrices of attention, or of what stands in its place, and the pattern of attention on a text: rows that sum to 1 and
/// see neither the future nor beyond the window of their layer, where the text is longer than that.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "app/check/attention_pattern.h"
#include "app/check/check.h"
#include "app/check/parts.h"
#include "model/decoder/attention.h"

namespace vauban {
namespace {

constexpr std::int64_t kTokens = 24;       // without windows
constexpr std::int64_t kMostTokens = 192;  // a pattern grows with their square: wider windows are not reached
constexpr std::int64_t kPastWindow = 8;    // tokens

PatternRule rule_of(const ModelConfig& config, int layer) {
  const AttentionSpec* attention = attention_of(config.decoder.layers[static_cast<std::size_t>(layer)]);
  return attention ? PatternRule{.window = attention->args.window, .sinks = attention->sinks} : PatternRule{};
}

/// Enough to pass the widest window that can be passed.
std::size_t tokens_for(const ModelConfig& config, std::size_t there) {
  std::int64_t wanted = kTokens;
  for (int layer = 0; layer < static_cast<int>(config.decoder.layers.size()); ++layer)
    if (const std::int64_t window = rule_of(config, layer).window; window + kPastWindow <= kMostTokens) wanted = std::max(wanted, window + kPastWindow);
  return std::min(static_cast<std::size_t>(wanted), there);
}

/// Keeps what a trace would write.
class Kept final : public PayloadSink {
 public:
  Result<StoredPayload> put(std::string_view name, std::string_view, std::span<const std::int64_t>, std::span<const std::byte> bytes) override {
    std::vector<float>& kept = values[std::string(name)];
    kept.resize(bytes.size() / sizeof(float));
    std::memcpy(kept.data(), bytes.data(), kept.size() * sizeof(float));
    return StoredPayload{.path = std::string(name), .digest = std::string(64, '0')};
  }
  std::map<std::string, std::vector<float>> values;  ///< by the path that the artifact is told
};

struct Tested {
  std::size_t layers = 0, windowed = 0, reached = 0;
};
Tested test_patterns(const ModelConfig& config, const Trace& trace, const Kept& kept, Findings& findings) {
  Tested out;
  for (const TraceArtifact& artifact : trace.artifacts()) {
    const auto found = kept.values.find(artifact.payload_path);
    if (found == kept.values.end() || artifact.site != Site::attn_pattern || !artifact.layer || !artifact.shape) continue;
    const PatternRule rule = rule_of(config, *artifact.layer);
    ++out.layers;
    out.windowed += rule.window > 0;
    out.reached += test_pattern(artifact.artifact_id, *artifact.shape, found->second, rule, findings);
  }
  return out;
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  test_matrices(subject, layer_matrices(subject, LayerPart::mixer), findings);
  if (!subject.probe) return findings.not_run("the pattern: {}", subject.probe_error);
  TraceRequest request;
  request.trace_id = "check";
  request.prompt_ids.assign(subject.probe->ids.begin(), subject.probe->ids.begin() + static_cast<std::ptrdiff_t>(tokens_for(subject.config, subject.probe->ids.size())));
  request.want.push_back({.kind = ArtifactKind::activation, .site = Site::attn_pattern, .form = Form::payload});
  Kept kept;
  const auto trace = subject.runtime->trace(request, &kept);
  if (!trace) return findings.fault("a pass that shows its attention: {}", describe(trace.error()));
  const Tested tested = test_patterns(subject.config, *trace, kept, findings);
  if (tested.layers == 0) return findings.not_run("the pattern: the backend does not show it");
  findings.fine("the patterns of {} layers sum to 1 and see no future", tested.layers);
  if (tested.reached > 0) findings.fine("those of {} layers see nothing beyond their window", tested.reached);
  if (tested.reached < tested.windowed)
    findings.not_run("the windows of {} layers: {} tokens do not reach them", tested.windowed - tested.reached, request.prompt_ids.size());
}

}  // namespace

CheckStage attention_stage() { return {"attention", "its matrices, and that its rows sum to 1 and see neither the future nor beyond a window", run}; }

}  // namespace vauban
