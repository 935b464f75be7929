/// InterventionEffect: what one requested edit really did, measured pass by pass (trace-contract 7.3, 7.4).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/config.h"
#include "ops/ops.h"
#include "runtime/local/projections.h"
#include "vauban/trace.h"

namespace vauban {

/// Count, mean, min and max of what was added.
class RunningSummary {
 public:
  void add(double value);
  void add(const RunningSummary& other);
  std::int64_t count() const { return count_; }
  double max() const { return max_; }
  Json to_json() const;  ///< count, mean, min, max; null where nothing was added

 private:
  std::int64_t count_ = 0;
  double sum_ = 0, min_ = 0, max_ = 0;
};

/// A change of a row by no more than this share of its norm is rounding, not an effect.
inline constexpr double kNoEffect = 1e-6;

struct LayerEffect {
  std::int64_t passes = 0, prompt_rows = 0, decoded_rows = 0, gates_open = 0;
  std::int64_t unchanged_rows = 0;  ///< touched, and changed by no more than kNoEffect
  RunningSummary before, after;    ///< projections on the direction or basis
  RunningSummary delta, relative;  ///< L2 of output - input per row; the same as a share of the input row's norm
  PositionRuns positions;          ///< of the rows touched
  void add(const LayerEffect& other);  ///< of another layer; `passes` is the larger of the two
  std::int64_t rows() const { return prompt_rows + decoded_rows; }
  bool changed() const { return relative.count() > 0 && relative.max() > kNoEffect; }
};

/// Values per row of the activation at `site`, or 0 where it cannot be edited.
std::int64_t editable_width(Site site, const ModelConfig& config);

/// One intervention, checked against a model, and its measured effect.
class InterventionEffect {
 public:
  /// Errors: unsupported, naming a site that cannot be edited or that this architecture or backend does not show;
  /// invalid_input for a layer out of range or a primitive that validate_primitive refuses.
  static Result<InterventionEffect> make(const Intervention& intervention, const ModelConfig& config,
                                         const Capability& capability);

  const Intervention& intervention() const { return intervention_; }
  const Primitive& primitive() const { return primitive_; }  ///< normalised
  /// Layers it means; a site without layers counts as layer 0.
  const std::vector<int>& layers() const { return layers_; }
  bool applies_to(Site site, int layer) const;
  bool edits() const;  ///< false where it only projects, behind a gate or not

  /// From now on the projections of every row are kept: projections() returns them.
  void keep_rows() { keeps_rows_ = true; }

  /// `positions`: where the rows that were touched stand. Errors: invalid_input where the edit makes a row so long that
  /// its square does not fit f32, or gives values that are not finite: norms, attention and logits would be garbage.
  Result<void> add(int layer, std::int64_t prompt_rows, const PrimitiveResult& result,
                   std::span<const std::int64_t> positions);

  /// `intervention.{index}`, without a producer; docs/trace-format.md lists its metadata. The effect is "changed",
  /// "none" or, for a projection, "observed".
  TraceArtifact artifact(std::size_t index, std::string_view dtype, const DeviceRef& device) const;
  /// What was kept of each layer that it touched (projections.h); the metadata has the keys of a layer of artifact().
  std::vector<ProjectionArtifact> projections(std::string_view dtype, const DeviceRef& device) const;
  /// One entry per layer where nothing changed although the mode edits.
  std::vector<Missing> no_ops() const;

 private:
  InterventionEffect(const Intervention& intervention, Primitive primitive, std::vector<int> layers, std::int64_t width)
      : intervention_(intervention), primitive_(std::move(primitive)), layers_(std::move(layers)), width_(width) {}
  Result<void> check_size(int layer, const PrimitiveResult& result, std::span<const std::int64_t> positions) const;
  std::string effect_of(const LayerEffect& effect) const;
  void put_measured(Json& out, const LayerEffect& effect) const;
  Json layer_json(int layer, const LayerEffect& effect) const;
  Json parameters(std::string_view dtype, const DeviceRef& device) const;
  void put_shapes(Json& out, std::int64_t rows) const;
  const LayerEffect& at(int layer) const;

  Intervention intervention_;
  Primitive primitive_;
  std::vector<int> layers_;
  std::int64_t width_ = 0;
  bool keeps_rows_ = false;
  std::map<int, LayerEffect> effects_;
  std::map<int, ProjectionRows> rows_;
};

/// Those of a request, in order. Errors: those of make().
Result<std::vector<InterventionEffect>> check_interventions(const TraceRequest& request, const ModelConfig& config,
                                                            const Capability& capability);

}  // namespace vauban
