/// ModelFile: named tensors and metadata of one model on disk, whatever the container.
///
/// Immutable and shared; tensor bytes are views into read-only maps that live as long as the ModelFile. Opening
/// validates the whole header of every file (untrusted input) but reads no tensor; digests are computed on first use
/// (thread-safe). Readers: safetensors.h (single file and sharded index), gguf.h.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace vauban {

enum class Container { safetensors, gguf };
std::string_view to_string(Container container);

struct TensorEntry {
  std::string name;
  /// Shape row-major, outermost first, for both containers (GGUF's ne is reversed). The bytes may start at any address:
  /// a safetensors header need not keep the data aligned.
  TensorView view;
  std::size_t file = 0;  ///< index into ModelFile::files()
};

class ModelFile {
 public:
  /// One container opened or several shards joined. `metadata`: safetensors `__metadata__` (strings) or the GGUF keys.
  static Result<std::shared_ptr<const ModelFile>> make(Container container,
                                                       std::vector<std::shared_ptr<const MappedFile>> files,
                                                       std::vector<TensorEntry> tensors, Json metadata);
  ~ModelFile();
  Container container() const;
  const std::vector<std::shared_ptr<const MappedFile>>& files() const;
  const std::vector<TensorEntry>& tensors() const;  ///< sorted by name
  const TensorEntry* find(std::string_view name) const;
  /// An object. GGUF arrays keep their element type by value: numbers, booleans or strings; token lists are plain
  /// arrays.
  const Json& metadata() const;

  /// SHA-256 of one file (by index), of one tensor (name, 0x00, dtype name, n_dims and dims as u64 LE, data), and of
  /// the whole model (over "<tensor digest in hex>\n" of the sorted tensors): the last two do not depend on sharding or
  /// on the container's padding.
  std::string file_digest(std::size_t index) const;
  std::string tensor_digest(const TensorEntry& tensor) const;
  std::string digest() const;

 private:
  struct State;
  explicit ModelFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vauban
