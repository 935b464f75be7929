/// A new adapter for a base, in memory: what training starts from.
#pragma once

#include <cstdint>
#include <memory>

#include "format/model_source.h"
#include "format/peft/adapter.h"

namespace vauban {

/// A pair of f32 tensors for every module that `config` targets: A random and B zero, so that the model starts as the
/// base, bit for bit. As PEFT (LoraLayer.reset_lora_parameters) has it:
///   true      A ~ U(-1/sqrt(in), 1/sqrt(in)): kaiming_uniform with a = sqrt(5), whose bound is sqrt(6 / ((1 + 5) * in))
///   gaussian  A ~ N(0, 1/r^2)
///   beside an embedding, in both cases: A zero, B ~ N(0, 1)
/// modules_to_save, and the biases that `bias` names, are copies of the base's. Each module draws from a stream of its
/// own, so another choice of targets does not change the numbers of a module. `fan_in_fan_out` is set as the modules are.
/// Errors: those of the base's configuration and of matched_modules; unsupported for another initialiser.
Result<std::shared_ptr<const Adapter>> init_adapter(AdapterConfig config, const ModelSource& base, std::uint64_t seed);

}  // namespace vauban
