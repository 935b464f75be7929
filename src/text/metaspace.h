/// What Metaspace says in a tokenizer.json, as a pre-tokeniser and as a decoder.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace vauban {

struct Metaspace {
  enum class Prepend { first, never, always };
  char32_t replacement = U'\u2581';
  Prepend prepend = Prepend::always;
  bool split = true;
};

/// Knows both ways of writing: `prepend_scheme`, and the older `add_prefix_space`. Errors: corrupt.
Result<Metaspace> read_metaspace(const Json& section);

}  // namespace vauban
