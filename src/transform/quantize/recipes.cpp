#include "transform/quantize/recipes.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/strings.h"
#include "text/regex.h"

namespace vauban {
namespace {

constexpr std::array kRecipes = {
    QuantizeRecipe{"F32", DType::f32, 0, "32-bit floats"},
    QuantizeRecipe{"F16", DType::f16, 1, "16-bit IEEE floats"},
    QuantizeRecipe{"BF16", DType::bf16, 32, "16-bit brain floats"},
    QuantizeRecipe{"Q8_0", DType::q8_0, 7, "8 bits, one scale per 32 weights; 8.5 bits per weight"},
    QuantizeRecipe{"Q5_1", DType::q5_1, 9, "5 bits, scale and minimum per 32; 6 bits per weight"},
    QuantizeRecipe{"Q5_0", DType::q5_0, 8, "5 bits, one scale per 32; 5.5 bits per weight"},
    QuantizeRecipe{"Q4_1", DType::q4_1, 3, "4 bits, scale and minimum per 32; 5 bits per weight"},
    QuantizeRecipe{"Q4_0", DType::q4_0, 2, "4 bits, one scale per 32; 4.5 bits per weight"},
};

/// Names that llama.cpp knows and this program does not build yet.
constexpr std::array<std::string_view, 27> kNotBuilt = {
    "Q2_K",    "Q2_K_S", "Q3_K",  "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K",   "Q4_K_S", "Q4_K_M",
    "Q5_K",    "Q5_K_S", "Q5_K_M", "Q6_K",  "IQ1_S",  "IQ1_M",  "IQ2_XXS", "IQ2_XS", "IQ2_S",
    "IQ2_M",   "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M", "IQ4_NL", "IQ4_XS", "TQ1_0",  "TQ2_0"};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

bool is_position_table(std::string_view name) { return name == "position_embd.weight"; }

bool allows_quantization(std::string_view name, const Shape& shape) {
  return shape.rank() >= 2 && !is_position_table(name) && name.ends_with("weight") && name.find("_norm.weight") == std::string_view::npos;
}

bool is_head(const RecipeContext& context, std::string_view name) {
  return name == "output.weight" || (context.tied_head && name == "token_embd.weight");
}

Result<void> check_row(std::string_view name, const Shape& shape, DType dtype) {
  if (shape.width() % info(dtype).block == 0) return ok();
  return with_hint(unsupported("tensor '{}' has rows of {} elements, {} needs a multiple of {}", name, shape.width(),
                               to_string(dtype), info(dtype).block),
                   format("llama.cpp refuses this too; --tensor-type '{}=f16' keeps this tensor at 16 bits", name));
}

Result<const DType*> find_override(const RecipeContext& context, std::string_view name) {
  for (const TypeOverride& rule : context.overrides) {
    VB_TRY(const Regex regex, Regex::compile(rule.pattern));
    VB_TRY(const auto matches, regex.find_all(name));
    if (!matches.empty()) return &rule.dtype;
  }
  return nullptr;
}

/// llama.cpp gives the head Q6_K (Q8_0 where the recipe is Q8_0), and Q8_0 where the width does not divide into the
/// blocks of Q6_K; Q8_0 is the better type, and stands in for Q6_K until that has an encoder here.
RecipeChoice head_choice(const QuantizeRecipe& recipe, const Shape& shape) {
  constexpr std::int64_t kQ6Block = 256;
  RecipeChoice choice{.dtype = DType::q8_0, .note = {}};
  if (recipe.matrices == DType::q8_0) return choice;
  choice.note = shape.width() % kQ6Block == 0 ? "the head is kept at q8_0; llama.cpp would use q6_K, which is not built yet"
                                              : "the head is kept at q8_0, as llama.cpp does for this width";
  return choice;
}

}  // namespace

std::span<const QuantizeRecipe> quantize_recipes() { return kRecipes; }

Result<const QuantizeRecipe*> find_quantize_recipe(std::string_view name) {
  const std::string wanted = upper(name);
  std::vector<std::string> known;
  for (const QuantizeRecipe& recipe : kRecipes) {
    if (recipe.name == wanted) return &recipe;
    known.emplace_back(recipe.name);
  }
  if (std::ranges::find(kNotBuilt, wanted) != kNotBuilt.end())
    return with_hint(unsupported("the recipe {} is not built yet", wanted), format("built: {}", join(known, ", ")));
  const std::string near = did_you_mean(wanted, known);
  return with_hint(invalid_input("unknown recipe '{}'", printable(name)),
                   near.empty() ? format("known: {}", join(known, ", ")) : format("did you mean {}?", near));
}

Result<TypeOverride> parse_type_override(std::string_view text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0)
    return with_hint(invalid_input("'{}': expected PATTERN=TYPE", printable(text)), "for example 'ffn_down=q8_0'");
  TypeOverride rule{.pattern = std::string(text.substr(0, equals)), .dtype = DType::f32};
  const std::string type(text.substr(equals + 1));
  VB_TRY(const QuantizeRecipe* recipe, find_quantize_recipe(type), "in '{}'", printable(text));
  rule.dtype = recipe->matrices;
  const auto regex = Regex::compile(rule.pattern);
  if (!regex) return invalid_input("'{}': {}", printable(text), regex.error().message);
  return rule;
}

Result<RecipeChoice> choose_type(const RecipeContext& context, std::string_view name, const Shape& shape, DType stored) {
  if (!allows_quantization(name, shape)) {
    const bool plain = shape.rank() < 2 || is_position_table(name);
    return RecipeChoice{.dtype = plain ? DType::f32 : stored, .note = {}};
  }
  const QuantizeRecipe& recipe = *context.recipe;
  RecipeChoice choice{.dtype = recipe.matrices, .note = {}};
  VB_TRY(const DType* overridden, find_override(context, name));
  if (overridden)
    choice = {.dtype = *overridden, .note = "by --tensor-type"};
  else if (is_quantised(recipe.matrices) && !context.pure && is_head(context, name))
    choice = head_choice(recipe, shape);
  VB_CHECK(check_row(name, shape, choice.dtype));
  return choice;
}

}  // namespace vauban
