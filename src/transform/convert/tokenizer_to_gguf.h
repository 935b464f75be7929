/// Tokenizer of a Hugging Face folder -> `tokenizer.*` keys of a GGUF.
///
/// Byte-level BPE becomes `gpt2` (with the `pre` type whose cuts are the same), SentencePiece BPE (tokenizer.model, or a
/// tokenizer.json with byte fallback) becomes `llama`. What was made is loaded again and must give the source's ids:
/// tokenizer_probe.h.
#pragma once

#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "format/model_source.h"
#include "model/config.h"

namespace vauban {

struct GgufTokenizer {
  std::vector<GgufKey> keys;       ///< empty where the source has no tokenizer
  std::vector<std::string> notes;  ///< what the user should know
};

struct TokenizerOptions {
  /// Write a vocabulary that gives other ids for some texts: the format merges by one score per token, tokenizer.json
  /// by one rank per pair. The original is then kept whole in `tokenizer.huggingface.json`.
  bool allow_inexact = false;
};

/// Errors: unsupported for a tokenizer that the keys cannot express (what, named) or that gives other ids afterwards (the
/// text and both id lists are shown); those of loading it.
Result<GgufTokenizer> tokenizer_to_gguf(const ModelSource& source, const ModelConfig& config, const TokenizerOptions& options = {});

/// The `pre` type that cuts text as `pre_tokenizer` of a tokenizer.json does. Errors: unsupported when none does.
Result<std::string> find_pre_type(const Json& pre_tokenizer, bool ignore_merges);

}  // namespace vauban
