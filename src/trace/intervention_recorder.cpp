#include "trace/intervention_recorder.h"

#include <algorithm>

#include "trace/json_fields.h"
#include "trace/vocabulary.h"

namespace vauban {

void InterventionRecorder::Spread::add(double value) {
  min = count == 0 ? value : std::min(min, value);
  max = count == 0 ? value : std::max(max, value);
  sum += value;
  ++count;
}

void InterventionRecorder::Spread::add(const Spread& other) {
  if (other.count == 0) return;
  min = count == 0 ? other.min : std::min(min, other.min);
  max = count == 0 ? other.max : std::max(max, other.max);
  sum += other.sum;
  count += other.count;
}

Json InterventionRecorder::Spread::to_json() const {
  if (count == 0) return Json::object({{"mean", Json()}, {"min", Json()}, {"max", Json()}});
  return Json::object({{"mean", sum / static_cast<double>(count)}, {"min", min}, {"max", max}});
}

void InterventionRecorder::add(const InterventionPass& pass) {
  if (pass.delta_norm.empty()) return;
  Effect& effect = layers_[pass.layer];
  effect.rows += static_cast<std::int64_t>(pass.delta_norm.size());
  effect.gates_open += pass.gates_open;
  ++effect.passes;
  for (const double value : pass.before) effect.before.add(value);
  for (const double value : pass.after) effect.after.add(value);
  for (const double value : pass.delta_norm) effect.delta.add(value);
  digest_.update(std::as_bytes(pass.after));
}

InterventionRecorder::Effect InterventionRecorder::total() const {
  Effect total;
  for (const auto& [layer, effect] : layers_) {
    total.rows += effect.rows;
    total.passes += effect.passes;
    total.gates_open += effect.gates_open;
    total.before.add(effect.before);
    total.after.add(effect.after);
    total.delta.add(effect.delta);
  }
  return total;
}

bool InterventionRecorder::should_change() const {
  const PrimitiveMode mode = intervention_.primitive.mode;
  const PrimitiveMode acting = mode == PrimitiveMode::conditional ? intervention_.primitive.inner : mode;
  return acting != PrimitiveMode::project && acting != PrimitiveMode::subspace_project &&
         intervention_.primitive.alpha != 0;
}

Json InterventionRecorder::effect_json(int layer, const Effect& effect) const {
  return Json::object({{"layer", info(intervention_.site).per_layer ? Json(layer) : Json()},
                       {"rows", effect.rows},
                       {"gates_open", effect.gates_open},
                       {"projection_before", effect.before.to_json()},
                       {"projection_after", effect.after.to_json()},
                       {"delta", effect.delta.to_json()},
                       {"no_op", should_change() && effect.delta.max == 0}});
}

Json InterventionRecorder::metadata(const Where& where) const {
  const Effect all = total();
  const Primitive& primitive = intervention_.primitive;
  const std::int64_t width = std::max<std::int64_t>(where.width, 1);
  const std::int64_t basis = static_cast<std::int64_t>(primitive.direction.size()) / width;
  const bool is_basis = basis > 1;
  const bool one_layer = layers_.size() == 1 && info(intervention_.site).per_layer;
  const auto changed_nothing = [](const auto& entry) { return entry.second.delta.max == 0; };
  Json metadata = json_fields::object_of(where.metadata);
  metadata["primitive"] = "activation_projection";
  metadata["name"] = intervention_.name;
  metadata["mode"] = mode_word(primitive.mode);
  metadata["alpha"] = primitive.alpha;
  metadata["layer_index"] = one_layer ? Json(layers_.begin()->first) : Json();
  metadata["activation_shape"] = Json::array({all.rows, where.width});
  metadata["direction_shape"] = is_basis ? Json::array({basis, where.width}) : Json::array({where.width});
  metadata["projection_shape"] = Json::array({all.rows, std::max<std::int64_t>(basis, 1)});
  metadata["projection_summary"] = all.before.to_json();
  metadata["delta_summary"] = all.delta.to_json();
  metadata["gates_open"] = all.gates_open;
  metadata["intervened"] = all.delta.max > 0;
  metadata["no_op"] = should_change() && std::any_of(layers_.begin(), layers_.end(), changed_nothing);
  metadata["direction_digest"] = json_fields::or_null(intervention_.direction_digest);
  metadata["norms_before_normalisation"] = Json(primitive.norms_before);
  metadata["dtype"] = where.dtype;
  metadata["device"] = where.device;
  return metadata;
}

TraceArtifact InterventionRecorder::finish(const Where& where) {
  TraceArtifact artifact;
  artifact.artifact_id = format("intervention.{}", index_);
  artifact.kind = ArtifactKind::intervention_result;
  artifact.metadata = metadata(where);
  artifact.shape.emplace();
  for (const Json& dim : artifact.metadata.find("projection_shape")->items()) artifact.shape->push_back(dim.as_int());
  artifact.dtype = "f64";
  artifact.digest = digest_.finish_hex();
  artifact.site = intervention_.site;
  if (layers_.size() == 1 && info(intervention_.site).per_layer) artifact.layer = layers_.begin()->first;
  artifact.positions = intervention_.positions.to_string();
  artifact.fire_count = total().passes;
  Json effects = Json::array();
  for (const auto& [layer, effect] : layers_) effects.push_back(effect_json(layer, effect));
  artifact.summary["layers"] = std::move(effects);
  return artifact;
}

Missing InterventionRecorder::missing() const {
  Missing entry;
  entry.kind = ArtifactKind::intervention_result;
  entry.site = intervention_.site;
  entry.reason = format("intervention '{}' touched no row: no computed position of its layers is among '{}'",
                        intervention_.name, intervention_.positions.to_string());
  return entry;
}

}  // namespace vauban
