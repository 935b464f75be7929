/// What a configuration says about a model beyond its sizes: kinds of layers, rotation, what a token costs in the cache.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "model/config.h"

namespace vauban {

/// [{layers, count, mixer, feed}]: layers whose blocks describe themselves alike, by their first layer. `layers`: "0-4, 6-10".
Json layer_kinds(const ModelConfig& config);

/// Parameters that one token does not meet: of experts to which it is not sent.
std::int64_t idle_parameters(const ModelConfig& config);

/// Numbers that a sequence keeps, K and V together: `values_per_token` over all layers, `bytes_per_token` {f16, f32},
/// `bytes_at_context` {f16, f32} (layers with a window keep only that, if a store gives back the rest; ours does not),
/// `allocated_values_per_token`: what the stores here take, which give every layer its share where one attends;
/// `state_values`: of recurrences, once per sequence.
Json cache_facts(const ModelConfig& config);

/// "0-4, 6"
std::string ranges(const std::vector<std::int64_t>& ascending);

}  // namespace vauban
