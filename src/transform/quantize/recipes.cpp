#include "transform/quantize/recipes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/strings.h"
#include "tensor/quant/format.h"
#include "text/regex.h"

namespace vauban {
namespace {

constexpr std::array kRecipes = {
    QuantizeRecipe{"F32", DType::f32, FileType::f32, "32-bit floats"},
    QuantizeRecipe{"F16", DType::f16, FileType::f16, "16-bit IEEE floats"},
    QuantizeRecipe{"BF16", DType::bf16, FileType::bf16, "16-bit brain floats"},
    QuantizeRecipe{"Q8_0", DType::q8_0, FileType::q8_0, "8 bits, one scale per 32 weights; 8.5 bits per weight"},
    QuantizeRecipe{"Q6_K", DType::q6_k, FileType::q6_k, "6 bits; 6.56 bits per weight"},
    QuantizeRecipe{"Q5_K_M", DType::q5_k, FileType::q5_k_m, "5 bits, six for values and down projections of half the layers"},
    QuantizeRecipe{"Q5_K_S", DType::q5_k, FileType::q5_k_s, "5 bits; 5.5 bits per weight"},
    QuantizeRecipe{"Q5_1", DType::q5_1, FileType::q5_1, "5 bits, scale and minimum per 32; 6 bits per weight"},
    QuantizeRecipe{"Q5_0", DType::q5_0, FileType::q5_0, "5 bits, one scale per 32; 5.5 bits per weight"},
    QuantizeRecipe{"Q4_K_M", DType::q4_k, FileType::q4_k_m, "4 bits, six for values and down projections of half the layers"},
    QuantizeRecipe{"Q4_K_S", DType::q4_k, FileType::q4_k_s, "4 bits, five for the first values and down projections"},
    QuantizeRecipe{"Q4_1", DType::q4_1, FileType::q4_1, "4 bits, scale and minimum per 32; 5 bits per weight"},
    QuantizeRecipe{"Q4_0", DType::q4_0, FileType::q4_0, "4 bits, one scale per 32; 4.5 bits per weight"},
    QuantizeRecipe{"IQ4_NL", DType::iq4_nl, FileType::iq4_nl, "4 bits on uneven steps, one scale per 32; 4.5 bits per weight"},
    QuantizeRecipe{"IQ4_XS", DType::iq4_xs, FileType::iq4_xs, "4 bits on uneven steps; 4.25 bits per weight"},
    QuantizeRecipe{"Q3_K_L", DType::q3_k, FileType::q3_k_l, "3 bits, five for values, down and attention output"},
    QuantizeRecipe{"Q3_K_M", DType::q3_k, FileType::q3_k_m, "3 bits, four for values, down and attention output"},
    QuantizeRecipe{"Q3_K_S", DType::q3_k, FileType::q3_k_s, "3 bits; 3.44 bits per weight"},
    QuantizeRecipe{"IQ3_M", DType::iq3_s, FileType::iq3_m, "3 bits by point sets, four for values and attention output"},
    QuantizeRecipe{"IQ3_S", DType::iq3_s, FileType::iq3_s, "3 bits by point sets; 3.44 bits per weight"},
    QuantizeRecipe{"IQ3_XS", DType::iq3_s, FileType::iq3_xs, "3 bits by point sets, less for queries, keys and the middle"},
    QuantizeRecipe{"IQ3_XXS", DType::iq3_xxs, FileType::iq3_xxs, "3 bits by point sets; 3.06 bits per weight; needs an imatrix"},
    QuantizeRecipe{"Q2_K", DType::q2_k, FileType::q2_k, "2 bits, three for values, down and attention output"},
    QuantizeRecipe{"Q2_K_S", DType::q2_k, FileType::q2_k_s, "2 bits; 2.63 bits per weight; needs an imatrix"},
    QuantizeRecipe{"IQ2_M", DType::iq2_s, FileType::iq2_m, "2 bits by point sets; 2.56 bits per weight; needs an imatrix"},
    QuantizeRecipe{"IQ2_S", DType::iq2_xs, FileType::iq2_s, "2 bits by point sets, three for attention; needs an imatrix"},
    QuantizeRecipe{"IQ2_XS", DType::iq2_xs, FileType::iq2_xs, "2 bits by point sets; 2.31 bits per weight; needs an imatrix"},
    QuantizeRecipe{"IQ2_XXS", DType::iq2_xxs, FileType::iq2_xxs, "2 bits by point sets; 2.06 bits per weight; needs an imatrix"},
    QuantizeRecipe{"IQ1_M", DType::iq1_m, FileType::iq1_m, "ternary by point sets; 1.75 bits per weight; needs an imatrix"},
    QuantizeRecipe{"IQ1_S", DType::iq1_s, FileType::iq1_s, "ternary by point sets; 1.56 bits per weight; needs an imatrix"},
    QuantizeRecipe{"TQ2_0", DType::tq2_0, FileType::tq2_0, "-1, 0, 1; 2.06 bits per weight; for models trained so"},
    QuantizeRecipe{"TQ1_0", DType::tq1_0, FileType::tq1_0, "-1, 0, 1; 1.69 bits per weight; for models trained so"},
    QuantizeRecipe{"MXFP4_MOE", DType::mxfp4, FileType::mxfp4_moe, "experts in 4-bit floats, the rest Q8_0"},
};

struct Alias {
  std::string_view name, means;
};
constexpr std::array kAliases = {Alias{"Q3_K", "Q3_K_M"}, Alias{"Q4_K", "Q4_K_M"}, Alias{"Q5_K", "Q5_K_M"}};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// Matrices that llama.cpp leaves as they are stored: convolutions and other small ones. What it keeps at f32 in every file
/// (vectors, routers) is told by stays_f32().
constexpr std::array<std::string_view, 30> kLeftAlone = {
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
    "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w0.weight",
    "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight",
    "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight",
    "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight", ".position_embd",
    ".rel_pos", ".patch_embd", "token_types.weight"};

bool allows_quantization(std::string_view name) {
  const auto holds = [name](std::string_view part) { return name.find(part) != std::string_view::npos; };
  return name.ends_with("weight") && std::ranges::none_of(kLeftAlone, holds);
}

Result<std::optional<std::size_t>> find_override(const RecipeContext& context, std::string_view name) {
  for (std::size_t i = 0; i < context.overrides.size(); ++i) {
    VB_TRY(const bool matches, is_matched(context.overrides[i], name));
    if (matches) return i;
  }
  return std::nullopt;
}

/// What stands in for a type of 256 wide blocks; f32 where nothing does.
DType narrower_block(DType dtype) {
  switch (dtype) {
    case DType::iq1_s:
    case DType::iq1_m:
    case DType::iq2_xxs:
    case DType::iq2_xs:
    case DType::iq2_s:
    case DType::iq3_xxs:
    case DType::iq3_s:
    case DType::iq4_xs: return DType::iq4_nl;
    case DType::q2_k:
    case DType::q3_k:
    case DType::tq1_0:
    case DType::tq2_0: return DType::q4_0;
    case DType::q4_k: return DType::q5_0;
    case DType::q5_k: return DType::q5_1;
    case DType::q6_k: return DType::q8_0;
    default: return DType::f32;
  }
}

Result<RecipeChoice> fit_rows(RecipeChoice choice, std::string_view name, const Shape& shape) {
  const int block = info(choice.dtype).block;
  if (shape.width() % block == 0) return choice;
  const DType wanted = choice.dtype;
  choice.dtype = narrower_block(wanted);
  if (choice.dtype == DType::f32)
    return with_hint(unsupported("tensor '{}' has rows of {} elements, {} needs a multiple of {}", name, shape.width(),
                                 to_string(wanted), block),
                     format("llama.cpp refuses this too; --tensor-type '{}=f16' keeps this tensor at 16 bits", name));
  if (shape.width() % info(choice.dtype).block != 0) choice.dtype = DType::f16;
  choice.note = format("{} needs rows of a multiple of {}, these have {}", to_string(wanted), block, shape.width());
  return choice;
}

bool needs_importance(std::string_view name, DType dtype, FileType file_type) {
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight" || name == "output.weight") return false;
  switch (dtype) {
    case DType::iq3_xxs:
    case DType::iq2_xxs:
    case DType::iq2_xs:
    case DType::iq2_s:
    case DType::iq1_m:
    case DType::iq1_s: return true;
    case DType::q2_k: return file_type == FileType::q2_k_s;
    default: return false;
  }
}

Result<DType> type_from_word(std::string_view word) {
  constexpr std::array kPlain = {DType::f32, DType::f16, DType::bf16};
  for (const DTypeInfo& entry : all_dtypes()) {
    const bool writable = std::ranges::find(kPlain, entry.id) != kPlain.end() || (is_quantised(entry.id) && entry.id != DType::q8_k);
    if (writable && upper(entry.name) == upper(word)) return entry.id;
  }
  return with_hint(invalid_input("unknown type '{}'", printable(word)), "for example q8_0, q6_K, iq4_xs, f16");
}

}  // namespace

std::span<const QuantizeRecipe> quantize_recipes() { return kRecipes; }

Result<const QuantizeRecipe*> find_quantize_recipe(std::string_view name) {
  std::string wanted = upper(name);
  for (const Alias& alias : kAliases)
    if (alias.name == wanted) wanted = alias.means;
  std::vector<std::string> known;
  for (const QuantizeRecipe& recipe : kRecipes) {
    if (recipe.name == wanted) return &recipe;
    known.emplace_back(recipe.name);
  }
  const std::string near = did_you_mean(wanted, known);
  return with_hint(invalid_input("unknown recipe '{}'", printable(name)),
                   near.empty() ? format("known: {}", join(known, ", ")) : format("did you mean {}?", near));
}

Result<TypeOverride> parse_type_override(std::string_view text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0)
    return with_hint(invalid_input("'{}': expected PATTERN=TYPE", printable(text)), "for example 'ffn_down=q8_0'");
  TypeOverride rule{.pattern = std::string(text.substr(0, equals)), .dtype = DType::f32};
  VB_TRY(rule.dtype, type_from_word(text.substr(equals + 1)), "in '{}'", printable(text));
  const auto regex = Regex::compile(rule.pattern);
  if (!regex) return invalid_input("'{}': {}", printable(text), regex.error().message);
  return rule;
}

int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return -1;
  name.remove_prefix(kPrefix.size());
  int layer = -1;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), layer);
  return failed == std::errc() && end != name.data() + name.size() && *end == '.' ? layer : -1;
}

Result<bool> is_matched(const TypeOverride& rule, std::string_view name) {
  VB_TRY(const Regex regex, Regex::compile(rule.pattern));
  VB_TRY(const auto matches, regex.find_all(name));
  return !matches.empty();
}

std::string to_string(const TypeOverride& rule) { return format("{}={}", rule.pattern, to_string(rule.dtype)); }

Result<RecipeChoice> choose_type(const RecipeContext& context, const TensorSpec& tensor, DType stored) {
  const std::string& name = tensor.gguf;
  if (stays_f32(tensor)) return RecipeChoice{.dtype = DType::f32, .note = {}};
  if (!allows_quantization(name)) return RecipeChoice{.dtype = stored, .note = {}};
  const QuantizeRecipe& recipe = *context.recipe;
  RecipeChoice choice{.dtype = recipe.matrices, .note = {}};
  VB_TRY(choice.rule, find_override(context, name));
  if (choice.rule) {
    choice.dtype = context.overrides[*choice.rule].dtype;
    choice.note = "by --tensor-type";
  } else if (is_quantised(recipe.matrices) && !context.pure) {
    choice.dtype = type_in_mixture(context, name, tensor.shape);
  }
  VB_TRY(choice, fit_rows(std::move(choice), name, tensor.shape));
  choice.needs_importance = needs_importance(name, choice.dtype, recipe.file_type);
  return choice;
}

}  // namespace vauban
