/// CompressedWeights: the matrices of a folder that are stored by a scheme of quantisation or sparsity, under the names that
/// their architecture knows. Each is decoded when it is asked for, and kept by nobody. Immutable; any thread may ask.
///
/// Whether a matrix is compressed, its tensors say: what the configuration lists to be left alone (`ignore`,
/// `modules_to_not_convert`, `llm_int8_skip_modules`) is stored as it is.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "format/compressed/scheme.h"

namespace vauban {

struct DecodedTensor {
  TensorView view;  ///< f32, into *bytes
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

class CompressedWeights {
 public:
  /// `config` is quantization_config (null: nothing is compressed, and null comes back). Errors: unsupported, naming the method or
  /// the key; corrupt.
  static Result<std::shared_ptr<const CompressedWeights>> open(std::shared_ptr<const ModelFile> file, const Json& config, const std::string& where);

  const std::string& summary() const { return scheme_.summary; }
  const std::vector<std::string>& notes() const { return scheme_.notes; }
  bool stacked() const { return scheme_.stacked; }
  bool holds(std::string_view name) const { return stems_.contains(name); }
  std::size_t size() const { return stems_.size(); }
  /// The whole matrix, or number `index` of a stack. Errors: corrupt, unsupported; not_found for a name that is not held.
  Result<DecodedTensor> decode(std::string_view name, std::int64_t index = 0) const;
  /// Names of the tensors that make it up, those that are only of the format's run time included.
  std::vector<std::string> parts_of(std::string_view name) const;
  /// Refuses a tensor whose numbers mean nothing without parts that are missing. Errors: corrupt.
  Result<void> check_plain(const TensorEntry& entry) const;
  /// A bias of zeros beside a compressed matrix (AutoGPTQ writes one for every layer): nothing is lost without it. Scales of a
  /// module that has no compressed matrix (of keys and values) count as well.
  bool is_harmless(const TensorEntry& entry) const;

 private:
  CompressedWeights(std::shared_ptr<const ModelFile> file, CompressionScheme scheme) : file_(std::move(file)), scheme_(std::move(scheme)) {}
  std::shared_ptr<const ModelFile> file_;
  CompressionScheme scheme_;
  std::map<std::string, std::string, std::less<>> stems_;  ///< by target name
};

}  // namespace vauban
