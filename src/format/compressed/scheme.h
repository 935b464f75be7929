/// CompressionScheme: how the matrices of a folder are compressed, as its quantization_config says it.
///
/// One file per format in this folder, and one line each in schemes.cpp (docs/adding-a-checkpoint-quantisation.md). A scheme is
/// plain data and a function from the stored parts of one matrix to its values; parts are untrusted, so sizes come from the
/// shapes in the file, which the reader has compared with the bytes, and everything else is compared with those.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "format/compressed/stored_parts.h"

namespace vauban {

/// Row-major. For one of a stack: without the leading dimension.
struct DecodedMatrix {
  Shape shape;
  std::vector<float> values;
};

struct CompressionScheme {
  std::string summary;             ///< "gptq, 4 bits, groups of 32"
  std::vector<std::string> notes;  ///< what is computed otherwise than the format asks
  /// A tensor STEM + mark says that STEM + target is compressed; the parts are STEM + one of these.
  std::vector<std::string> marks, parts;
  /// Of the format's own run time (scales of activations): not read.
  std::vector<std::string> unread;
  std::string target = ".weight";
  bool stacked = false;  ///< a target is a stack of matrices, and `decode` gives number `index` of it
  /// -> what the format's own library decodes to, in f32, before any rounding to the type of its activations.
  /// Errors: corrupt, naming the tensor; unsupported for an option of this one tensor.
  std::function<Result<DecodedMatrix>(const StoredParts& parts, std::int64_t index)> decode;
};

/// quantization_config with checked reads: a key of the wrong type is `corrupt`, an unknown value `unsupported`, both by name.
class SchemeKeys {
 public:
  /// The object must outlive this. `where` names it: "quantization_config".
  SchemeKeys(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}
  /// Null where absent or null.
  const Json* find(std::string_view key) const;
  Result<std::int64_t> integer(std::string_view key) const;
  Result<std::int64_t> integer_or(std::string_view key, std::int64_t fallback) const;
  Result<bool> flag_or(std::string_view key, bool fallback) const;
  /// In lower case.
  Result<std::string> text_or(std::string_view key, std::string_view fallback) const;
  /// `unsupported`: "quantization_config.bits is 5; known: 2, 3, 4, 8"
  Error unknown(std::string_view key, std::string_view known) const;
  /// Refuses the key unless it is absent, null, false or empty.
  Result<void> refuse(std::string_view key) const;
  /// A size of groups: -1 stands for the whole row and becomes 0. Errors: unsupported.
  Result<std::int64_t> group_size(std::string_view key) const;
  const std::string& where() const { return where_; }

 private:
  const Json& object_;
  std::string where_;
};

struct CompressionFormat {
  std::string_view method;  ///< of `quant_method`
  Result<CompressionScheme> (*open)(const SchemeKeys& keys);
};
std::span<const CompressionFormat> compression_formats();

}  // namespace vauban
