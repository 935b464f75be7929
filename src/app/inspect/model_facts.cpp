#include "app/inspect/model_facts.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

struct Kind {
  BlockDescription mixer;
  std::optional<BlockDescription> feed;
  std::vector<std::int64_t> layers;
};

std::vector<Kind> kinds_of(const ModelConfig& config) {
  std::vector<Kind> kinds;
  for (std::size_t i = 0; i < config.decoder.layers.size(); ++i) {
    const LayerSpec& layer = config.decoder.layers[i];
    Kind kind{layer.mixer->describe(config.decoder, config.width), {}, {}};
    if (layer.feed) kind.feed = layer.feed->describe(config.decoder, config.width);
    auto found = std::ranges::find_if(kinds, [&](const Kind& k) { return k.mixer == kind.mixer && k.feed == kind.feed; });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), std::move(kind));
    found->layers.push_back(static_cast<std::int64_t>(i));
  }
  return kinds;
}

Json bytes_of(std::int64_t values) { return Json::object({{"f16", 2 * values}, {"f32", 4 * values}}); }

}  // namespace

std::string ranges(const std::vector<std::int64_t>& ascending) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < ascending.size();) {
    std::size_t end = i + 1;
    while (end < ascending.size() && ascending[end] == ascending[end - 1] + 1) ++end;
    out.push_back(end == i + 1 ? std::to_string(ascending[i]) : format("{}-{}", ascending[i], ascending[end - 1]));
    i = end;
  }
  return join(out, ", ");
}

Json layer_kinds(const ModelConfig& config) {
  Json out = Json::array();
  for (const Kind& kind : kinds_of(config))
    out.push_back(Json::object({{"layers", ranges(kind.layers)}, {"count", kind.layers.size()}, {"mixer", kind.mixer.to_json()},
                                {"feed", kind.feed ? kind.feed->to_json() : Json()}}));
  return out;
}

std::int64_t idle_parameters(const ModelConfig& config) {
  std::int64_t idle = 0;
  for (const Kind& kind : kinds_of(config))
    idle += std::ssize(kind.layers) * (kind.mixer.idle_parameters + (kind.feed ? kind.feed->idle_parameters : 0));
  return idle;
}

Json cache_facts(const ModelConfig& config) {
  std::int64_t per_token = 0, at_context = 0, states = 0;
  for (const Kind& kind : kinds_of(config)) {
    const std::int64_t layers = std::ssize(kind.layers), kept = layers * kind.mixer.kept_per_token;
    per_token += kept;
    at_context += kept * (kind.mixer.window > 0 ? std::min(kind.mixer.window, config.context_length) : config.context_length);
  }
  for (const LayerSpec& layer : config.decoder.layers) {
    const StateSizes sizes = layer.mixer->state_sizes();
    states += sizes.conv + sizes.scan;
  }
  const std::int64_t allocated = per_token > 0 ? 2 * config.layers * config.kv_heads * config.head_dim : 0;
  return Json::object({{"values_per_token", per_token}, {"bytes_per_token", bytes_of(per_token)}, {"bytes_at_context", bytes_of(at_context)},
                       {"allocated_values_per_token", allocated}, {"state_values", states}});
}

}  // namespace vauban
