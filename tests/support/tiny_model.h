/// A small random Llama in a Hugging Face folder, for tests and demonstrations on a clone without the shared data.
/// Equal options give equal bytes (as far as the machine's logarithm and cosine agree to f32).
///
/// Width 64, 2 layers, 4 query and 2 key/value heads of 16, MLP width 128, untied head, f32 weights, vocabulary 300:
/// three special tokens, 256 byte tokens, 41 pieces (tokenizer.json, byte-pair merges with byte fallback). The text it
/// writes means nothing, but it varies with the prompt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "tensor/shape.h"

namespace vauban::test {

struct TinyModelOptions {
  std::uint64_t seed = 1;
  /// Noise added to `o_proj` of layer 0 and `down_proj` of layer 1, as a share of each tensor's own spread. 0: none.
  /// All other tensors keep their bytes, so the result is the same model with a known change.
  double perturb = 0.0;
};

/// The model as values, for tests that change something in it before it is written.
struct TinyTensor {
  Shape shape;
  std::vector<float> values;
};
struct TinyModel {
  Json config, generation_config, tokenizer;  ///< a null tokenizer is not written
  std::map<std::string, TinyTensor> tensors;
};
TinyModel make_tiny_model(const TinyModelOptions& options = {});
Result<void> write_tiny_model(const std::filesystem::path& folder, const TinyModel& model);

/// The same weights as the bytes of a GGUF file (F32, q and k rows in RoPE pairs, no tokenizer); `packed`: matrices as
/// Q8_0 blocks.
std::string tiny_gguf(const TinyModel& model, bool packed = false);

/// Makes the folder where it is absent; replaces the files that it writes.
/// Errors: invalid_input for a negative or non-finite `perturb`; those of writing.
Result<void> write_tiny_model(const std::filesystem::path& folder, const TinyModelOptions& options = {});

}  // namespace vauban::test
