/// ModelSource: what a MODEL argument names, opened: weights plus the configuration and tokenizer that came with them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "format/compressed/compressed_weights.h"
#include "format/model_file.h"
#include "format/peft/adapter.h"

namespace vauban {

struct ModelSource {
  std::string name;                       ///< last path component without extension
  std::filesystem::path path;             ///< what was asked for
  std::shared_ptr<const ModelFile> file;  ///< weights
  /// Hugging Face folder: config.json, generation_config.json, tokenizer_config.json, special_tokens_map.json (null
  /// where absent). GGUF: all null; everything is in file->metadata().
  Json config, generation_config, tokenizer_config, special_tokens_map;
  /// quantization_config of a folder (of config.json, or GPTQ's old quantize_config.json); null where there is none.
  Json quantization;
  /// The matrices that it speaks of; null without one, or where its scheme is not known here (check_quantization()).
  std::shared_ptr<const CompressedWeights> compressed;
  std::optional<std::filesystem::path> tokenizer_json, tokenizer_model, chat_template;

  /// LoRA adapters to attach, in the order in which they were named.
  std::vector<std::shared_ptr<const Adapter>> adapters;

  /// Errors: unsupported when the folder is quantised by a scheme that is not known; corrupt.
  Result<void> check_quantization() const;
  /// Refuses compressed weights by name, for what reads tensors as they are stored: "merging an adapter".
  Result<void> refuse_compressed(std::string_view purpose) const;

  bool is_gguf() const { return file->container() == Container::gguf; }

  /// A folder with config.json and weights, a .gguf file, or a .safetensors file inside such a folder.
  /// Errors: not_found (with what the folder lacks), corrupt, unsupported.
  static Result<ModelSource> open(const std::filesystem::path& path);
  /// A MODEL argument for commands that run a model: the same, or `BASE+ADAPTER` with a PEFT folder (or several, each
  /// behind a '+'). A path that itself holds a '+' and exists is taken as it stands.
  static Result<ModelSource> open_with_adapters(std::string_view argument);
};

}  // namespace vauban
