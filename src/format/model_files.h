/// The files of a model folder beside its weights and config.json: tokenizer, templates, generation settings.
#pragma once

#include <filesystem>

#include "format/hf_writer.h"

namespace vauban {

/// Adds those of `model` (a folder, or a weight file inside one) to `out`, byte for byte. Weights, in any format, and files that transformers does not name stay behind.
/// Errors: io; resource above 256 MiB.
Result<void> copy_model_files(const std::filesystem::path& model, HfFolder& out);

}  // namespace vauban
