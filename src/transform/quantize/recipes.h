/// Recipes: which type each tensor of a quantised GGUF has. Names and rules are llama.cpp's.
///
/// Source: llama.cpp src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl, tensor_type_fallback,
/// tensor_requires_imatrix), as of commit 007dbbf3: only matrices whose name ends in "weight" change, norms and a few small
/// ones never; the head, or the embedding table that a tied model uses as its head, is kept better; most recipes give
/// the value and down projections of some layers more bits (mixture.cpp).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/convert/gguf_model.h"

namespace vauban {

/// llama_ftype of llama.h: what `general.file_type` says.
enum class FileType : std::uint8_t {
  f32 = 0, f16 = 1, q4_0 = 2, q4_1 = 3, q8_0 = 7, q5_0 = 8, q5_1 = 9, q2_k = 10, q3_k_s = 11, q3_k_m = 12, q3_k_l = 13,
  q4_k_s = 14, q4_k_m = 15, q5_k_s = 16, q5_k_m = 17, q6_k = 18, iq2_xxs = 19, iq2_xs = 20, q2_k_s = 21, iq3_xs = 22,
  iq3_xxs = 23, iq1_s = 24, iq4_nl = 25, iq3_s = 26, iq3_m = 27, iq2_s = 28, iq2_m = 29, iq4_xs = 30, iq1_m = 31, bf16 = 32,
  tq1_0 = 36, tq2_0 = 37, mxfp4_moe = 38,
};

struct QuantizeRecipe {
  std::string_view name;  ///< "Q4_K_M"
  DType matrices;
  FileType file_type;
  std::string_view summary;
};
std::span<const QuantizeRecipe> quantize_recipes();
/// In either case; Q3_K, Q4_K and Q5_K mean their _M. Errors: invalid_input for another word.
Result<const QuantizeRecipe*> find_quantize_recipe(std::string_view name);

/// "ffn_down=q8_0": tensors in whose GGUF name the regular expression is found.
struct TypeOverride {
  std::string pattern;
  DType dtype;
};
Result<bool> is_matched(const TypeOverride& rule, std::string_view gguf_name);
std::string to_string(const TypeOverride& rule);  ///< "ffn_down=q8_0"
/// Errors: invalid_input for a missing '=', an unknown type, or a pattern that is no regular expression.
Result<TypeOverride> parse_type_override(std::string_view text);

struct RecipeChoice {
  DType dtype = DType::f32;
  std::string note;               ///< why it is not the type that the recipe means, where that is not a matter of course
  bool needs_importance = false;  ///< llama.cpp refuses to go on without
  std::optional<std::size_t> rule = {};  ///< which of the overrides decided; none: the recipe, or the rule of what stays
};

/// What decides beside the tensor itself.
struct RecipeContext {
  const QuantizeRecipe* recipe = nullptr;
  std::vector<TypeOverride> overrides;  ///< the first that matches wins
  bool pure = false;                    ///< the recipe's type for every matrix, the head too
  bool tied_head = false;
  bool has_importance = false;
  int layers = 0;
  int heads = 1, kv_heads = 1;
  int experts = 0;
  bool is_falcon = false, is_llama = false;
  std::vector<int> value_layers;  ///< ascending: layers with a value projection (attn_v, attn_qkv or attn_kv_b)
};
/// Rows that do not divide into the blocks of a K or I type get a type of llama.cpp's list (Q4_K -> Q5_0 ...), or f16; the
/// note says so. Errors: unsupported when the rows do not divide into blocks of 32: llama.cpp has no fallback there either.
/// What stays f32 in every GGUF (stays_f32) and what llama.cpp leaves as stored is touched by no override.
Result<RecipeChoice> choose_type(const RecipeContext& context, const TensorSpec& tensor, DType stored);

/// The layer of "blk.7.attn_q.weight"; -1 for a tensor of none.
int layer_of(std::string_view gguf_name);
bool is_value_projection(std::string_view gguf_name);

/// The recipe's own choice for a matrix, before rows are looked at.
DType type_in_mixture(const RecipeContext& context, std::string_view gguf_name, const Shape& shape);

}  // namespace vauban
