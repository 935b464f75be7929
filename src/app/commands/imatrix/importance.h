/// Measuring the importance of weights' columns: the mean square of what each matrix multiplies, over a text.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/context.h"
#include "format/imatrix_writer.h"
#include "format/model_source.h"
#include "ops/ops.h"

namespace vauban {

struct ImportanceOptions {
  std::int64_t chunk_tokens = 512;  ///< of each piece of the text, a context of its own; what is left over is not used
  std::int64_t first_chunk = 0;
  std::int64_t chunks = 0;  ///< at most; 0: all
  bool head = false;        ///< the output matrix too, where it is not the embedding table
};

/// As llama-imatrix cuts and counts: the text is tokenised as one, and where the tokenizer begins a text with BOS, every
/// chunk begins with it, in place of its first token. Entries are those of the model's GGUF, from a folder that fuses
/// matrices too: each that is cut from one has its inputs.
/// Errors: invalid_input for a text of less than one chunk; unsupported for a model without tokenizer, or whose experts
/// share a name; those of loading and running.
Result<ImportanceSums> measure_importance(const ModelSource& source, std::unique_ptr<Ops> ops, std::string_view text,
                                          const ImportanceOptions& options, const Context& context);

}  // namespace vauban
