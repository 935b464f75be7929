/// Normalizer: rewrites a stretch of text before it is split, keeping track of where each byte came from.
///
/// To add one: one file with a `make_...` function declared here, one line in normalizers.cpp.
#pragma once

#include <memory>

#include "base/json.h"
#include "base/result.h"
#include "text/aligned_text.h"

namespace vauban {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Errors: resource when a regular expression needs too many steps.
  virtual Result<void> apply(AlignedText& text) const = 0;
};

/// `section`: the "normalizer" of a tokenizer.json, not null. Errors: corrupt, or unsupported by name.
Result<std::unique_ptr<Normalizer>> make_normalizer(const Json& section);

Result<std::unique_ptr<Normalizer>> make_sequence_normalizer(const Json& section);
Result<std::unique_ptr<Normalizer>> make_nfc(const Json& section);
Result<std::unique_ptr<Normalizer>> make_nfd(const Json& section);
Result<std::unique_ptr<Normalizer>> make_nfkc(const Json& section);
Result<std::unique_ptr<Normalizer>> make_nfkd(const Json& section);
Result<std::unique_ptr<Normalizer>> make_lowercase(const Json& section);
Result<std::unique_ptr<Normalizer>> make_strip(const Json& section);
Result<std::unique_ptr<Normalizer>> make_strip_accents(const Json& section);
Result<std::unique_ptr<Normalizer>> make_prepend(const Json& section);
Result<std::unique_ptr<Normalizer>> make_replace(const Json& section);
Result<std::unique_ptr<Normalizer>> make_byte_level_normalizer(const Json& section);
Result<std::unique_ptr<Normalizer>> make_nmt(const Json& section);
Result<std::unique_ptr<Normalizer>> make_bert_normalizer(const Json& section);
Result<std::unique_ptr<Normalizer>> make_precompiled(const Json& section);

}  // namespace vauban
