/// Training checkpoints and releases: one safetensors file each, written in one piece.
///
/// A checkpoint holds the trained weights under their names and the training state under `__training__.*`: the tensors
/// of the optimiser as `__training__.optimizer.<state>.<parameter>`, the rest as JSON bytes in `__training__.state`.
/// `__metadata__` holds the schema version, the digests (digests.h), and where the weights come from. A release is the
/// same without training state. Both open in any safetensors reader.
/// The contracts F-CKPT-001 to 020 are named in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "format/safetensors_writer.h"
#include "train/checkpoint/training_state.h"

namespace vauban {

inline constexpr int kCheckpointSchemaVersion = 1;

/// Old file intact on any failure. Equal states give equal bytes.
/// Errors: invalid_input when a tensor is missing, surplus, of another type or shape than `schema` says, not finite, or
/// half a LoRA pair; when a number of the state is not finite. resource (disk full), io.
Result<void> save_checkpoint(const std::filesystem::path& path, const TrainingState& state,
                             const CheckpointSchema& schema, FileOps& ops = real_file_ops());

/// What the run that resumes has, to be compared with what the checkpoint was made with.
struct ResumeCheck {
  std::string config_digest{}, data_digest{}, base_digest{};
  bool allow_changed_data = false;    ///< the user said so
  bool allow_changed_config = false;  ///< the user said so
};

/// Reads and verifies everything. Errors: corrupt (a digest, the container, the state), unsupported (a newer schema),
/// invalid_input (no training checkpoint; another schema, config, data or base; NaN), not_found, io.
Result<TrainingState> load_checkpoint(const std::filesystem::path& path, const CheckpointSchema& schema,
                                      const ResumeCheck& check);
/// The same for bytes in memory.
Result<TrainingState> parse_checkpoint(std::span<const std::byte> file, const CheckpointSchema& schema,
                                       const ResumeCheck& check);

/// The part that inference needs.
struct CheckpointWeights {
  NamedTensors tensors;
  SafetensorsMetadata metadata;
  std::uint64_t bytes_read = 0;  ///< header and weights
};
/// Reads header and weights of a checkpoint or release, and verifies them; training state is not touched (F-CKPT-016).
Result<CheckpointWeights> load_weights(const std::filesystem::path& path);
Result<CheckpointWeights> parse_weights(std::span<const std::byte> file);

/// Weights without training state. `provenance` is stored beside the digests: recipe, inputs, tool build. Keys that
/// begin with "vauban." or `__training__.` are refused. Errors: as save_checkpoint.
Result<void> write_release(const std::filesystem::path& path, const NamedTensors& weights,
                           const std::map<std::string, StoredSpec>& expected, const SafetensorsMetadata& provenance,
                           FileOps& ops = real_file_ops());

}  // namespace vauban
