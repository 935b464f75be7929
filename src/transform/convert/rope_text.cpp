#include "transform/convert/rope_text.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "model/archs/writing.h"
#include "model/config_keys.h"
#include "model/rope_scaling.h"

namespace vauban {
namespace {

/// `rope_parameters` of newer files (of the layers that see everything, where there are two), `rope_scaling` of older ones;
/// an empty object for none.
Json rope_object(const Json& config) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const Json* value = config.find(key);
    if (!value || !value->is_object()) continue;
    const Json* full = value->find("full_attention");
    return full && full->is_object() ? *full : *value;
  }
  return Json::object();
}

std::string rope_type(const Json& rope) {
  for (const char* key : {"rope_type", "type"})
    if (const Json* value = rope.find(key); value && value->is_string()) return value->as_string();
  return "default";
}

const RopeTable& table_of(const ModelConfig& c) { return c.decoder.ropes.front().table; }

std::vector<double> plain_of(const ModelConfig& c) {
  return plain_frequencies(c.rope_theta, 2 * std::ssize(table_of(c).inverse_frequency));
}

/// Whether the ends of the blend are whole pairs of dimensions.
bool truncates(const Json& rope) {
  const Json* const value = rope.find("truncate");
  return !value || !value->is_bool() || value->as_bool();
}

void add_yarn(const Json& rope, const ModelConfig& c, const Architecture& gguf, double factor, GgufKeyList& keys) {
  if (!truncates(rope)) keys.flag("rope.scaling.yarn_truncate", false);
  const Json* original = rope.find("original_max_position_embeddings");
  keys.u32("rope.scaling.original_context_length", original && original->is_integer() ? original->as_int() : c.context_length);
  for (const char* beta : {"beta_fast", "beta_slow"})
    if (const Json* value = rope.find(beta); value && value->is_number()) keys.f32(format("rope.scaling.yarn_{}", beta), value->as_double());
  if (const Json* all = rope.find("mscale_all_dim"); all && all->is_number() && gguf.llama_cpp.yarn_log_multiplier)
    return keys.f32("rope.scaling.yarn_log_multiplier", 0.1 * all->as_double());
  const double attention = table_of(c).attention_factor / yarn_mscale(factor);
  if (std::abs(attention - 1.0) > 1e-12) keys.f32("rope.scaling.attn_factor", attention);
}

/// What divides each frequency: the plain one over the scaled one.
RopeFactors llama3_factors(const ModelConfig& c) {
  RopeFactors factors{.name = "rope_freqs.weight", .values = {}};
  const std::vector<double> plain = plain_of(c);
  for (std::size_t i = 0; i < plain.size(); ++i)
    factors.values.push_back(static_cast<float>(plain[i] / table_of(c).inverse_frequency[i]));
  return factors;
}

RopeFactors listed_factors(const Json& rope, const char* key, std::string tensor) {
  RopeFactors factors{.name = std::move(tensor), .values = {}};
  if (const Json* list = rope.find(key))
    for (const Json& value : list->items()) factors.values.push_back(static_cast<float>(value.as_double()));
  return factors;
}

// ---- back

/// Whether this scaling makes the frequencies of `c`, to the precision in which factors are stored.
bool makes_frequencies(const Llama3Scaling& scaling, const ModelConfig& c) {
  constexpr double kTolerance = 1e-6;  // factors are f32
  std::vector<double> made = plain_of(c);
  scale_llama3(made, scaling);
  for (std::size_t i = 0; i < made.size(); ++i)
    if (std::abs(made[i] / table_of(c).inverse_frequency[i] - 1.0) > kTolerance) return false;
  return true;
}

Json llama3_object(const Llama3Scaling& scaling) {
  return Json::object({{"rope_type", "llama3"},
                       {"factor", scaling.factor},
                       {"low_freq_factor", scaling.low_frequency},
                       {"high_freq_factor", scaling.high_frequency},
                       {"original_max_position_embeddings", static_cast<std::int64_t>(scaling.original_context)}});
}

/// The parameters behind `rope_freqs.weight`: the factor stands in it, the published models use 1 and 4 as bounds, and
/// the original context is a power of two.
Result<Json> recover_llama3(const ModelConfig& c) {
  const std::vector<double> plain = plain_of(c);
  Llama3Scaling scaling;
  scaling.factor = 1.0;
  for (std::size_t i = 0; i < plain.size(); ++i)
    scaling.factor = std::max(scaling.factor, std::round(plain[i] / table_of(c).inverse_frequency[i] * 1e5) / 1e5);
  for (std::int64_t context = 1; context <= (std::int64_t{1} << 24); context *= 2) {
    scaling.original_context = static_cast<double>(context);
    if (makes_frequencies(scaling, c)) return llama3_object(scaling);
  }
  return unsupported("the factors in 'rope_freqs.weight' are those of no llama3 scaling with bounds 1 and 4");
}

Result<Json> yarn_object(const ConfigKeys& keys, const ModelConfig& c, double factor) {
  VB_TRY(const std::int64_t original, keys.count_or("rope.scaling.original_context_length", c.context_length));
  Json rope = Json::object({{"rope_type", "yarn"}, {"type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", original}});
  for (const char* beta : {"beta_fast", "beta_slow"})
    if (keys.find(format("rope.scaling.yarn_{}", beta))) {
      VB_TRY(const double value, keys.positive(format("rope.scaling.yarn_{}", beta)));
      rope[beta] = value;
    }
  VB_TRY(const bool truncate, keys.flag_or("rope.scaling.yarn_truncate", true));
  if (!truncate) rope["truncate"] = false;
  if (keys.find("rope.scaling.yarn_log_multiplier")) {
    VB_TRY(const double multiplier, keys.positive("rope.scaling.yarn_log_multiplier"));
    rope["mscale"] = rope["mscale_all_dim"] = std::round(1e7 * multiplier) / 1e6;
    return rope;
  }
  const double attention = table_of(c).attention_factor;
  if (attention != yarn_mscale(factor)) rope["attention_factor"] = attention;
  return rope;
}

Result<Json> factors_list(const ModelSource& source, const char* name) {
  const TensorEntry* entry = source.file->find(name);
  if (!entry) return not_found("tensor '{}' is missing in {}", name, source.path.string());
  VB_TRY(const std::vector<float> values, decode_f32(entry->view), "in tensor '{}'", name);
  return Json(values);
}

Result<Json> longrope_object(const ModelSource& source, const ModelConfig& c) {
  Json rope = Json::object({{"type", "longrope"},
                            {"original_max_position_embeddings", c.decoder.ropes.front().switch_length},
                            {"attention_factor", table_of(c).attention_factor}});
  VB_TRY(rope["short_factor"], factors_list(source, "rope_factors_short.weight"));
  VB_TRY(rope["long_factor"], factors_list(source, "rope_factors_long.weight"));
  return rope;
}

}  // namespace

Result<GgufRope> rope_to_gguf(const Json& config, const ModelConfig& c, const Architecture& gguf) {
  GgufRope out;
  const Json rope = rope_object(config);
  const std::string type = rope_type(rope);
  if (type == "default" || c.decoder.ropes.empty()) return out;
  GgufKeyList keys(gguf.gguf_names.front());
  if (type == "llama3") {
    out.factors.push_back(llama3_factors(c));
  } else if (type == "longrope" || type == "su") {
    keys.u32("rope.scaling.original_context_length", c.decoder.ropes.front().switch_length);
    keys.f32("rope.scaling.attn_factor", table_of(c).attention_factor);
    out.factors.push_back(listed_factors(rope, "long_factor", "rope_factors_long.weight"));
    out.factors.push_back(listed_factors(rope, "short_factor", "rope_factors_short.weight"));
  } else if (type == "linear" || type == "yarn") {
    VB_TRY(const double factor, rope.get_double("factor"));
    keys.text("rope.scaling.type", type);
    keys.f32("rope.scaling.factor", factor);
    if (type == "yarn") add_yarn(rope, c, gguf, factor, keys);
    if (type == "yarn" && !truncates(rope))
      out.notes.emplace_back("YaRN's blend ends between pairs of dimensions (truncate = false): kept in a key of vauban's own; llama.cpp "
                             "rounds the ends, so that its rotary frequencies differ there");
  } else {
    return unsupported("rope type '{}' has no place in a GGUF; known: linear, llama3, longrope, yarn", type);
  }
  out.keys = std::move(keys.keys);
  return out;
}

Result<Json> rope_to_hf(const ModelSource& source, const ModelConfig& c, std::string_view gguf_arch) {
  if (c.decoder.ropes.empty()) return Json();
  const ConfigKeys keys(source.file->metadata(), source.path.string(), std::string(gguf_arch) + ".");
  VB_TRY(const double legacy_factor, keys.positive_or("rope.scale_linear", 1.0));
  VB_TRY(const double factor, keys.positive_or("rope.scaling.factor", legacy_factor));
  VB_TRY(const std::string type, keys.text_or("rope.scaling.type", factor == 1.0 ? "none" : "linear"));
  const bool linear = type == "linear" && factor != 1.0;
  if (c.decoder.ropes.front().switch_length > 0) return longrope_object(source, c);
  if (type == "yarn") return yarn_object(keys, c, factor);
  if (source.file->find("rope_freqs.weight")) {
    if (linear) return unsupported("linear scaling and 'rope_freqs.weight' together have no place in a config.json");
    return recover_llama3(c);
  }
  if (linear) return Json::object({{"rope_type", "linear"}, {"type", "linear"}, {"factor", factor}});
  return Json();
}

}  // namespace vauban
