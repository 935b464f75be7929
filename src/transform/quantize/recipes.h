/// Recipes: which type each tensor of a quantised GGUF has. Names and rules are llama.cpp's.
///
/// Source: llama.cpp src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl, tensor_type_fallback),
/// as of commit 007dbbf3: only matrices whose name ends in "weight" change, norms never; the head, or the embedding table
/// that a tied model uses as its head, is kept better.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/convert/gguf_model.h"

namespace vauban {

struct QuantizeRecipe {
  std::string_view name;  ///< "Q4_0"
  DType matrices;
  int file_type;  ///< llama_ftype
  std::string_view summary;
};
std::span<const QuantizeRecipe> quantize_recipes();
/// Errors: unsupported for a recipe of llama.cpp that is not built yet (named), invalid_input for another word.
Result<const QuantizeRecipe*> find_quantize_recipe(std::string_view name);

/// "ffn_down=q8_0": tensors in whose GGUF name the regular expression is found.
struct TypeOverride {
  std::string pattern;
  DType dtype;
};
/// Errors: invalid_input for a missing '=', an unknown type, or a pattern that is no regular expression.
Result<TypeOverride> parse_type_override(std::string_view text);

struct RecipeChoice {
  DType dtype = DType::f32;
  std::string note;  ///< why it is not the recipe's own type, where that is not a matter of course
};

/// What decides beside the tensor itself.
struct RecipeContext {
  const QuantizeRecipe* recipe = nullptr;
  std::vector<TypeOverride> overrides;  ///< the first that matches wins
  bool pure = false;                    ///< the recipe's type for every matrix, the head too
  bool tied_head = false;
};
/// Errors: unsupported when the rows do not divide into blocks: llama.cpp has no fallback for these types either.
Result<RecipeChoice> choose_type(const RecipeContext& context, std::string_view gguf_name, const Shape& shape, DType stored);

}  // namespace vauban
