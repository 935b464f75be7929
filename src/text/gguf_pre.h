/// The `tokenizer.ggml.pre` types: how a gpt2 vocabulary in a GGUF file cuts text before merging.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace vauban {

struct GgufPreType {
  std::string_view name;
  std::span<const std::string_view> patterns;  ///< applied one after the other, each cutting what the last one left
  bool ignore_merges = false;                  ///< a piece in the vocabulary is one token
  bool add_bos = false;                        ///< where the file does not say
};

/// Every known type; of those that cut alike the usual name comes first.
std::span<const GgufPreType> all_gguf_pre_types();
/// Errors: unsupported, naming the type and the known ones.
Result<const GgufPreType*> find_gguf_pre(std::string_view name);

}  // namespace vauban
