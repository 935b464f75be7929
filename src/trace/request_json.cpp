#include <charconv>
#include <limits>

#include "base/strings.h"
#include "trace/json_fields.h"
#include "trace/trace_json.h"
#include "trace/vocabulary.h"
#include "trace/wants.h"

namespace vauban {
namespace {

using namespace json_fields;

Result<PrimitiveMode> mode_from(const Json& json, std::string_view key) {
  VB_TRY(const std::string name, json.get_string(key));
  return as_corrupt(mode_from_word(name));
}

/// As a decimal string where a signed 64-bit reader would overflow.
Json seed_json(std::uint64_t seed) {
  if (seed <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return static_cast<std::int64_t>(seed);
  return format("{}", seed);
}

Result<std::uint64_t> seed_from(const Json& json) {
  const Json* seed = present(json, "seed");
  if (!seed) return std::uint64_t{0};
  if (!seed->is_string()) {
    VB_TRY(const std::int64_t value, json.get_int("seed"));
    if (value < 0) return corrupt("expected a seed >= 0, found {}", value);
    return static_cast<std::uint64_t>(value);
  }
  const std::string& text = seed->as_string();
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || text.empty())
    return corrupt("expected a seed of 64 bits, found '{}'", printable(text, 60));
  return value;
}

Result<int> small_int_or(const Json& json, std::string_view key, int fallback) {
  VB_TRY(const std::int64_t value, int_or(json, key, fallback));
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
    return corrupt("expected an integer of 32 bits at key '{}', found {}", key, value);
  return static_cast<int>(value);
}

Result<std::vector<int>> small_ints(const Json& json, std::string_view key) {
  VB_TRY(const std::vector<std::int64_t> values, ints(json, key));
  for (const std::int64_t value : values)
    if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
      return corrupt("expected integers of 32 bits at key '{}', found {}", key, value);
  return std::vector<int>(values.begin(), values.end());
}

Json sampling_json(const Sampling& s) {
  return Json::object({{"temperature", s.temperature},
                       {"top_k", s.top_k},
                       {"top_p", s.top_p},
                       {"min_p", s.min_p},
                       {"repetition_penalty", s.repetition_penalty},
                       {"repetition_window", s.repetition_window},
                       {"seed", seed_json(s.seed)},
                       {"sample", s.sample},
                       {"max_tokens", s.max_tokens},
                       {"stop", Json(s.stop)},
                       {"ignore_eos", s.ignore_eos}});
}

Result<Sampling> sampling_from(const Json& json) {
  VB_CHECK(only(json, {"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "repetition_window", "seed",
                       "sample", "max_tokens", "stop", "ignore_eos"}));
  Sampling s;
  VB_TRY(s.temperature, double_or(json, "temperature", s.temperature));
  VB_TRY(s.top_k, small_int_or(json, "top_k", s.top_k));
  VB_TRY(s.top_p, double_or(json, "top_p", s.top_p));
  VB_TRY(s.min_p, double_or(json, "min_p", s.min_p));
  VB_TRY(s.repetition_penalty, double_or(json, "repetition_penalty", s.repetition_penalty));
  VB_TRY(s.repetition_window, small_int_or(json, "repetition_window", s.repetition_window));
  VB_TRY(s.seed, seed_from(json));
  VB_TRY(const std::int64_t sample, int_or(json, "sample", 0));
  if (sample < 0 || sample > std::numeric_limits<std::uint32_t>::max())
    return corrupt("expected an integer of 32 bits >= 0 at key 'sample', found {}", sample);
  s.sample = static_cast<std::uint32_t>(sample);
  VB_TRY(s.max_tokens, small_int_or(json, "max_tokens", s.max_tokens));
  VB_TRY(s.stop, texts(json, "stop"));
  VB_TRY(s.ignore_eos, bool_or(json, "ignore_eos", s.ignore_eos));
  return s;
}

Json want_json(const Want& want) {
  const std::optional<Site> site = site_of(want);
  return Json::object({{"kind", to_string(want.kind)},
                       {"site", site ? Json(to_string(*site)) : Json()},
                       {"layers", Json(want.layers)},
                       {"positions", want.positions.to_string()},
                       {"form", to_string(want.form)},
                       {"top_k", want.top_k},
                       {"moment", to_string(want.moment)},
                       {"dtype", want.dtype}});
}

Result<Positions> positions_of(const Json& json) {
  VB_TRY(const std::string text, text_or(json, "positions", "all"));
  return as_corrupt(positions_from(text));
}

Result<Want> want_from(const Json& json) {
  VB_CHECK(only(json, {"kind", "site", "layers", "positions", "form", "top_k", "moment", "dtype"}));
  Want want;
  VB_TRY(const std::string kind, json.get_string("kind"));
  VB_TRY(want.kind, as_corrupt(artifact_kind_from(kind)));
  if (present(json, "site")) {
    VB_TRY(const std::string site, json.get_string("site"));
    VB_TRY(want.site, as_corrupt(site_from(site)));
  }
  VB_TRY(want.layers, small_ints(json, "layers"));
  VB_TRY(want.positions, positions_of(json));
  VB_TRY(const std::string form, text_or(json, "form", std::string(to_string(want.form))));
  VB_TRY(want.form, as_corrupt(form_from(form)));
  VB_TRY(want.top_k, small_int_or(json, "top_k", want.top_k));
  VB_TRY(const std::string moment, text_or(json, "moment", std::string(to_string(want.moment))));
  VB_TRY(want.moment, as_corrupt(moment_from(moment)));
  VB_TRY(want.dtype, text_or(json, "dtype", want.dtype));
  return want;
}

Json primitive_json(const Primitive& p) {
  return Json::object({{"mode", mode_word(p.mode)},
                       {"direction", Json(p.direction)},
                       {"basis_rows", p.basis_rows},
                       {"alpha", p.alpha},
                       {"lo", p.lo},
                       {"hi", p.hi},
                       {"gate", Json(p.gate)},
                       {"tau", p.tau},
                       {"inner", mode_word(p.inner)},
                       {"norms_before", Json(p.norms_before)}});
}

Result<Primitive> primitive_from(const Json& json) {
  VB_CHECK(
      only(json, {"mode", "direction", "basis_rows", "alpha", "lo", "hi", "gate", "tau", "inner", "norms_before"}));
  Primitive p;
  VB_TRY(p.mode, mode_from(json, "mode"));
  VB_TRY(p.direction, doubles(json, "direction"));
  VB_TRY(p.basis_rows, int_or(json, "basis_rows", p.basis_rows));
  VB_TRY(p.alpha, double_or(json, "alpha", p.alpha));
  VB_TRY(p.lo, double_or(json, "lo", p.lo));
  VB_TRY(p.hi, double_or(json, "hi", p.hi));
  VB_TRY(p.gate, doubles(json, "gate"));
  VB_TRY(p.tau, double_or(json, "tau", p.tau));
  if (present(json, "inner")) {
    VB_TRY(p.inner, mode_from(json, "inner"));
  }
  VB_TRY(p.norms_before, doubles(json, "norms_before"));
  return p;
}

Json intervention_json(const Intervention& i) {
  return Json::object({{"name", i.name},
                       {"site", to_string(i.site)},
                       {"layers", Json(i.layers)},
                       {"positions", i.positions.to_string()},
                       {"primitive", primitive_json(i.primitive)},
                       {"direction_digest", or_null(i.direction_digest)}});
}

Result<Intervention> intervention_from(const Json& json) {
  VB_CHECK(only(json, {"name", "site", "layers", "positions", "primitive", "direction_digest"}));
  Intervention intervention;
  VB_TRY(intervention.name, json.get_string("name"));
  VB_TRY(const std::string site, json.get_string("site"));
  VB_TRY(intervention.site, as_corrupt(site_from(site)));
  VB_TRY(intervention.layers, small_ints(json, "layers"));
  VB_TRY(intervention.positions, positions_of(json));
  VB_TRY(const Json* primitive, json.get_object("primitive"));
  VB_TRY(intervention.primitive, primitive_from(*primitive), "in 'primitive'");
  VB_TRY(intervention.direction_digest, text_or(json, "direction_digest", ""));
  return intervention;
}

template <class T>
Json list_of(const std::vector<T>& values, Json (*write)(const T&)) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(write(value));
  return list;
}

}  // namespace

/// `profile` is written only when it is not empty, so that stored requests keep their digests.
Json to_json(const TraceRequest& request) {
  Json json = Json::object({{"trace_id", request.trace_id},
                       {"input_text", or_null(request.input_text)},
                       {"prompt_ids", Json(request.prompt_ids)},
                       {"apply_chat_template", request.apply_chat_template},
                       {"add_special", request.add_special},
                       {"sampling", sampling_json(request.sampling)},
                       {"want", list_of(request.want, want_json)},
                       {"interventions", list_of(request.interventions, intervention_json)},
                       {"leave_out", Json(request.leave_out)},
                       {"metadata", object_of(request.metadata)}});
  if (!request.profile.empty()) json["profile"] = Json(request.profile);
  return json;
}

Result<TraceRequest> request_from_json(const Json& json) {
  VB_CHECK(only(json, {"trace_id", "input_text", "prompt_ids", "apply_chat_template", "add_special", "sampling", "want",
                       "interventions", "leave_out", "profile", "metadata"}));
  TraceRequest request;
  VB_TRY(request.trace_id, json.get_string("trace_id"));
  VB_TRY(request.input_text, text_or(json, "input_text", ""));
  VB_TRY(request.prompt_ids, small_ints(json, "prompt_ids"));
  VB_TRY(request.apply_chat_template, bool_or(json, "apply_chat_template", request.apply_chat_template));
  VB_TRY(request.add_special, bool_or(json, "add_special", request.add_special));
  if (const Json* sampling = present(json, "sampling")) {
    VB_TRY(request.sampling, sampling_from(*sampling), "in 'sampling'");
  }
  VB_TRY(request.want, each<Want>(json, "want", want_from));
  VB_TRY(request.interventions, each<Intervention>(json, "interventions", intervention_from));
  VB_TRY(request.leave_out, texts(json, "leave_out"));
  VB_TRY(request.profile, texts(json, "profile"));
  VB_TRY(request.metadata, object_or_null(json, "metadata"));
  return request;
}

}  // namespace vauban
