/// The matrices of attention, and its pattern on a text: rows that sum to 1 and see neither the future nor beyond a window.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "app/check/check.h"
#include "app/check/parts.h"
#include "model/decoder/attention.h"

namespace vauban {
namespace {

constexpr std::size_t kTokens = 24;
constexpr double kRowTolerance = 1e-4;  // f32 rounding over at most kTokens terms is far below

/// Keeps what a trace would write.
class Kept final : public PayloadSink {
 public:
  struct Values {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  Result<StoredPayload> put(std::string_view name, std::string_view, std::span<const std::int64_t> shape, std::span<const std::byte> bytes) override {
    Values& kept = tensors[std::string(name)];
    kept.shape.assign(shape.begin(), shape.end());
    kept.values.resize(bytes.size() / sizeof(float));
    std::memcpy(kept.values.data(), bytes.data(), kept.values.size() * sizeof(float));
    return StoredPayload{.path = "memory", .digest = std::string(64, '0')};
  }
  std::map<std::string, Values> tensors;
};

bool has_sinks(const ModelConfig& config) {
  return std::ranges::any_of(config.decoder.layers, [](const LayerSpec& layer) {
    const AttentionSpec* attention = attention_of(layer);
    return attention && attention->sinks;
  });
}

/// (heads, rows, keys), every row of a position that sees itself and what came before.
void test_pattern(const std::string& name, const Kept::Values& pattern, bool sinks, Findings& findings) {
  if (pattern.shape.size() != 3) return;
  const auto heads = static_cast<std::size_t>(pattern.shape[0]), rows = static_cast<std::size_t>(pattern.shape[1]);
  const auto keys = static_cast<std::size_t>(pattern.shape[2]);
  if (pattern.values.size() != heads * rows * keys) return;
  std::size_t wrong = 0, future = 0;
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t r = 0; r < rows; ++r) {
      const auto row = std::span(pattern.values).subspan((h * rows + r) * keys, keys);
      double sum = 0.0;
      for (const float p : row) sum += static_cast<double>(p);
      wrong += !(sinks ? sum <= 1.0 + kRowTolerance : std::abs(sum - 1.0) <= kRowTolerance);  // NaN is wrong too
      future += std::ranges::any_of(row.subspan(std::min(keys, r + keys - rows + 1)), [](float p) { return p != 0.0F; });
    }
  if (wrong > 0) findings.fault("{}: {} of {} rows do not sum to 1", name, wrong, heads * rows);
  if (future > 0) findings.fault("{}: {} rows see what comes after them", name, future);
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  test_matrices(subject, layer_matrices(subject, LayerPart::attention), findings);
  if (!subject.probe) return findings.not_run("the pattern: {}", subject.probe_error);
  TraceRequest request;
  request.trace_id = "check";
  request.prompt_ids.assign(subject.probe->ids.begin(), subject.probe->ids.begin() + static_cast<std::ptrdiff_t>(std::min(kTokens, subject.probe->ids.size())));
  request.want.push_back({.kind = ArtifactKind::activation, .site = Site::attn_pattern, .form = Form::payload});
  Kept kept;
  const auto trace = subject.runtime->trace(request, &kept);
  if (!trace) return findings.fault("a pass that shows its attention: {}", describe(trace.error()));
  for (const auto& [name, pattern] : kept.tensors) test_pattern(name, pattern, has_sinks(subject.config), findings);
  if (kept.tensors.empty())
    findings.not_run("the pattern: the backend does not show it");
  else
    findings.fine("the patterns of {} layers sum to 1 and see no future", kept.tensors.size());
}

}  // namespace

CheckStage attention_stage() { return {"attention", "its matrices, and that its rows sum to 1 and see no future", run}; }

}  // namespace vauban
