/// A new network with random weights, as a Hugging Face folder: where pre-training starts.
///
/// Vectors of norms are 1, biases 0, every matrix normal(0, std), except that the matrices that write to the residual
/// stream use std / sqrt(2 layers) (Radford et al. 2019, GPT-2, section 2.3). Each tensor has its own stream of the
/// random numbers, so the values depend on seed and name only.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "train/training_config.h"

namespace vauban {

/// Whether `folder` was made by write_random_model with this recipe, configuration and tokenizer. Errors: those of reading.
Result<bool> is_random_model(const InitConfig& init, std::uint64_t seed, const std::filesystem::path& folder);
/// Errors: those of reading config.json and the tokenizer folder; unsupported for an unknown architecture; io.
Result<void> write_random_model(const InitConfig& init, std::uint64_t seed, const std::filesystem::path& folder);

}  // namespace vauban
