#include "trace/observe_spec.h"

#include <numeric>

#include "base/strings.h"
#include "trace/vocabulary.h"
#include "trace/wants.h"

namespace vauban {
namespace {

constexpr std::int64_t kMaxLayer = 9'999;     // far above any model, so that a typo cannot fill memory
constexpr std::int64_t kMaxTop = 10'000'000;  // above any vocabulary
constexpr std::size_t kQuotedBytes = 80;
constexpr std::string_view kProjections = "projections:";

Error refused(std::string_view what, std::string_view expected, std::string_view found) {
  return invalid_input("{}: expected {}, found '{}'", what, expected, printable(found, kQuotedBytes));
}

/// Digits only, at most `limit`.
Result<std::int64_t> number_from(std::string_view text, std::int64_t limit, std::string_view what,
                                 std::string_view expected) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return refused(what, expected, text);
  const auto value = parse_int(text);
  if (!value || *value > limit) return refused(what, format("a number up to {}", limit), text);
  return *value;
}

Result<std::vector<int>> layers_from(std::string_view text) {
  constexpr std::string_view kExpected = "layers 'all', '3' or '0-3'";
  if (text == "all") return std::vector<int>();
  const std::size_t dash = text.find('-');
  VB_TRY(const std::int64_t first, number_from(text.substr(0, dash), kMaxLayer, "layers", kExpected));
  if (dash == std::string_view::npos) return std::vector<int>{static_cast<int>(first)};
  VB_TRY(const std::int64_t last, number_from(text.substr(dash + 1), kMaxLayer, "layers", kExpected));
  if (last < first) return refused("layers", "the first layer before the last", text);
  std::vector<int> layers(static_cast<std::size_t>(last - first + 1));
  std::iota(layers.begin(), layers.end(), static_cast<int>(first));
  return layers;
}

Result<void> read_top(std::string_view text, Want& want) {
  VB_TRY(const std::int64_t count, number_from(text.substr(3), kMaxTop, "form", "'top' and a number, as in 'top20'"));
  if (count < 1) return refused("form", "'top1' or more", text);
  if (want.kind != ArtifactKind::logits && want.kind != ArtifactKind::logprobs)
    return refused("form",
                   format("'summary' or 'payload' (topN is for logits and logprobs, not '{}')", to_string(want.site)),
                   text);
  want.form = Form::top_k;
  want.top_k = static_cast<int>(count);
  return ok();
}

Result<void> read_form(std::string_view text, Want& want) {
  if (text.starts_with("top")) return read_top(text, want);
  if (text == "payload_f16") {
    want.form = Form::payload;
    want.dtype = "f16";
    return ok();
  }
  if (text != "summary" && text != "payload") {
    const std::string nearest = did_you_mean(text, {"summary", "payload", "payload_f16"});
    return with_hint(refused("form", "'summary', 'payload', 'payload_f16' or 'topN'", text),
                     nearest.empty() ? "" : format("did you mean '{}'?", nearest));
  }
  want.form = text == "payload" ? Form::payload : Form::summary;
  return ok();
}

/// Cuts "@positions" off `spec`.
Result<Positions> take_positions(std::string_view& spec) {
  const std::size_t at = spec.find('@');
  if (at == std::string_view::npos) return Positions{};
  const std::string_view text = spec.substr(at + 1);
  spec = spec.substr(0, at);
  return positions_from(text);
}

/// The number of parts must be what the site has.
Result<void> check_parts(const SiteInfo& site, std::size_t parts) {
  if (parts == (site.per_layer ? 3u : 2u)) return ok();
  if (site.per_layer)
    return invalid_input("expected '{0}:layers:form', as in '{0}:all:summary', found {1} part(s)", site.name, parts);
  return invalid_input("expected '{0}:form', as in '{0}:summary': this site has no layers; found {1} part(s)",
                       site.name, parts);
}

/// `projections:form`: those of the request's interventions, at their layers and positions.
Result<Want> projections_from(std::string_view form) {
  Want want{.kind = ArtifactKind::metric};
  if (form != "summary" && form != "payload") return refused("form", "'summary' or 'payload'", form);
  VB_CHECK(read_form(form, want));
  return want;
}

Result<Want> want_from(std::string_view spec) {
  if (spec.starts_with(kProjections)) return projections_from(spec.substr(kProjections.size()));
  Want want;
  VB_TRY(want.positions, take_positions(spec));
  const std::vector<std::string_view> parts = split(spec, ':');
  VB_TRY(want.site, site_from(parts.front()));
  VB_CHECK(check_parts(info(want.site), parts.size()));
  want.kind = artifact_kind_of(want.site);
  if (parts.size() == 3) {
    VB_TRY(want.layers, layers_from(parts[1]));
  }
  VB_CHECK(read_form(parts.back(), want));
  return want;
}

bool gapless(const std::vector<int>& layers) {
  for (std::size_t i = 1; i < layers.size(); ++i)
    if (layers[i] != layers[i - 1] + 1) return false;
  return true;
}

std::string layers_text(const std::vector<int>& layers) {
  if (layers.empty()) return "all";
  if (layers.size() == 1) return format("{}", layers.front());
  return format("{}-{}", layers.front(), layers.back());
}

}  // namespace

Result<Want> parse_observe_spec(std::string_view spec) {
  VB_TRY(Want want, want_from(trim(spec)), "in '{}' of --observe", printable(trim(spec), kQuotedBytes));
  return want;
}

Result<std::vector<Want>> parse_observe(std::string_view text) {
  std::vector<Want> wants;
  for (const std::string_view spec : split(text, ',')) {
    VB_TRY(Want want, parse_observe_spec(spec));
    wants.push_back(std::move(want));
  }
  VB_CHECK(validate_wants(wants), "in --observe, whose SPECs are counted from 0");
  return wants;
}

std::string observe_spec(const Want& want) {
  if (want.kind == ArtifactKind::metric) return format("{}{}", kProjections, to_string(want.form));
  const bool sayable = want.moment == Moment::after && gapless(want.layers) &&
                       artifact_kind_of(want.site) == want.kind &&
                       (want.positions.kind != Positions::Kind::list || want.positions.values.size() == 1);
  if (!sayable) return "";
  std::string spec(to_string(want.site));
  if (info(want.site).per_layer) spec += ":" + layers_text(want.layers);
  if (want.form == Form::top_k)
    spec += format(":top{}", want.top_k);
  else
    spec += want.form == Form::summary ? ":summary" : want.dtype == "f16" ? ":payload_f16" : ":payload";
  if (want.positions != Positions{}) spec += "@" + want.positions.to_string();
  return spec;
}

}  // namespace vauban
