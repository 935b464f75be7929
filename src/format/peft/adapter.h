/// Adapter: a LoRA adapter, from the files that PEFT writes or made in memory: its configuration and its tensors.
///
/// A folder holds adapter_config.json and adapter_model.safetensors. Immutable and shared. Whether the tensors fit a base
/// model is checked where the two meet (model/adapter_plan.h); here: names, parts, ranks of A and B, finite values.
/// Keys `__training__.*` belong to a trainer's checkpoint and are passed over.
/// Source: PEFT 0.21 save_and_load.py; model-files.md sections 6 and 10.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "format/peft/adapter_config.h"
#include "format/safetensors_writer.h"
#include "tensor/tensor.h"

namespace vauban {

enum class AdapterPart {
  lora_a,       ///< (r, in)
  lora_b,       ///< (out, r)
  embedding_a,  ///< (r, V)
  embedding_b,  ///< (D, r)
  replacement,  ///< takes the place of a tensor of the base, in the base's own shape
};

/// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", taken apart.
struct AdapterKey {
  std::string module;  ///< "model.layers.0.self_attn.q_proj"
  AdapterPart part = AdapterPart::replacement;
  std::string tensor;       ///< of a replacement: "weight", "bias"
  bool in_adapted = false;  ///< of a replacement: stored as <module>.base_layer.<tensor>, beside the pair
};
/// Errors: corrupt for a key without PEFT's prefix, unsupported for the parts of other methods (named).
Result<AdapterKey> parse_adapter_key(std::string_view key);
std::string pair_key(std::string_view module, AdapterPart part);
std::string replacement_key(std::string_view module, std::string_view tensor, bool in_adapted = false);

struct AdapterTensor {
  std::string key;  ///< as stored
  TensorView view;
  std::shared_ptr<const void> keep_alive;
  AdapterKey parsed = {};  ///< filled by Adapter
};

class Adapter {
 public:
  /// Errors: not_found (with what the folder lacks), corrupt, unsupported; the file as context.
  static Result<std::shared_ptr<const Adapter>> open(const std::filesystem::path& folder, std::string name = "default");
  static Result<std::shared_ptr<const Adapter>> make(AdapterConfig config, std::vector<AdapterTensor> tensors,
                                                     std::string name = "default");

  const AdapterConfig& config() const { return config_; }
  const std::vector<AdapterTensor>& tensors() const { return tensors_; }  ///< sorted by key
  const AdapterTensor* find(std::string_view key) const;
  /// Tells several adapters of one model apart. In files there is no name.
  const std::string& name() const { return name_; }
  const std::filesystem::path& path() const { return path_; }  ///< empty when made in memory
  /// SHA-256 over the configuration (without the note of where the base lay) and every tensor.
  std::string digest() const;

  /// What Ops::load_weight is told for a tensor: its key; of adapters not named "default" with the name where PEFT's
  /// state_dict has it ("...lora_A.other.weight").
  std::string weight_name(const AdapterTensor& tensor) const;
  /// The same adapter with other numbers, as f32: `values` by weight_name, in the layout that Ops::load_weight saw, which
  /// is the stored one, except that embedding_a came as (V, r) and matrices of Conv1D modules (`transposed` names their
  /// weight_names) as (out, in). Tensors that are not named keep theirs.
  /// Errors: not_found for a name the adapter lacks, corrupt for another count or a value that is not finite.
  Result<std::shared_ptr<const Adapter>> with_values(const std::map<std::string, std::vector<float>>& values,
                                                     const std::vector<std::string>& transposed = {}) const;

  /// Creates the folder when needed. The configuration is written last: a folder without it is not an adapter.
  /// Errors: those of writing, and resource.
  Result<void> write(const std::filesystem::path& folder, SafetensorsMetadata metadata = {},
                     FileOps& ops = real_file_ops()) const;

 private:
  Adapter() = default;
  AdapterConfig config_;
  std::vector<AdapterTensor> tensors_;
  std::string name_;
  std::filesystem::path path_;
};

/// f32 values as a tensor that owns its bytes.
AdapterTensor adapter_tensor(std::string key, const Shape& shape, std::span<const float> values);
/// The same values as (columns, rows).
std::vector<float> transposed(std::span<const float> values, std::int64_t rows, std::int64_t columns);

}  // namespace vauban
