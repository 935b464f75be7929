#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/result.h"
#include "base/strings.h"
#include "trace/vocabulary.h"
#include "trace/wants.h"
#include "vauban/trace.h"

namespace vauban {
namespace {

constexpr std::array<std::string_view, 4> kStages{"observe", "decode", "score", "emit"};

bool blank(std::string_view text) { return trim(text).empty(); }

Result<void> check_input(const TraceRequest& request) {
  const bool has_text = !request.input_text.empty();
  const bool has_ids = !request.prompt_ids.empty();
  if (has_text == has_ids)
    return invalid_input("expected exactly one of input_text and prompt_ids, found {}", has_text ? "both" : "neither");
  if (has_text && blank(request.input_text))
    return invalid_input("field 'input_text': expected text, found only blanks");
  if (!is_valid_utf8(request.input_text)) return invalid_input("field 'input_text': expected UTF-8, found other bytes");
  for (std::size_t i = 0; i < request.prompt_ids.size(); ++i)
    if (request.prompt_ids[i] < 0)
      return invalid_input("field 'prompt_ids[{}]': expected an id >= 0, found {}", i, request.prompt_ids[i]);
  return ok();
}

Result<void> check_range(std::string_view field, double value, bool good, std::string_view expected) {
  if (good && std::isfinite(value)) return ok();
  return invalid_input("field 'sampling.{}': expected {}, found {}", field, expected, value);
}

Result<void> check_sampling(const Sampling& s) {
  VB_CHECK(check_range("temperature", s.temperature, s.temperature >= 0, "a number >= 0"));
  VB_CHECK(check_range("top_k", s.top_k, s.top_k >= 0, "an integer >= 0 (0: off)"));
  VB_CHECK(check_range("top_p", s.top_p, s.top_p > 0 && s.top_p <= 1, "a number in (0, 1]"));
  VB_CHECK(check_range("min_p", s.min_p, s.min_p >= 0 && s.min_p < 1, "a number in [0, 1)"));
  VB_CHECK(check_range("repetition_penalty", s.repetition_penalty, s.repetition_penalty > 0, "a number > 0"));
  VB_CHECK(check_range("repetition_window", s.repetition_window, s.repetition_window >= 0, "an integer >= 0"));
  VB_CHECK(check_range("max_tokens", s.max_tokens, s.max_tokens >= 0, "an integer >= 0"));
  for (std::size_t i = 0; i < s.stop.size(); ++i)
    if (s.stop[i].empty()) return invalid_input("field 'sampling.stop[{}]': expected text, found none", i);
  return ok();
}

Result<void> check_positions(const Positions& p) {
  using Kind = Positions::Kind;
  if (p.kind == Kind::range && (p.begin < 0 || p.end < p.begin))
    return invalid_input("positions: expected 0 <= begin <= end, found {} and {}", p.begin, p.end);
  if (p.kind != Kind::list) return ok();
  if (p.values.empty()) return invalid_input("positions: expected at least one in the list, found none");
  if (*std::min_element(p.values.begin(), p.values.end()) < 0)
    return invalid_input("positions: expected values >= 0, found '{}'", p.to_string());
  if (std::set(p.values.begin(), p.values.end()).size() != p.values.size())
    return invalid_input("positions: expected no value twice, found '{}'", p.to_string());
  return ok();
}

Result<void> check_layers(const std::vector<int>& layers, Site site) {
  if (!layers.empty() && !info(site).per_layer)
    return invalid_input("layers: site '{}' has no layers, found {} of them", to_string(site), layers.size());
  for (const int layer : layers)
    if (layer < 0) return invalid_input("layers: expected numbers >= 0, found {}", layer);
  if (std::set(layers.begin(), layers.end()).size() != layers.size())
    return invalid_input("layers: expected no layer twice");
  return ok();
}

/// Projections are those of the request's interventions, which have layers and positions of their own.
Result<void> check_projections(const Want& want) {
  if (!want.layers.empty() || want.positions != Positions{})
    return invalid_input("kind 'metric': layers and positions are those of the interventions, found others");
  if (want.dtype != "f32")
    return invalid_input("kind 'metric': expected dtype 'f32', found '{}'", printable(want.dtype, 60));
  return ok();
}

Result<void> check_want(const Want& want) {
  const bool needs_site =
      want.kind == ArtifactKind::activation || want.kind == ArtifactKind::logits || want.kind == ArtifactKind::logprobs;
  if (needs_site && !site_of(want))
    return invalid_input("site '{}' yields artifacts of kind '{}', found kind '{}'", to_string(want.site),
                         to_string(artifact_kind_of(want.site)), to_string(want.kind));
  if (want.kind == ArtifactKind::metric) VB_CHECK(check_projections(want));
  VB_CHECK(check_layers(want.layers, want.site));
  VB_CHECK(check_positions(want.positions));
  const bool has_top = want.kind == ArtifactKind::logits || want.kind == ArtifactKind::logprobs;
  if (want.form == Form::top_k && !has_top)
    return invalid_input("form: top_k is for logits and logprobs, found kind '{}'", to_string(want.kind));
  if (want.form == Form::top_k && want.top_k < 1) return invalid_input("top_k: expected >= 1, found {}", want.top_k);
  if (want.dtype != "f32" && want.dtype != "f16")
    return invalid_input("dtype: expected 'f32' or 'f16', found '{}'", printable(want.dtype, 60));
  return ok();
}

bool same_layers(const Want& a, const Want& b) {
  if (a.layers.empty() || b.layers.empty()) return true;
  const auto in_b = [&](int layer) { return std::find(b.layers.begin(), b.layers.end(), layer) != b.layers.end(); };
  return std::any_of(a.layers.begin(), a.layers.end(), in_b);
}

/// Asked twice: the same observation, in the same form, at the same place.
bool repeats(const Want& a, const Want& b) {
  return a.kind == b.kind && site_of(a) == site_of(b) && a.moment == b.moment && a.form == b.form &&
         a.top_k == b.top_k && a.dtype == b.dtype && a.positions == b.positions && same_layers(a, b);
}

/// The vectors themselves are checked by validate_primitive, which knows the model's width.
Result<void> check_intervention(const Intervention& intervention) {
  if (blank(intervention.name)) return invalid_input("name: expected text, found none");
  VB_CHECK(check_layers(intervention.layers, intervention.site));
  VB_CHECK(check_positions(intervention.positions));
  if (intervention.primitive.direction.empty()) return invalid_input("primitive: expected a direction, found none");
  if (!std::isfinite(intervention.primitive.alpha)) return invalid_input("primitive: expected a finite alpha");
  return ok();
}

Result<void> check_left_out(const std::vector<std::string>& stages) {
  for (const std::string& stage : stages)
    if (std::find(kStages.begin(), kStages.end(), stage) == kStages.end())
      return invalid_input("field 'leave_out': expected observe, decode, score or emit, found '{}'",
                           printable(stage, 60));
  if (std::set(stages.begin(), stages.end()).size() != stages.size())
    return invalid_input("field 'leave_out': expected no stage twice");
  return ok();
}

}  // namespace

Result<void> validate_wants(std::span<const Want> wants) {
  for (std::size_t i = 0; i < wants.size(); ++i) {
    VB_CHECK(check_want(wants[i]), "in field 'want[{}]'", i);
    for (std::size_t j = 0; j < i; ++j)
      if (repeats(wants[i], wants[j]))
        return invalid_input("fields 'want[{}]' and 'want[{}]' ask for the same: expected each observation once", j, i);
  }
  return ok();
}

Result<void> validate(const TraceRequest& request) {
  if (blank(request.trace_id)) return invalid_input("field 'trace_id': expected text, found none");
  VB_CHECK(check_input(request));
  VB_CHECK(check_sampling(request.sampling));
  VB_CHECK(validate_wants(request.want));
  for (std::size_t i = 0; i < request.interventions.size(); ++i)
    VB_CHECK(check_intervention(request.interventions[i]), "in field 'interventions[{}]'", i);
  VB_CHECK(check_left_out(request.leave_out));
  if (!request.metadata.is_null() && !request.metadata.is_object())
    return invalid_input("field 'metadata': expected an object, found {}", request.metadata.type_name());
  return ok();
}

}  // namespace vauban
