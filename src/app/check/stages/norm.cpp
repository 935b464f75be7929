/// Are the weights of the norms the trained ones? Half of one, twice one, its mean, and its extremes at the median must
/// each do no better than what is stored.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "app/check/check.h"
#include "app/check/parts.h"

namespace vauban {
namespace {

constexpr std::size_t kExtremes = 4;          // values of a norm that are put back together
constexpr std::size_t kTriedOfLarge = 12;     // norms of a large model for which alternatives are tried
constexpr std::int64_t kLarge = 1'000'000'000;  // parameters

double rms(std::span<const float> values) {
  double squares = 0.0;
  for (const float v : values) squares += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(squares / static_cast<double>(std::max<std::size_t>(values.size(), 1)));
}

float median(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The values farthest from the median, put at the median.
std::vector<float> without_extremes(const std::vector<float>& values, float middle) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater{}, [&](std::size_t i) { return std::abs(values[i] - middle); });
  std::vector<float> out = values;
  for (std::size_t i = 0; i < std::min(kExtremes, order.size()); ++i) out[order[i]] = middle;
  return out;
}

struct Tried {
  std::string name;
  std::vector<float> values;
  double conspicuous = 0.0;  ///< how far its size is from that of its kind, and its largest value from its size
};

std::vector<std::pair<std::string, WeightEdit>> alternatives_to(const Tried& norm) {
  const auto set = [&](std::vector<float> values) {
    const auto n = static_cast<std::int64_t>(values.size());
    return WeightEdit{.tensor = norm.name, .op = "set", .operand = std::move(values), .operand_shape = {n}};
  };
  const float mean = static_cast<float>(std::accumulate(norm.values.begin(), norm.values.end(), 0.0) / static_cast<double>(norm.values.size()));
  const float middle = median(norm.values);
  return {{"half of it", {.tensor = norm.name, .op = "scale", .alpha = 0.5}},
          {"twice it", {.tensor = norm.name, .op = "scale", .alpha = 2.0}},
          {"its mean everywhere", set(std::vector<float>(norm.values.size(), mean))},
          {"its median everywhere", set(std::vector<float>(norm.values.size(), middle))},
          {format("its {} most extreme values at the median", kExtremes), set(without_extremes(norm.values, middle))}};
}

/// Values that no alternative need be tried for. -> whether the norm is worth trying
bool test_values(const std::string& name, const std::vector<float>& values, Findings& findings) {
  const auto bad = std::ranges::count_if(values, [](float v) { return !std::isfinite(v); });
  if (bad > 0) {
    findings.fault("{}: {} of {} values are not finite", name, bad, values.size());
  } else if (std::ranges::all_of(values, [](float v) { return v == 0.0F; })) {
    findings.fault("{}: all {} values are zero", name, values.size());
  } else if (rms(values) > 1e4 || rms(values) < 1e-6) {
    findings.fault("{}: its size {:.3g} is beyond that of any norm", name, rms(values));
  } else {
    return true;
  }
  return false;
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  std::vector<Tried> norms;
  std::map<std::string, std::vector<double>> sizes;
  std::vector<std::string> kinds;
  for (const NormWeight& norm : norm_weights(subject.tensors)) {
    auto values = subject.values(norm.name);
    if (!values || values->empty() || !test_values(norm.name, *values, findings)) continue;
    sizes[norm.kind].push_back(rms(*values));
    kinds.push_back(norm.kind);
    norms.push_back({norm.name, *std::move(values)});
  }
  if (norms.empty()) return findings.not_run("the model has no norms with weights");
  for (std::size_t i = 0; i < norms.size(); ++i) {
    std::vector<double>& of_kind = sizes[kinds[i]];
    std::ranges::sort(of_kind);
    const double size = rms(norms[i].values), usual = of_kind[of_kind.size() / 2];
    const float largest = std::ranges::max(norms[i].values, {}, [](float v) { return std::abs(v); });
    norms[i].conspicuous = std::abs(std::log(size / usual)) + std::log1p(std::abs(static_cast<double>(largest)) / size);
  }
  findings.fine("{} norms are finite and of a plausible size", norms.size());
  if (const std::string why = subject.no_alternatives(); !why.empty()) return findings.not_run("{}", why);

  std::ranges::stable_sort(norms, std::greater{}, &Tried::conspicuous);
  std::int64_t parameters = 0;
  for (const TensorEntry& tensor : subject.source.file->tensors()) parameters += tensor.view.shape.elements();
  if (parameters > kLarge && norms.size() > kTriedOfLarge) norms.resize(kTriedOfLarge);
  Gain best;
  std::string what;
  std::size_t better = 0;  // a damaged norm can be made up for at another one
  for (const Tried& norm : norms) {
    bool helped = false;
    for (const auto& [name, edit] : alternatives_to(norm)) {
      const auto gain = subject.gain_of(std::span(&edit, 1));
      if (!gain || !gain->convincing()) continue;
      helped = true;
      if (gain->mean <= best.mean) continue;
      best = *gain;
      what = format("{}: with {}", norm.name, name);
    }
    better += helped;
  }
  if (better > 0)
    findings.fault("{} the text is predicted better, by {:.3f} +- {:.3f} nats per token{}", what, best.mean, best.standard_error,
                   better > 1 ? format("; alternatives to {} other norms help less", better - 1) : "");
  findings.fine("no alternative to any of {} of them does better", norms.size());
}

}  // namespace

CheckStage norm_stage() { return {"norm", "the norms' weights: their size, and that alternatives do worse", run}; }

}  // namespace vauban
