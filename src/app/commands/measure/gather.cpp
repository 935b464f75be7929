#include "app/commands/measure/gather.h"

#include <algorithm>
#include <map>

#include "trace/artifact_store.h"

namespace vauban {
namespace {

constexpr std::size_t kPromptsAtOnce = 16;  // bounds what the store holds: layers x rows of so many prompts

using LayerRows = std::map<int, ActivationRows>;

Result<void> check_site(Site site) {
  const std::string_view shape = info(site).shape;
  for (const std::string_view rows : {"(T,D)", "(T,H,d)", "(T,K,d)", "(T,F)"})
    if (shape == rows) return ok();
  return with_hint(invalid_input("site '{}' has shape {}: a direction needs one vector of activations per token",
                                 to_string(site), shape),
                   "resid_post is the usual site; `vauban list sites` prints them all");
}

TraceRequest request_for(const PromptLine& line, std::string id, const GatherOptions& options) {
  TraceRequest request{.trace_id = std::move(id), .input_text = line.text};
  request.apply_chat_template = options.chat && !line.rendered;
  request.add_special = !line.rendered;
  request.sampling.max_tokens = options.max_tokens;
  request.want = {
      {.kind = ArtifactKind::activation, .site = options.site, .positions = options.positions, .form = Form::payload}};
  return request;
}

/// The mean of a payload's rows.
Result<std::vector<float>> mean_of_rows(const Payload& payload) {
  VB_TRY(const std::vector<float> values, payload_values(payload));
  const auto rows = static_cast<std::size_t>(payload.shape.empty() ? 0 : payload.shape.front());
  if (rows == 0 || values.empty()) return invalid_input("no token stands at the chosen positions");
  const std::size_t width = values.size() / rows;
  std::vector<double> sum(width);
  for (std::size_t i = 0; i < rows * width; ++i) sum[i % width] += static_cast<double>(values[i]);
  std::vector<float> mean(width);
  std::ranges::transform(sum, mean.begin(),
                         [&](double value) { return static_cast<float>(value / static_cast<double>(rows)); });
  return mean;
}

Error not_observed(const Trace& trace, Site site) {
  for (const Missing& missing : trace.missing())
    if (missing.site == site) return unsupported("site '{}' was not observed: {}", to_string(site), missing.reason);
  return unsupported("site '{}' was not observed", to_string(site));
}

Result<void> add_rows(const Trace& trace, const MemoryStore& store, Site site, LayerRows& layers) {
  if (std::ranges::any_of(trace.missing(), [&](const Missing& missing) { return missing.site == site; }))
    return not_observed(trace, site);
  bool any = false;
  for (const TraceArtifact& artifact : trace.artifacts()) {
    if (artifact.kind != ArtifactKind::activation || artifact.site != site) continue;
    const auto payload = store.payloads().find(artifact.payload_path);
    if (payload == store.payloads().end())
      return internal("the payload of {} is not in the store", artifact.artifact_id);
    VB_TRY(const std::vector<float> row, mean_of_rows(payload->second), "in {}", artifact.artifact_id);
    ActivationRows& rows = layers[artifact.layer.value_or(0)];
    rows.width = static_cast<std::int64_t>(row.size());
    rows.values.insert(rows.values.end(), row.begin(), row.end());
    any = true;
  }
  return any ? ok() : Result<void>(not_observed(trace, site));
}

struct Gathering {
  Runtime& runtime;
  const GatherOptions& options;
  const std::function<Result<void>(std::size_t)>& after;
  std::size_t done = 0;

  Result<LayerRows> group(const std::vector<PromptLine>& lines, std::string_view name) {
    LayerRows layers;
    for (std::size_t begin = 0; begin < lines.size(); begin += kPromptsAtOnce) {
      const std::size_t count = std::min(kPromptsAtOnce, lines.size() - begin);
      VB_CHECK(chunk(std::span(lines).subspan(begin, count), begin, name, layers));
      done += count;
      VB_CHECK(after(done));
    }
    return layers;
  }

  Result<void> chunk(std::span<const PromptLine> lines, std::size_t first, std::string_view name, LayerRows& layers) {
    std::vector<TraceRequest> requests;
    for (const PromptLine& line : lines)
      requests.push_back(request_for(line, format("{}.{}", name, first + requests.size()), options));
    MemoryStore store;
    const std::vector<Result<Trace>> traces = runtime.trace_batch(requests, &store);
    for (std::size_t i = 0; i < traces.size(); ++i) {
      VB_TRY(const Trace trace, traces[i], "in {} prompt {}", name, first + i + 1);
      VB_CHECK(add_rows(trace, store, options.site, layers), "in {} prompt {}", name, first + i + 1);
    }
    return ok();
  }
};

}  // namespace

Result<std::vector<LayerActivations>> gather_activations(Runtime& runtime, const Groups& groups,
                                                         const GatherOptions& options,
                                                         const std::function<Result<void>(std::size_t)>& after) {
  VB_CHECK(check_site(options.site));
  Gathering gathering{runtime, options, after};
  VB_TRY(LayerRows positive, gathering.group(groups.positive, "positive"));
  VB_TRY(LayerRows negative, gathering.group(groups.negative, "negative"));
  std::vector<LayerActivations> out;
  for (auto& [layer, rows] : positive)
    out.push_back({.layer = layer, .positive = std::move(rows), .negative = std::move(negative[layer])});
  return out;
}

}  // namespace vauban
