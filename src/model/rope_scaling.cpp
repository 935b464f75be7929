#include "model/rope_scaling.h"

#include <cmath>
#include <numbers>

#include "base/strings.h"

namespace vauban {
namespace {

Result<Llama3Scaling> read_llama3(const ConfigKeys& scaling) {
  Llama3Scaling out;
  VB_TRY(out.factor, scaling.positive("factor"));
  VB_TRY(out.low_frequency, scaling.positive("low_freq_factor"));
  VB_TRY(out.high_frequency, scaling.positive("high_freq_factor"));
  VB_TRY(out.original_context, scaling.positive("original_max_position_embeddings"));
  if (out.high_frequency <= out.low_frequency)
    return corrupt("{}: expected more than low_freq_factor {}, found {}", scaling.name("high_freq_factor"),
                   out.low_frequency, out.high_frequency);
  return out;
}

/// Older files say "type", newer ones "rope_type".
Result<std::string> rope_type(const ConfigKeys& scaling) {
  if (scaling.find("rope_type")) return scaling.text_or("rope_type", "");
  if (scaling.find("type")) return scaling.text_or("type", "");
  return std::string("default");
}

Result<void> apply_scaling(const ConfigKeys& scaling, std::vector<double>& frequencies) {
  VB_TRY(const std::string type, rope_type(scaling));
  if (type == "default") return ok();
  if (type == "linear") {
    VB_TRY(const double factor, scaling.positive("factor"));
    scale_linear(frequencies, factor);
    return ok();
  }
  if (type == "llama3") {
    VB_TRY(const Llama3Scaling llama3, read_llama3(scaling));
    scale_llama3(frequencies, llama3);
    return ok();
  }
  return unsupported("rope type '{}' ({}) is not supported; known: default, linear, llama3", printable(type),
                     scaling.name("rope_type"));
}

}  // namespace

std::vector<double> plain_frequencies(double theta, std::int64_t rotary_width) {
  std::vector<double> frequencies(static_cast<std::size_t>(rotary_width / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_width));
  return frequencies;
}

void scale_linear(std::vector<double>& frequencies, double factor) {
  for (double& frequency : frequencies) frequency /= factor;
}

void scale_llama3(std::vector<double>& frequencies, const Llama3Scaling& scaling) {
  for (double& frequency : frequencies) {
    const double turns = scaling.original_context * frequency / (2.0 * std::numbers::pi);  // over the original context
    if (turns > scaling.high_frequency) continue;
    const double blend = (turns - scaling.low_frequency) / (scaling.high_frequency - scaling.low_frequency);
    frequency *= turns < scaling.low_frequency ? 1.0 / scaling.factor : (1.0 - blend) / scaling.factor + blend;
  }
}

Result<RopeConfig> rope_from_hf(const ConfigKeys& config, std::int64_t head_dim) {
  const Json* older = config.find("rope_scaling");
  const Json* newer = config.find("rope_parameters");
  if (older && newer && *older != *newer)
    return unsupported("{} and {} disagree: keep one of them", config.name("rope_scaling"),
                       config.name("rope_parameters"));
  const Json none = Json::object();
  const Json& found = newer ? *newer : older ? *older : none;
  const std::string key = newer ? "rope_parameters" : "rope_scaling";
  if (!found.is_object()) return corrupt("{}: expected an object, found {}", config.name(key), shown(found));

  const ConfigKeys scaling(found, config.name(key));
  RopeConfig out;
  VB_TRY(out.theta,
         scaling.find("rope_theta") ? scaling.positive("rope_theta") : config.positive_or("rope_theta", 10000.0));
  VB_TRY(const double rotary_share, scaling.find("partial_rotary_factor")
                                        ? scaling.positive("partial_rotary_factor")
                                        : config.positive_or("partial_rotary_factor", 1.0));
  if (rotary_share != 1.0)
    return unsupported("{} is {}; only 1 is supported", config.name("partial_rotary_factor"), rotary_share);
  out.table.layout = RopeLayout::half;
  out.table.inverse_frequency = plain_frequencies(out.theta, head_dim);
  VB_CHECK(apply_scaling(scaling, out.table.inverse_frequency));
  return out;
}

}  // namespace vauban
