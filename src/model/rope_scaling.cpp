#include "model/rope_scaling.h"

#include <algorithm>
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
  // Plain rotation is what no type means, unless numbers stand there that only a scaled type reads.
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor", "short_factor", "long_factor", "beta_fast", "beta_slow",
                          "attention_factor", "mscale", "mscale_all_dim"})
    if (scaling.find(key))
      return with_hint(corrupt("{} is missing beside '{}': which scaling is meant is not known", scaling.name("rope_type"), key),
                       "name the type (linear, dynamic, llama3, yarn, longrope), or remove the scaling's keys");
  return std::string("default");
}

/// Positions before the model's context was stretched: the scaling's own key, or the model's (older Phi-3 files).
Result<double> original_context(const ConfigKeys& config, const ConfigKeys& scaling, std::int64_t context_length) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (scaling.find(kKey)) return scaling.positive(kKey);
  return config.positive_or(kKey, static_cast<double>(context_length));
}

Result<double> yarn_attention_factor(const ConfigKeys& scaling, double factor) {
  if (scaling.find("attention_factor")) return scaling.positive("attention_factor");
  if (!scaling.find("mscale") || !scaling.find("mscale_all_dim")) return yarn_mscale(factor);
  VB_TRY(const double mscale, scaling.positive("mscale"));
  VB_TRY(const double all, scaling.positive("mscale_all_dim"));
  return yarn_mscale(factor, mscale) / yarn_mscale(factor, all);
}

Result<void> apply_yarn(const ConfigKeys& scaling, double original, RopeConfig& out) {
  YarnScaling yarn{.original_context = original};
  VB_TRY(yarn.factor, scaling.positive("factor"));
  VB_TRY(yarn.beta_fast, scaling.positive_or("beta_fast", 32.0));
  VB_TRY(yarn.beta_slow, scaling.positive_or("beta_slow", 1.0));
  VB_TRY(yarn.truncate, scaling.flag_or("truncate", true));
  scale_yarn(out.rope.table.inverse_frequency, out.theta, yarn);
  VB_TRY(out.rope.table.attention_factor, yarn_attention_factor(scaling, yarn.factor));
  return ok();
}

Result<std::vector<double>> read_factors(const ConfigKeys& scaling, const char* key, std::size_t pairs) {
  const Json* values = scaling.find(key);
  if (!values || !values->is_array() || values->size() != pairs)
    return corrupt("{}: expected a list of {} numbers, found {}", scaling.name(key), pairs, values ? shown(*values) : "nothing");
  std::vector<double> factors;
  for (const Json& value : values->items()) {
    if (!value.is_number() || !(value.as_double() > 0.0) || !std::isfinite(value.as_double()))
      return corrupt("{}: expected factors > 0, found {}", scaling.name(key), shown(value));
    factors.push_back(value.as_double());
  }
  return factors;
}

/// `table` gets the short factors, `beyond` the long ones; both the same attention factor.
void set_longrope(RopeSpec& rope, const std::vector<double>& short_factors, const std::vector<double>& long_factors,
                  std::int64_t switch_length, double attention_factor) {
  rope.table.attention_factor = attention_factor;
  rope.beyond = rope.table;
  rope.switch_length = switch_length;
  for (std::size_t i = 0; i < short_factors.size(); ++i) {
    rope.table.inverse_frequency[i] /= short_factors[i];
    rope.beyond.inverse_frequency[i] /= long_factors[i];
  }
}

double longrope_attention_factor(double factor, double original) {
  return factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original));
}

Result<void> apply_longrope(const ConfigKeys& scaling, double original, std::int64_t context_length, RopeSpec& rope) {
  const std::size_t pairs = rope.table.inverse_frequency.size();
  VB_TRY(const std::vector<double> brief, read_factors(scaling, "short_factor", pairs));
  VB_TRY(const std::vector<double> far, read_factors(scaling, "long_factor", pairs));
  if (original <= 1.0) return corrupt("{}: expected more than 1, found {}", scaling.name("original_max_position_embeddings"), original);
  VB_TRY(const double factor, scaling.positive_or("factor", static_cast<double>(context_length) / original));
  double attention = longrope_attention_factor(factor, original);
  VB_TRY(attention, scaling.positive_or("attention_factor", attention));
  set_longrope(rope, brief, far, static_cast<std::int64_t>(original), attention);
  return ok();
}

Result<void> apply_scaling(const ConfigKeys& config, const ConfigKeys& scaling, std::int64_t context_length, RopeConfig& out) {
  std::vector<double>& frequencies = out.rope.table.inverse_frequency;
  VB_TRY(const std::string type, rope_type(scaling));
  VB_TRY(const double original, original_context(config, scaling, context_length));
  if (type == "default") return ok();
  if (type == "linear") {
    VB_TRY(const double factor, scaling.positive("factor"));
    scale_linear(frequencies, factor);
    return ok();
  }
  if (type == "dynamic") {
    VB_TRY(const double factor, scaling.positive("factor"));
    out.rope.dynamic = {.theta = out.theta, .factor = factor, .original = context_length};
    return ok();
  }
  if (type == "llama3") {
    VB_TRY(const Llama3Scaling llama3, read_llama3(scaling));
    scale_llama3(frequencies, llama3);
    return ok();
  }
  if (type == "yarn") return apply_yarn(scaling, original, out);
  if (type == "longrope" || type == "su") return apply_longrope(scaling, original, context_length, out.rope);
  return unsupported("rope type '{}' ({}) is not supported; known: default, linear, dynamic, llama3, yarn, longrope",
                     printable(type), scaling.name("rope_type"));
}

/// Factors that divide each pair's frequency: how converters write llama3 and longrope scaling. Empty: no such tensor.
Result<std::vector<double>> factors_of(const ModelFile& file, const char* name, std::size_t pairs) {
  const TensorEntry* entry = file.find(name);
  if (!entry) return std::vector<double>();
  const Shape expected{static_cast<std::int64_t>(pairs)};
  if (entry->view.shape != expected)
    return corrupt("tensor '{}': expected shape {}, file has {}", name, expected.to_string(), entry->view.shape.to_string());
  VB_TRY(const std::vector<float> stored, decode_f32(entry->view), "in tensor '{}'", name);
  for (std::size_t i = 0; i < pairs; ++i)
    if (!std::isfinite(stored[i]) || stored[i] <= 0.0F)
      return corrupt("tensor '{}': expected factors > 0, found {} at {}", name, stored[i], i);
  return std::vector<double>(stored.begin(), stored.end());
}

Result<void> apply_gguf_longrope(const ConfigKeys& keys, const ModelFile& file, std::int64_t context_length, RopeSpec& rope) {
  const std::size_t pairs = rope.table.inverse_frequency.size();
  VB_TRY(const std::vector<double> brief, factors_of(file, "rope_factors_short.weight", pairs));
  VB_TRY(const std::vector<double> far, factors_of(file, "rope_factors_long.weight", pairs));
  if (brief.empty() && far.empty()) return ok();
  if (brief.empty() || far.empty())
    return not_found("tensor '{}' is missing beside its companion", brief.empty() ? "rope_factors_short.weight" : "rope_factors_long.weight");
  VB_TRY(const std::int64_t original, keys.count_or("rope.scaling.original_context_length", context_length));
  const double factor = static_cast<double>(context_length) / static_cast<double>(original);
  double attention = longrope_attention_factor(factor, static_cast<double>(original));
  VB_TRY(attention, keys.positive_or("rope.scaling.attn_factor", attention));
  set_longrope(rope, brief, far, original, attention);
  return ok();
}

Result<void> apply_gguf_scaling(const ConfigKeys& keys, std::int64_t context_length, RopeConfig& out) {
  VB_TRY(const double legacy_factor, keys.positive_or("rope.scale_linear", 1.0));
  VB_TRY(const double factor, keys.positive_or("rope.scaling.factor", legacy_factor));
  VB_TRY(const std::string type, keys.text_or("rope.scaling.type", factor == 1.0 ? "none" : "linear"));
  if (type == "none" || type == "longrope") return ok();
  if (type == "linear") {
    scale_linear(out.rope.table.inverse_frequency, factor);
    return ok();
  }
  if (type != "yarn")
    return unsupported("rope type '{}' ({}) is not supported; known: none, linear, yarn, longrope, and factors in 'rope_freqs.weight'",
                       printable(type), keys.name("rope.scaling.type"));
  YarnScaling yarn{.factor = factor};
  VB_TRY(yarn.original_context, keys.positive_or("rope.scaling.original_context_length", static_cast<double>(context_length)));
  VB_TRY(yarn.beta_fast, keys.positive_or("rope.scaling.yarn_beta_fast", 32.0));
  VB_TRY(yarn.beta_slow, keys.positive_or("rope.scaling.yarn_beta_slow", 1.0));
  VB_TRY(yarn.truncate, keys.flag_or("rope.scaling.yarn_truncate", true));  // vauban's own key: llama.cpp always does
  scale_yarn(out.rope.table.inverse_frequency, out.theta, yarn);
  VB_TRY(const double attention, keys.positive_or("rope.scaling.attn_factor", 1.0));  // beside YaRN's own
  out.rope.table.attention_factor = attention * yarn_mscale(factor);
  return ok();
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

void scale_yarn(std::vector<double>& frequencies, double theta, const YarnScaling& yarn) {
  const auto pairs = static_cast<double>(frequencies.size());
  /// The pair that turns this many times over the original context.
  const auto pair_of = [&](double turns) {
    return pairs * std::log(yarn.original_context / (turns * 2.0 * std::numbers::pi)) / std::log(theta);
  };
  double low = pair_of(yarn.beta_fast), high = pair_of(yarn.beta_slow);
  if (yarn.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, 2.0 * pairs - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double blend = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= (1.0 - blend) + blend / yarn.factor;
  }
}

double yarn_mscale(double factor, double m) { return factor <= 1.0 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; }

RopeTable RopeSpec::at(std::int64_t length) const {
  if (switch_length > 0 && length > switch_length) return beyond;
  if (!dynamic || length <= dynamic->original) return table;
  const double width = 2.0 * static_cast<double>(table.inverse_frequency.size());
  const double stretch = dynamic->factor * static_cast<double>(length) / static_cast<double>(dynamic->original) - (dynamic->factor - 1.0);
  RopeTable stretched = table;
  stretched.inverse_frequency = plain_frequencies(dynamic->theta * std::pow(stretch, width / (width - 2.0)), static_cast<std::int64_t>(width));
  return stretched;
}

Result<RopeConfig> rope_from_hf(const ConfigKeys& config, std::int64_t head_dim, std::int64_t context_length, const RopeKeys& keys) {
  const Json* older = config.find("rope_scaling");
  const Json* newer = config.find("rope_parameters");
  if (newer && keys.layer_type && newer->is_object() && newer->find(keys.layer_type)) newer = newer->find(keys.layer_type);
  else if (older && newer && *older != *newer)
    return unsupported("{} and {} disagree: keep one of them", config.name("rope_scaling"),
                       config.name("rope_parameters"));
  const Json none = Json::object();
  const Json& found = newer ? *newer : older ? *older : none;
  const std::string key = newer ? "rope_parameters" : "rope_scaling";
  if (!found.is_object()) return corrupt("{}: expected an object, found {}", config.name(key), shown(found));

  const ConfigKeys scaling(found, config.name(key));
  RopeConfig out;
  VB_TRY(out.theta, scaling.find("rope_theta") ? scaling.positive("rope_theta")
                                               : config.positive_or(keys.theta, keys.default_theta));
  const char* share_key = keys.share ? keys.share : "partial_rotary_factor";
  VB_TRY(const double share, scaling.find("partial_rotary_factor") ? scaling.positive("partial_rotary_factor")
                                                                   : config.positive_or(share_key, keys.default_share));
  if (!keys.share && share != 1.0)
    return unsupported("{} is {}; only 1 is supported", config.name("partial_rotary_factor"), share);
  const auto rotary = static_cast<std::int64_t>(static_cast<double>(head_dim) * share);
  if (rotary < 2 || rotary > head_dim || rotary % 2 != 0)
    return corrupt("{} is {}: {} of {} head elements cannot be rotated in pairs", config.name(share_key), share, rotary, head_dim);
  out.rope.table.layout = keys.layout;
  out.rope.table.inverse_frequency = plain_frequencies(out.theta, rotary);
  VB_CHECK(apply_scaling(config, scaling, context_length, out));
  return out;
}

Result<RopeConfig> rope_from_gguf(const ConfigKeys& keys, const ModelFile& file, std::int64_t head_dim,
                                  std::int64_t context_length, RopeLayout layout) {
  RopeConfig out;
  VB_TRY(out.theta, keys.positive_or("rope.freq_base", 10000.0));
  VB_TRY(const std::int64_t rotary, keys.count_or("rope.dimension_count", head_dim, ConfigKeys::kMaxHeads));
  if (rotary > head_dim || rotary % 2 != 0)
    return corrupt("{} is {}: heads of {} cannot be rotated so", keys.name("rope.dimension_count"), rotary, head_dim);
  out.rope.table.layout = layout;
  out.rope.table.inverse_frequency = plain_frequencies(out.theta, rotary);
  VB_CHECK(apply_gguf_scaling(keys, context_length, out));
  VB_TRY(const std::vector<double> factors, factors_of(file, "rope_freqs.weight", out.rope.table.inverse_frequency.size()));
  for (std::size_t i = 0; i < factors.size(); ++i) out.rope.table.inverse_frequency[i] /= factors[i];
  VB_CHECK(apply_gguf_longrope(keys, file, context_length, out.rope));
  return out;
}

}  // namespace vauban
