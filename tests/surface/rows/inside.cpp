#include <algorithm>
#include <map>

#include "model/model.h"
#include "support/model_session.h"
#include "surface/rows/rows.h"

namespace vauban::test {
namespace {

/// "" where the trace has none.
std::string logits_digest(const Trace& trace) {
  const TraceArtifact* logits = trace.find("logits");
  return logits ? logits->digest : std::string();
}

using Payloads = std::map<std::string, std::vector<float>>;

Payloads by_name(const Watched& seen) {
  Payloads out;
  for (const MemorySink::Payload& payload : seen.payloads) out[payload.name] = payload.values;
  return out;
}

/// The forward pass's own values that this backend declares whole.
std::vector<Want> observable_sites(SurfaceBench& bench) {
  std::vector<Want> wants;
  for (const Site site : sites_of(bench.local().loaded().config.decoder)) {
    if (bench.runtime().capabilities().site(site).level != SupportLevel::full) continue;
    Want want = want_payload(site);
    if (want.kind == ArtifactKind::activation) wants.push_back(want);
  }
  return wants;
}

Intervention edit_of(PrimitiveMode mode, double alpha) {
  Intervention out;
  out.name = "surface";
  out.layers = {0};
  out.primitive.mode = mode;
  out.primitive.direction = surface_direction();
  out.primitive.alpha = alpha;
  out.direction_digest = std::string(64, 'd');
  return out;
}

Want activation_of_layer_0(Moment moment) {
  Want want = want_payload(Site::resid_post);
  want.layers = {0};
  want.moment = moment;
  return want;
}

const std::vector<float>* payload_named(const Watched& seen, std::string_view name) {
  const auto found = std::ranges::find(seen.payloads, name, &MemorySink::Payload::name);
  return found == seen.payloads.end() ? nullptr : &found->values;
}

}  // namespace

Result<Measured> every_site_near_the_reference(SurfaceBench& bench) {
  VB_TRY(LocalSession * reference, bench.reference());
  const TraceRequest request = surface_request("sites", 0, observable_sites(bench));
  VB_TRY(const Watched here, watch(bench.runtime(), request));
  VB_TRY(const Watched there, watch(reference->runtime(), request));
  const Payloads found = by_name(here);
  Measured out{.emitted = has_kind(here.trace, ArtifactKind::activation)};
  for (const auto& [name, expected] : by_name(there)) {
    const auto at = found.find(name);
    const double difference = largest_difference(at == found.end() ? std::vector<float>() : at->second, expected);
    if (difference > out.value) out = {out.emitted, difference, name};
  }
  if (!here.trace.missing().empty()) return Measured{false, 0, "missing: " + here.trace.missing().front().reason};
  return out;
}

Result<Measured> projections_are_those_of_the_activations(SurfaceBench& bench) {
  Want projections{.kind = ArtifactKind::metric, .form = Form::payload};
  TraceRequest request = surface_request("projections", 2, {activation_of_layer_0(Moment::before), projections});
  request.interventions = {edit_of(PrimitiveMode::project, 1.0)};
  VB_TRY(const Watched seen, watch(bench.runtime(), request));
  const auto *rows = payload_named(seen, "resid_post.0"), *found = payload_named(seen, "activation_projection.layer_0");
  if (!has_kind(seen.trace, ArtifactKind::metric) || !rows || !found) return Measured{};
  const std::vector<double> direction = unit(surface_direction());
  std::vector<float> expected;
  for (std::size_t at = 0; at < rows->size(); at += kTinyWidth)
    expected.push_back(static_cast<float>(dot(std::span(*rows).subspan(at, kTinyWidth), direction)));
  return Measured{true, largest_difference(*found, expected), ""};
}

Result<Measured> removal_leaves_no_projection(SurfaceBench& bench) {
  TraceRequest request =
      surface_request("removal", 2, {activation_of_layer_0(Moment::after), want_payload(Site::logits)});
  VB_TRY(const Watched plain, watch(bench.runtime(), request));
  request.interventions = {edit_of(PrimitiveMode::subtract, 1.0)};
  VB_TRY(const Watched edited, watch(bench.runtime(), request));
  const TraceArtifact* record = edited.trace.find("intervention.0");
  const auto* rows = payload_named(edited, "resid_post.0");
  if (!record || !rows || logits_digest(edited.trace).empty()) return Measured{};
  Faults faults;
  for (const std::string_view key :
       {"primitive", "name", "site", "mode", "alpha", "direction_digest", "norm_before", "position_policy",
        "direction_shape", "projection_summary_before", "dtype", "device"})
    faults.expect(record->metadata.find(key) != nullptr, format("the record has no '{}'", key));
  faults.expect(*record->metadata.find("effect") == Json("changed"), "the record says that nothing changed");
  faults.expect(logits_digest(edited.trace) != logits_digest(plain.trace), "the logits did not change");
  if (faults.count() > 0) return Measured{true, 1.0 + faults.count(), faults.note()};
  const std::vector<double> direction = unit(surface_direction());
  double largest = 0;
  for (std::size_t at = 0; at < rows->size(); at += kTinyWidth)
    largest = std::max(largest, std::abs(dot(std::span(*rows).subspan(at, kTinyWidth), direction)));
  return Measured{true, largest, ""};
}

Result<Measured> no_effect_is_recorded_as_none(SurfaceBench& bench) {
  TraceRequest request = surface_request("no-op", 2, {want_payload(Site::logits)});
  VB_TRY(const Watched plain, watch(bench.runtime(), request));
  request.interventions = {edit_of(PrimitiveMode::subtract, 0.0)};
  VB_TRY(const Watched edited, watch(bench.runtime(), request));
  const TraceArtifact* record = edited.trace.find("intervention.0");
  if (!record) return Measured{};
  const Json* no_ops = edited.trace.parts().metadata.find("no_op_interventions");
  Faults faults;
  faults.expect(*record->metadata.find("effect") == Json("none"), "the record speaks of an effect");
  faults.expect(*record->metadata.find("no_op") == Json(true), "the record does not call it a no-op");
  faults.expect(no_ops && no_ops->size() == 1, "the trace does not list the no-op");
  faults.expect(logits_digest(edited.trace) == logits_digest(plain.trace), "the logits changed");
  return Measured{true, faults.count(), faults.note()};
}

Result<Measured> steps_equal_one_pass(SurfaceBench& bench) {
  Want pages = want_payload(Site::kv_pages);
  pages.kind = ArtifactKind::other;
  pages.form = Form::summary;
  const TraceRequest request = surface_request("steps", 24, {want_payload(Site::logits), pages});  // several pages
  VB_TRY(const Watched stepped, watch(bench.runtime(), request));
  const TraceArtifact* made = stepped.trace.find("generated_tokens");
  if (!made || stepped.payloads.empty() || !stepped.trace.find("kv_pages")) return Measured{};
  TraceRequest whole = surface_request("pass", 0, {want_payload(Site::logits)});
  for (const Json& id : made->metadata.find("ids")->items())
    whole.prompt_ids.push_back(static_cast<std::int32_t>(id.as_int()));
  whole.prompt_ids.pop_back();  // the last new token is never fed back
  VB_TRY(const Watched passed, watch(bench.runtime(), whole));
  return Measured{true, largest_difference(stepped.payloads.front().values, passed.payloads.front().values), ""};
}

Result<Measured> fork_leaves_the_other_alone(SurfaceBench& bench) {
  VB_TRY(const auto session, ModelSession::open(bench.model(), bench.backend(), 1, 80, bench.device_name()));
  const std::vector<std::int32_t> prompt = surface_prompt(), left{261, 262, 263}, right{264, 265, 266};
  const auto fresh = [&](const std::vector<std::int32_t>& tail) -> Result<std::vector<double>> {
    SequenceState sequence(session->pages());
    VB_CHECK(session->step(sequence, prompt));
    return session->step(sequence, tail);
  };
  VB_TRY(const std::vector<double> left_alone, fresh(left));
  VB_TRY(const std::vector<double> right_alone, fresh(right));
  SequenceState one(session->pages());
  VB_CHECK(session->step(one, prompt));
  SequenceState other = one.fork();
  const bool shared = one.pages() == other.pages();
  VB_TRY(const std::vector<double> left_forked, session->step(one, left));
  VB_TRY(const std::vector<double> right_forked, session->step(other, right));
  const bool copied = one.pages() != other.pages();
  double largest = 0;
  for (std::size_t i = 0; i < left_alone.size(); ++i)
    largest = std::max({largest, std::abs(left_alone[i] - left_forked[i]), std::abs(right_alone[i] - right_forked[i])});
  return Measured{shared && copied, largest, shared && copied ? "" : "no page was shared, then copied"};
}

}  // namespace vauban::test
