#include "runtime/local/effects.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/sha256.h"

namespace vauban {

namespace {

std::string digest_of(const std::vector<double>& values) {
  return sha256_hex(std::as_bytes(std::span<const double>(values)));
}

double norm_of(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

Result<std::vector<int>> layers_meant(const Intervention& intervention, const ModelConfig& config) {
  std::vector<int> layers = intervention.layers;
  if (!info(intervention.site).per_layer) {
    if (layers.empty()) return std::vector<int>{0};
    return with_hint(invalid_input("intervention '{}': site '{}' is there once and takes no layers, found layer {}",
                                   intervention.name, to_string(intervention.site), layers.front()),
                     "leave `layers` out");
  }
  std::vector<int> sorted = layers;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    return invalid_input("intervention '{}': layer {} is given twice", intervention.name, *twice);
  if (layers.empty()) {
    layers.resize(static_cast<std::size_t>(config.layers));
    std::iota(layers.begin(), layers.end(), 0);
  }
  for (const int layer : layers)
    if (layer < 0 || layer >= config.layers)
      return invalid_input("intervention '{}': layer {} does not exist; the model has {} layers, counted from 0",
                           intervention.name, layer, config.layers);
  return layers;
}

Result<void> check_site(const Intervention& intervention, const ModelConfig& config, const Capability& capability) {
  const std::string_view site = to_string(intervention.site);
  if (editable_width(intervention.site, config) == 0)
    return unsupported("intervention '{}': site '{}' can be observed but not edited", intervention.name, site);
  const Support support = capability.site(intervention.site);
  if (support.level == SupportLevel::unsupported)
    return unsupported("intervention '{}': site '{}' cannot be reached: {}", intervention.name, site, support.reason);
  return ok();
}

}  // namespace

void RunningSummary::add(double value) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  sum_ += value;
  ++count_;
}

void RunningSummary::add(const RunningSummary& other) {
  if (other.count_ == 0) return;
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
}

void LayerEffect::add(const LayerEffect& other) {
  passes = std::max(passes, other.passes);
  prompt_rows += other.prompt_rows;
  decoded_rows += other.decoded_rows;
  gates_open += other.gates_open;
  unchanged_rows += other.unchanged_rows;
  before.add(other.before);
  after.add(other.after);
  delta.add(other.delta);
  relative.add(other.relative);
  if (positions.empty()) positions = other.positions;  // the policy is one: every layer meets the same rows
}

Json RunningSummary::to_json() const {
  if (count_ == 0) return Json::object({{"count", 0}, {"mean", Json()}, {"min", Json()}, {"max", Json()}});
  return Json::object({{"count", count_}, {"mean", sum_ / static_cast<double>(count_)}, {"min", min_}, {"max", max_}});
}

std::int64_t editable_width(Site site, const ModelConfig& config) {
  switch (site) {
    case Site::embed_out:
    case Site::resid_pre:
    case Site::attn_norm_out:
    case Site::attn_out:
    case Site::resid_mid:
    case Site::mlp_norm_out:
    case Site::mlp_out:
    case Site::resid_post:
    case Site::final_norm_out:
      return config.width;
    case Site::q:
    case Site::q_rot:
    case Site::z:
      return config.heads * config.head_dim;
    case Site::k:
    case Site::v:
    case Site::k_rot:
      return config.kv_heads * config.head_dim;
    case Site::gate:
    case Site::up:
    case Site::act:
      return config.mlp_width;
    case Site::tokens:
    case Site::attn_scores:
    case Site::attn_pattern:
    case Site::router_logits:
    case Site::router_topk:
    case Site::router_weights:
    case Site::logits:
    case Site::logprobs:
    case Site::sampled_id:
    case Site::kv_pages:
      return 0;
  }
  return 0;
}

Result<InterventionEffect> InterventionEffect::make(const Intervention& intervention, const ModelConfig& config,
                                                    const Capability& capability) {
  if (capability.interventions.level == SupportLevel::unsupported)
    return unsupported("intervention '{}': {}", intervention.name, capability.interventions.reason);
  VB_CHECK(check_site(intervention, config, capability));
  VB_TRY(std::vector<int> layers, layers_meant(intervention, config));
  const std::int64_t width = editable_width(intervention.site, config);
  VB_TRY(Primitive primitive, validate_primitive(intervention.primitive, width), "in intervention '{}' at site '{}'",
         intervention.name, to_string(intervention.site));
  if (!intervention.primitive.norms_before.empty()) primitive.norms_before = intervention.primitive.norms_before;
  return InterventionEffect(intervention, std::move(primitive), std::move(layers), width);
}

bool InterventionEffect::applies_to(Site site, int layer) const {
  return site == intervention_.site && std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
}

bool InterventionEffect::edits() const {
  const PrimitiveMode acting = primitive_.mode == PrimitiveMode::conditional ? primitive_.inner : primitive_.mode;
  return acting != PrimitiveMode::project && acting != PrimitiveMode::subspace_project;
}

Result<void> InterventionEffect::check_size(int layer, const PrimitiveResult& result,
                                            std::span<const std::int64_t> positions) const {
  static const double kLongest = std::sqrt(double{std::numeric_limits<float>::max()});
  const std::size_t rows = std::min({result.delta_norm.size(), result.input_norm.size(), positions.size()});
  for (std::size_t row = 0; row < rows && edits(); ++row) {
    const double before = result.input_norm[row], delta = result.delta_norm[row];
    // A row that came in too long is not this edit's doing.
    if (!(before <= kLongest) || before + delta <= kLongest) continue;
    const std::string at = info(intervention_.site).per_layer ? format(" of layer {}", layer) : "";
    return with_hint(
        invalid_input("intervention '{}': alpha {:.6g} is too strong: at site '{}'{}, position {}, it moves an activation of "
                      "length {:.4g} by {:.4g}, and lengths above {:.4g} cannot be computed with",
                      intervention_.name, primitive_.alpha, to_string(intervention_.site), at, positions[row], before, delta,
                      kLongest),
        "use a smaller alpha");
  }
  return ok();
}

Result<void> InterventionEffect::add(int layer, std::int64_t prompt_rows, const PrimitiveResult& result,
                                     std::span<const std::int64_t> positions) {
  VB_CHECK(check_size(layer, result, positions));
  LayerEffect& effect = effects_[layer];
  const std::vector<double>& input_norms = result.input_norm;
  effect.positions.add(positions);
  if (keeps_rows_) rows_[layer].add(result);
  ++effect.passes;
  effect.prompt_rows += prompt_rows;
  effect.decoded_rows += std::ssize(positions) - prompt_rows;
  effect.gates_open += result.gates_open;
  for (const double value : result.before) effect.before.add(value);
  for (const double value : result.after) effect.after.add(value);
  for (std::size_t row = 0; row < result.delta_norm.size() && row < input_norms.size(); ++row) {
    const double delta = result.delta_norm[row];
    effect.delta.add(delta);
    const double share = input_norms[row] > 0 ? delta / input_norms[row] : (delta > 0 ? 1.0 : 0.0);
    effect.relative.add(share);
    effect.unchanged_rows += share <= kNoEffect;
  }
  return ok();
}

const LayerEffect& InterventionEffect::at(int layer) const {
  static const LayerEffect kUntouched;
  const auto found = effects_.find(layer);
  return found == effects_.end() ? kUntouched : found->second;
}

std::string InterventionEffect::effect_of(const LayerEffect& effect) const {
  if (!edits()) return "observed";
  return effect.changed() ? "changed" : "none";
}

void InterventionEffect::put_measured(Json& out, const LayerEffect& effect) const {
  out["effect"] = effect_of(effect);
  out["intervened"] = effect.changed();
  out["rows_touched"] = effect.rows();
  out["unchanged_rows"] = effect.unchanged_rows;
  out["prompt_rows"] = effect.prompt_rows;
  out["decoded_rows"] = effect.decoded_rows;
  out["position_runs"] = effect.positions.to_json();
  out["gate_open_count"] = effect.gates_open;
  out["projection_summary_before"] = effect.before.to_json();
  out["projection_summary_after"] = effect.after.to_json();
  out["delta_summary"] = effect.delta.to_json();
  out["relative_delta_summary"] = effect.relative.to_json();
}

Json InterventionEffect::layer_json(int layer, const LayerEffect& effect) const {
  Json out = Json::object({{"passes", effect.passes}, {"no_op", edits() && !effect.changed()}});
  out["layer_index"] = info(intervention_.site).per_layer ? Json(layer) : Json();
  put_measured(out, effect);
  return out;
}

/// What the rows, the coefficients and their summary are called in the contract (7.3), for one layer or all of them.
void InterventionEffect::put_shapes(Json& out, std::int64_t rows) const {
  out["activation_shape"] = std::vector<std::int64_t>{rows, width_};
  out["projection_shape"] = std::vector<std::int64_t>{rows, primitive_.basis_rows};
  out["projection_summary"] = *out.find("projection_summary_before");
}

Json InterventionEffect::parameters(std::string_view dtype, const DeviceRef& device) const {
  Json out = Json::object({{"primitive", "activation_projection"},
                           {"name", intervention_.name},
                           {"site", to_string(intervention_.site)},
                           {"position_policy", intervention_.positions.to_string()},
                           {"mode", to_string(primitive_.mode)},
                           {"alpha", primitive_.alpha},
                           {"direction_digest", intervention_.direction_digest},
                           {"direction_values_sha256", digest_of(primitive_.direction)},
                           {"norm_before", Json(primitive_.norms_before)},
                           {"dtype", dtype},
                           {"device", device.label},
                           {"direction_shape", Json(std::vector<std::int64_t>{primitive_.basis_rows, width_})}});
  const bool conditional = primitive_.mode == PrimitiveMode::conditional;
  if (conditional) {
    out["inner_mode"] = to_string(primitive_.inner);
    out["tau"] = primitive_.tau;
    out["gate_values_sha256"] = digest_of(primitive_.gate);
    out["gate_norm"] = norm_of(primitive_.gate);  // as it was given: tau is compared with h . gate
  }
  if (primitive_.mode == PrimitiveMode::clamp || (conditional && primitive_.inner == PrimitiveMode::clamp)) {
    out["lo"] = primitive_.lo;
    out["hi"] = primitive_.hi;
  }
  return out;
}

TraceArtifact InterventionEffect::artifact(std::size_t index, std::string_view dtype, const DeviceRef& device) const {
  TraceArtifact out;
  out.artifact_id = format("intervention.{}", index);
  out.kind = ArtifactKind::intervention_result;
  out.site = intervention_.site;
  out.positions = intervention_.positions.to_string();
  if (info(intervention_.site).per_layer && layers_.size() == 1) out.layer = layers_.front();

  LayerEffect total;
  bool no_op = false;
  Json per_layer = Json::array();
  for (const int layer : layers_) {
    const LayerEffect& effect = at(layer);
    per_layer.push_back(layer_json(layer, effect));
    total.add(effect);
    no_op = no_op || (edits() && !effect.changed());
  }
  out.fire_count = total.passes;
  out.metadata = parameters(dtype, device);
  put_measured(out.metadata, total);
  put_shapes(out.metadata, total.rows());
  out.metadata["no_op"] = no_op;
  out.metadata["layer_index"] = out.layer ? Json(*out.layer) : Json();
  out.metadata["layers"] = std::move(per_layer);
  return out;
}

std::vector<ProjectionArtifact> InterventionEffect::projections(std::string_view dtype, const DeviceRef& device) const {
  std::vector<ProjectionArtifact> out;
  for (const auto& [layer, rows] : rows_) {
    const LayerEffect& effect = at(layer);
    TraceArtifact frame;
    frame.site = intervention_.site;
    if (info(intervention_.site).per_layer) frame.layer = layer;
    frame.positions = intervention_.positions.to_string();
    frame.fire_count = effect.passes;
    frame.metadata = Json::object({{"name", intervention_.name}, {"position_runs", effect.positions.to_json()}});
    Json details = parameters(dtype, device);
    const Json measured = layer_json(layer, effect);
    for (const auto& [key, value] : measured.entries()) details[key] = value;
    put_shapes(details, effect.rows());
    for (ProjectionArtifact& made : projection_artifacts(rows, primitive_.basis_rows, edits(), frame, details))
      out.push_back(std::move(made));
  }
  return out;
}

std::vector<Missing> InterventionEffect::no_ops() const {
  std::vector<Missing> out;
  if (!edits()) return out;
  for (const int layer : layers_) {
    const LayerEffect& effect = at(layer);
    if (effect.changed()) continue;
    Missing entry{.kind = ArtifactKind::intervention_result,
                  .site = intervention_.site,
                  .layer = {},
                  .reason = {},
                  .unsupported = false};
    if (info(intervention_.site).per_layer) entry.layer = layer;
    entry.reason =
        effect.rows() == 0
            ? format("intervention '{}' met no row at positions {}", intervention_.name,
                     intervention_.positions.to_string())
            : format("intervention '{}' had no effect: over {} rows it changed at most {:.3g} of a row's norm",
                     intervention_.name, effect.rows(), effect.relative.max());
    out.push_back(std::move(entry));
  }
  return out;
}

Result<std::vector<InterventionEffect>> check_interventions(const TraceRequest& request, const ModelConfig& config,
                                                            const Capability& capability) {
  std::vector<InterventionEffect> effects;
  for (const Intervention& intervention : request.interventions) {
    VB_TRY(InterventionEffect effect, InterventionEffect::make(intervention, config, capability));
    effects.push_back(std::move(effect));
  }
  return effects;
}

}  // namespace vauban
