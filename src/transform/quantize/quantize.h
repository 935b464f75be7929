/// quantize: a model as a GGUF whose matrices have fewer bits.
#pragma once

#include "transform/convert/convert.h"
#include "transform/quantize/recipes.h"

namespace vauban {

struct QuantizeOptions {
  std::string recipe;                    ///< "Q4_0"
  std::vector<std::string> overrides;    ///< "PATTERN=TYPE"
  std::filesystem::path imatrix;         ///< importance matrix (format/imatrix.h); empty: none
  bool pure = false;
  bool allow_requantize = false;         ///< a quantised source loses twice: llama.cpp asks for this flag too
  TokenizerOptions tokenizer;
  std::string tool;
};

Result<TransformReport> plan_quantize(const ModelSource& source, const QuantizeOptions& options, const Context& context);
/// Errors: unsupported (rows that do not divide into blocks, a quantised source, a type that needs an importance matrix and
/// has no entry there), corrupt (a weight that is not finite, a damaged importance matrix), invalid_input (an importance
/// matrix of another model); those of converting. `out` appears complete or not at all. A plan without the importance
/// matrix that a recipe needs is made, and says so.
Result<TransformReport> quantize_model(const ModelSource& source, const std::filesystem::path& out,
                                       const QuantizeOptions& options, const Context& context,
                                       FileOps& ops = real_file_ops());

}  // namespace vauban
