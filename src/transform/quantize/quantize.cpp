#include "transform/quantize/quantize.h"

#include "base/strings.h"

namespace vauban {
namespace {

struct Prepared {
  GgufModel model;
  TransformReport report;
};

std::string recipe_text(const RecipeContext& recipe, const QuantizeOptions& options) {
  std::string text = format("quantize {}", recipe.recipe->name);
  if (options.pure) text += " pure";
  if (options.allow_requantize) text += " allow-requantize";
  for (const std::string& rule : options.overrides) text += " " + rule;
  return text;
}

Result<RecipeContext> recipe_of(const QuantizeOptions& options) {
  RecipeContext context;
  VB_TRY(context.recipe, find_quantize_recipe(options.recipe));
  for (const std::string& text : options.overrides) {
    VB_TRY(TypeOverride rule, parse_type_override(text), "in --tensor-type");
    context.overrides.push_back(std::move(rule));
  }
  context.pure = options.pure;
  return context;
}

/// A source that is quantised already has lost what a better type would have kept.
Result<void> check_source_type(const MappedTensor& tensor, DType target, const QuantizeOptions& options) {
  const DType stored = tensor.entry->view.dtype;
  if (!is_quantised(stored) || stored == target || options.allow_requantize) return ok();
  return with_hint(unsupported("the source is quantised already ({}); {} of it would lose twice", to_string(stored), to_string(target)),
                   "quantize the unquantised model, or give --allow-requantize");
}

Result<bool> has_tied_head(const ModelSource& source) {
  VB_TRY(const ModelTensors mapped, map_tensors(source));
  return mapped.config.tied_head;
}

Result<Prepared> prepare(const ModelSource& source, const QuantizeOptions& options, const Context& context) {
  Prepared out;
  VB_TRY(RecipeContext recipe, recipe_of(options));
  VB_TRY(recipe.tied_head, has_tied_head(source));
  std::vector<std::string> notes;
  const auto choose = [&](const MappedTensor& tensor) -> Result<DType> {
    VB_TRY(const RecipeChoice choice, choose_type(recipe, tensor.spec.gguf, tensor.spec.shape, tensor.entry->view.dtype));
    VB_CHECK(check_source_type(tensor, choice.dtype, options));
    if (!choice.note.empty()) notes.push_back(format("{}: {} ({})", tensor.spec.gguf, to_string(choice.dtype), choice.note));
    return choice.dtype;
  };
  VB_TRY(out.model, make_gguf_model(source, choose, options.tokenizer, context));
  set_key(out.model.keys, GgufKey::u32("general.file_type", recipe.recipe->file_type));
  set_key(out.model.keys, GgufKey::u32("general.quantization_version", 2));
  out.report.plan = out.model.plan;
  out.report.totals = totals_of(out.report.plan);
  out.report.peak_bytes = peak_bytes_of(out.report.plan);
  out.report.lineage = {.base_digest = source.file->digest(), .base = source.name, .recipe = recipe_text(recipe, options), .tool = options.tool};
  out.report.notes = std::move(out.model.notes);
  out.report.notes.insert(out.report.notes.end(), notes.begin(), notes.end());
  add_lineage(out.model.keys, out.report.lineage);
  return out;
}

}  // namespace

Result<TransformReport> plan_quantize(const ModelSource& source, const QuantizeOptions& options, const Context& context) {
  VB_TRY(Prepared prepared, prepare(source, options, context));
  return std::move(prepared.report);
}

Result<TransformReport> quantize_model(const ModelSource& source, const std::filesystem::path& out,
                                       const QuantizeOptions& options, const Context& context, FileOps& ops) {
  VB_CHECK(check_out_path(source, out, Container::gguf));
  VB_TRY(Prepared prepared, prepare(source, options, context));
  count_progress(prepared.model.tensors, "quantize", context);
  VB_CHECK(write_gguf(out, prepared.model.keys, prepared.model.tensors, ops));
  context.progress.finish("quantize");
  VB_CHECK(add_result(prepared.report, out));
  return std::move(prepared.report);
}

}  // namespace vauban
