#include "model/decoder/description.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/format.h"

namespace vauban {
namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-5 * std::max(std::abs(a), std::abs(b)); }

struct Geometric {
  double base = 0.0, factor = 1.0;
};
/// None for a table whose frequencies do not fall by one ratio, and for one with a single frequency, which any base gives.
std::optional<Geometric> geometric(const std::vector<double>& frequencies) {
  if (frequencies.size() < 2 || frequencies.front() <= 0.0) return {};
  const double ratio = frequencies[1] / frequencies[0];
  for (std::size_t i = 1; i < frequencies.size(); ++i)
    if (frequencies[i] <= 0.0 || !near(frequencies[i] / frequencies[i - 1], ratio)) return {};
  const double base = std::pow(ratio, -static_cast<double>(frequencies.size()));
  // A base was a short number before it became f32 powers.
  const double rounded = std::round(base);
  return Geometric{near(base, rounded) ? rounded : base, 1.0 / frequencies.front()};
}

Json table_json(const RopeTable& table) {
  const std::optional<Geometric> plain = geometric(table.inverse_frequency);
  const double slowest = table.inverse_frequency.empty() ? 0.0 : table.inverse_frequency.back();
  return Json::object({{"width", 2 * table.inverse_frequency.size()},
                       {"layout", table.layout == RopeLayout::half ? "half" : "interleaved"},
                       {"base", plain ? Json(plain->base) : Json()},
                       {"factor", plain ? Json(plain->factor) : Json()},
                       {"attention_factor", table.attention_factor},
                       {"longest_wavelength", slowest > 0.0 ? Json(2.0 * M_PI / slowest) : Json()}});
}

}  // namespace

Json BlockDescription::to_json() const {
  Json out = Json::object({{"kind", kind}, {"title", title}});
  for (const BlockFact& fact : facts) out[fact.name] = fact.value;
  return out;
}

bool operator==(const BlockDescription& a, const BlockDescription& b) {
  return a.kind == b.kind && a.title == b.title && a.kept_per_token == b.kept_per_token && a.window == b.window &&
         a.idle_parameters == b.idle_parameters && std::ranges::equal(a.facts, b.facts, [](const BlockFact& x, const BlockFact& y) {
           return x.name == y.name && x.value == y.value && x.text == y.text;
         });
}

Json rope_json(const RopeSpec& rope) {
  Json out = table_json(rope.table);
  out["by_length"] = rope.dynamic ? Json("dynamic") : rope.switch_length > 0 ? Json("longrope") : Json();
  if (rope.dynamic) out["original_length"] = rope.dynamic->original;
  if (rope.switch_length > 0) {
    out["original_length"] = rope.switch_length;
    out["beyond"] = table_json(rope.beyond);
  }
  return out;
}

namespace {

/// "base 1,000,000"; of a base that is no whole number its first digits.
std::string base_text(double base) {
  const bool whole = base == std::round(base) && std::abs(base) < 1e15;
  return "base " + (whole ? with_commas(static_cast<std::int64_t>(base)) : format("{:g}", base));
}

}  // namespace

std::string rope_text(const RopeSpec& rope) {
  const std::vector<double>& frequencies = rope.table.inverse_frequency;
  const std::optional<Geometric> plain = geometric(frequencies);
  std::string text = plain ? base_text(plain->base) : frequencies.size() < 2 ? "one frequency" : "scaled by frequency";
  if (plain && !near(plain->factor, 1.0)) text += format(" / {:g}", plain->factor);
  text += format(", {} wide", 2 * frequencies.size());
  if (rope.dynamic) text += format(", base grows past {}", rope.dynamic->original);
  if (rope.switch_length > 0) text += format(", other past {}", rope.switch_length);
  return text;
}

std::string_view title_of(NormKind kind) { return kind == NormKind::rms ? "RMSNorm" : "LayerNorm"; }

std::string_view title_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return "SiLU";
    case Activation::gelu_tanh:
      return "GELU (tanh)";
    case Activation::gelu_erf:
      return "GELU";
    case Activation::relu:
      return "ReLU";
    case Activation::relu_squared:
      return "ReLU squared";
    case Activation::sigmoid:
      return "sigmoid";
    case Activation::clamped_swiglu:
      return "clamped SwiGLU";
  }
  return "?";
}

std::string_view title_of(Residuals residuals) {
  switch (residuals) {
    case Residuals::before:
      return "norm before each block";
    case Residuals::after:
      return "norm after each block";
    case Residuals::around:
      return "norms before and after each block";
    case Residuals::parallel:
      return "blocks in parallel, one norm";
    case Residuals::parallel_two_norms:
      return "blocks in parallel, a norm each";
  }
  return "?";
}

std::int64_t parameters_of(const NormSpec& norm, std::int64_t width) { return (norm.weight ? width : 0) + (norm.bias ? width : 0); }

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::size_t sign = text.front() == '-' ? 1 : 0;
  for (std::size_t at = text.size(); at > sign + 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace vauban
