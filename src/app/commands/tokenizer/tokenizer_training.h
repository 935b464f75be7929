/// The two kinds of training behind `vauban tokenizer train`: text -> files, and what they are.
#pragma once

#include "app/commands/tokenizer/tokenizer_config.h"
#include "base/context.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// Writes tokenizer.json and tokenizer_config.json. The value: {"kind", "vocab_size", "merges", "words", "bytes",
/// "digest", "files"}. Errors: those of the training and of the files.
Result<Json> train_bpe_files(const TokenizerTrainConfig& config, const Context& context);

/// Writes tokenizer.model and, into a folder, tokenizer_config.json. The same keys, "pieces" for "merges".
Result<Json> train_unigram_files(const TokenizerTrainConfig& config, const Context& context);

/// For flags that belong to the other kind. Errors: invalid_input naming the first that was given.
Result<void> check_kind(const TokenizerTrainConfig& config);

}  // namespace vauban
