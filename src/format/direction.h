/// Direction files: what `vauban measure` writes and what `vauban steer` and [[interventions]] read. One direction per
/// layer, layers counted from 0, as values of the site that the file names (resid_post: the layer's output).
///
/// safetensors, f32:  direction.<layer> (D), norm.<layer> (1), mean_positive.<layer> (D), mean_negative.<layer> (D)
/// and, where a subspace was measured, basis.<layer> (k, D). Only `direction.<layer>` must be there. Where the
/// directions came from stands in `__metadata__`, as text. A file is addressed by the SHA-256 of its bytes; equal
/// content, equal bytes.
///
/// GGUF control vectors (model-files.md section 7): direction.N, N >= 1, f32 [D]. Tools have differed over which layer
/// N means (llama.cpp PR #8060): here direction.N is added to the output of layer N counted from 0, as llama.cpp
/// applies it, so layer 0 has no place in such a file. What we write says so under `vauban.layer_convention`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace vauban {

struct LayerDirection {
  int layer = 0;
  std::vector<float> direction;  ///< (D); of unit length where we measured it
  float norm = 1.0F;             ///< length of the measured difference along `direction`
  std::vector<float> mean_positive, mean_negative;  ///< (D), or empty
  std::vector<float> basis;                         ///< (k, D) orthonormal rows, or empty

  /// norm * direction: what a control vector holds.
  std::vector<float> offset() const;
};

struct DirectionFile {
  std::vector<LayerDirection> layers;             ///< ascending by layer, not empty, all of one width
  std::optional<int> chosen;                      ///< the layer that separated best, where the file says
  std::map<std::string, std::string> provenance;  ///< model_digest, site, positions, method, ...; text as in the file
  std::string digest;                             ///< SHA-256 of the file; set by reading and writing

  std::int64_t width() const { return layers.empty() ? 0 : static_cast<std::int64_t>(layers.front().direction.size()); }
  /// The site it belongs to; "resid_post" where the file does not say.
  std::string site() const;
  const LayerDirection* find(int layer) const;
};

/// Whether the extension, in any case, is that of a GGUF control vector.
bool is_control_vector(const std::filesystem::path& path);
/// What write_directions can write. Errors: invalid_input for another extension than .safetensors and .gguf.
Result<void> check_direction_path(const std::filesystem::path& path);

/// `.gguf` is read as a control vector, anything else as safetensors.
/// Errors: those of the container; corrupt, naming the tensor, for a name, shape or type that does not fit, NaN,
/// infinities, a zero direction, a basis that is not orthonormal to 1e-3, or widths that differ; not_found where the file holds no `direction.<layer>`.
Result<DirectionFile> read_directions(const std::filesystem::path& path);

/// The same two containers, by the extension; sets nothing but the file. Returns the SHA-256 of what was written.
/// Errors: invalid_input for another extension, for what read_directions would refuse and, in a control vector, for layer 0;
/// io, resource.
Result<std::string> write_directions(const std::filesystem::path& path, const DirectionFile& file,
                                     FileOps& ops = real_file_ops());

}  // namespace vauban
