/// quantize: a model as a GGUF whose matrices have fewer bits.
#pragma once

#include "transform/convert/convert.h"
#include "transform/quantize/recipes.h"

namespace vauban {

struct QuantizeOptions {
  std::string recipe;                    ///< "Q4_0"
  std::vector<std::string> overrides;    ///< "PATTERN=TYPE"
  bool pure = false;
  bool allow_requantize = false;         ///< a quantised source loses twice: llama.cpp asks for this flag too
  TokenizerOptions tokenizer;
  std::string tool;
};

Result<TransformReport> plan_quantize(const ModelSource& source, const QuantizeOptions& options, const Context& context);
/// Errors: unsupported (a recipe that is not built, rows that do not divide into blocks, a quantised source), corrupt (a
/// weight that is not finite), invalid_input; those of converting. `out` appears complete or not at all.
Result<TransformReport> quantize_model(const ModelSource& source, const std::filesystem::path& out,
                                       const QuantizeOptions& options, const Context& context,
                                       FileOps& ops = real_file_ops());

}  // namespace vauban
