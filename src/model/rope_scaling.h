/// Rotary tables from a configuration: inverse frequencies after the scaling that the model was made with.
///
/// Known: none, linear, dynamic, llama3, yarn, longrope. Any other is refused by name.
/// Sources: Su et al. 2021 (arXiv 2104.09864); linear: Chen et al. 2023 (2306.15595); llama3: Llama 3.1 reference code,
/// model-files.md section 8; YaRN: Peng et al. 2023 (2309.00071); longrope: Ding et al. 2024 (2402.13753). Checked against
/// transformers 5.23 (tests/golden).
#pragma once

#include "format/model_file.h"
#include "model/config_keys.h"
#include "model/decoder/spec.h"

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

struct YarnScaling {
  double factor = 1.0, original_context = 0.0;
  double beta_fast = 32.0, beta_slow = 1.0;  ///< turns over the original context between which frequencies are blended
  bool truncate = true;                      ///< the ends of the blend are whole pairs
};
void scale_yarn(std::vector<double>& frequencies, double theta, const YarnScaling& scaling);
/// 0.1 m ln(factor) + 1 for a factor above 1; else 1.
double yarn_mscale(double factor, double m = 1.0);

/// How a family says it. Its rotary width is the head width unless `share_key` says otherwise.
struct RopeKeys {
  const char* theta = "rope_theta";
  const char* share = "partial_rotary_factor";  ///< of the head that is rotated; null: all of it, and any other value is refused
  double default_theta = 10000.0, default_share = 1.0;
  RopeLayout layout = RopeLayout::half;
  const char* layer_type = nullptr;  ///< the entry of newer files' `rope_parameters` ("full_attention"), where there are several
};

struct RopeConfig {
  double theta = 10000.0;
  RopeSpec rope;
};
/// Reads theta with `rope_scaling`, or the `rope_parameters` of newer files, for heads of this width in a model made for
/// `context_length` positions. Errors: unsupported for another rope type (named); corrupt for missing or unfit values.
Result<RopeConfig> rope_from_hf(const ConfigKeys& config, std::int64_t head_dim, std::int64_t context_length,
                                const RopeKeys& keys = {});

/// `{arch}.rope.*` keys with the tensors rope_freqs, rope_factors_long and rope_factors_short. Errors: the same.
Result<RopeConfig> rope_from_gguf(const ConfigKeys& keys, const ModelFile& file, std::int64_t head_dim,
                                  std::int64_t context_length, RopeLayout layout = RopeLayout::half);

}  // namespace vauban
