/// Rotary tables from a configuration: inverse frequencies after the scaling that the model was made with.
///
/// Known: none, linear, llama3. Any other is refused by name.
/// Sources: Su et al. 2021 (arXiv 2104.09864); linear: Chen et al. 2023 (arXiv 2306.15595); llama3: Llama 3.1 reference
/// code, model-files.md section 8. Checked against transformers 5.23 (tests/golden).
#pragma once

#include "model/config_keys.h"
#include "ops/ops.h"

namespace vauban {

/// theta^(-2i/rotary_width) for i < rotary_width / 2. `rotary_width` is even.
std::vector<double> plain_frequencies(double theta, std::int64_t rotary_width);

/// Divides every frequency by `factor`.
void scale_linear(std::vector<double>& frequencies, double factor);

struct Llama3Scaling {
  double factor = 8.0, low_frequency = 1.0, high_frequency = 4.0;
  double original_context = 8192.0;
};
/// Long wavelengths are divided by `factor`, short ones kept, those between are blended.
void scale_llama3(std::vector<double>& frequencies, const Llama3Scaling& scaling);

struct RopeConfig {
  double theta = 10000.0;
  RopeTable table;
};
/// Reads `rope_theta` with `rope_scaling`, or the `rope_parameters` of newer files.
/// Errors: unsupported for another rope type (named); corrupt for missing or unfit values.
Result<RopeConfig> rope_from_hf(const ConfigKeys& config, std::int64_t head_dim);

}  // namespace vauban
