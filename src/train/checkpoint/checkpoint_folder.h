/// CheckpointFolder: the last checkpoints of a run, and pointers to the latest and the best.
///
/// `<folder>/step-000000120.safetensors`, and small text files `latest` and `best` that name one of them. All are
/// written in one piece, the checkpoint before its pointer, and old ones are removed last: after a kill at any moment
/// `latest` names a whole checkpoint. One process at a time.
#pragma once

#include <filesystem>

#include "base/files.h"
#include "base/result.h"
#include "train/checkpoint/checkpoint.h"

namespace vauban {

class CheckpointFolder {
 public:
  /// Makes the folder where it is missing and removes what a killed writer left. Keeps `keep_last` >= 1 checkpoints
  /// besides the best one. Errors: invalid_input, io.
  static Result<CheckpointFolder> open(const std::filesystem::path& folder, int keep_last,
                                       FileOps& ops = real_file_ops());

  /// Saves `state` as its step's checkpoint and as `latest` (with `is_best` as `best` too), then removes older ones.
  /// Checkpoints of later steps, left by the part of a run that is repeated, stay until they are overwritten.
  /// Errors: those of save_checkpoint; when only the removal failed, the message says that the checkpoint is saved.
  Result<std::filesystem::path> save(const TrainingState& state, const CheckpointSchema& schema, bool is_best = false);

  /// Errors: not_found when there is none; corrupt when the pointer names none.
  Result<std::filesystem::path> latest() const;
  Result<std::filesystem::path> best() const;

 private:
  CheckpointFolder(std::filesystem::path folder, int keep_last, FileOps& ops)
      : folder_(std::move(folder)), keep_last_(keep_last), ops_(&ops) {}
  Result<std::filesystem::path> target_of(std::string_view pointer) const;
  Result<void> remove_older(std::int64_t step) const;

  std::filesystem::path folder_;
  int keep_last_;
  FileOps* ops_;
};

}  // namespace vauban
