#include "transform/quantize/quantize.h"

#include <algorithm>
#include <memory>

#include "base/strings.h"
#include "format/imatrix.h"
#include "tensor/quant/format.h"

namespace vauban {
namespace {

struct Prepared {
  std::shared_ptr<const ImportanceMatrix> importance;  ///< kept until the tensors are written; null without one
  GgufModel model;
  TransformReport report;
};

std::string recipe_text(const RecipeContext& recipe, const QuantizeOptions& options) {
  std::string text = format("quantize {}", recipe.recipe->name);
  if (options.pure) text += " pure";
  if (options.allow_requantize) text += " allow-requantize";
  if (!options.imatrix.empty()) text += " imatrix";
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
  context.has_importance = !options.imatrix.empty();
  return context;
}

/// What the rules of mixtures ask about the model.
Result<void> add_model_facts(RecipeContext& recipe, const ModelSource& source) {
  VB_TRY(const ModelTensors mapped, map_tensors(source, Container::gguf));
  recipe.tied_head = mapped.config.tied_head;
  recipe.layers = static_cast<int>(mapped.config.layers);
  recipe.heads = static_cast<int>(mapped.config.heads);
  recipe.kv_heads = static_cast<int>(mapped.config.kv_heads);
  const Architecture* gguf = gguf_architecture(*mapped.architecture);
  const auto mixture = gguf ? gguf->llama_cpp.mixture : LlamaCppRules::Mixture::plain;
  recipe.is_falcon = mixture == LlamaCppRules::Mixture::falcon;
  recipe.is_llama = mixture == LlamaCppRules::Mixture::llama;
  for (const MappedTensor& tensor : mapped.tensors) {
    if (is_value_projection(tensor.spec.gguf)) recipe.value_layers.push_back(layer_of(tensor.spec.gguf));
    if (tensor.spec.gguf.find("ffn_down_exps.weight") != std::string::npos && tensor.spec.shape.rank() == 3)
      recipe.experts = static_cast<int>(tensor.spec.shape[0]);
  }
  std::ranges::sort(recipe.value_layers);
  return ok();
}

/// A source that is quantised already has lost what a better type would have kept.
Result<void> check_source_type(const MappedTensor& tensor, DType target, const QuantizeOptions& options) {
  if (tensor.compressed && !options.allow_requantize)
    return with_hint(unsupported("the source is quantised already; {} of it would lose twice", to_string(target)),
                     "quantize the unquantised model, or give --allow-requantize");
  const DType stored = tensor.entry->view.dtype;
  if (!is_quantised(stored) || stored == target || options.allow_requantize) return ok();
  return with_hint(unsupported("the source is quantised already ({}); {} of it would lose twice", to_string(stored), to_string(target)),
                   "quantize the unquantised model, or give --allow-requantize");
}

Result<std::string> first_match(const TypeOverride& rule, const std::vector<TensorPlan>& plan) {
  for (const TensorPlan& tensor : plan) {
    VB_TRY(const bool matches, is_matched(rule, tensor.name));
    if (matches) return tensor.name;
  }
  return std::string();
}

/// The name of a tensor that the pattern may have meant: a whole one, or what "blk.7." and ".weight" enclose.
std::string name_hint(const TypeOverride& rule, const std::vector<TensorPlan>& plan) {
  std::vector<std::string> known;
  for (const TensorPlan& tensor : plan) {
    const int layer = layer_of(tensor.name);
    const std::size_t begin = layer < 0 ? 0 : format("blk.{}.", layer).size();
    known.push_back(tensor.name.substr(begin, tensor.name.rfind('.') - begin));
    known.push_back(tensor.name);
  }
  const std::string near = did_you_mean(rule.pattern, known);
  if (!near.empty()) return format("did you mean '{}'?", near);
  return format("names are those of the GGUF, such as '{}'", plan.empty() ? "blk.0.ffn_down.weight" : plan[plan.size() / 2].name);
}

/// Chooses tensor by tensor and collects what there is to say about it.
class Chooser {
 public:
  Chooser(const RecipeContext& recipe, const QuantizeOptions& options, const ImportanceMatrix* importance, bool is_plan)
      : recipe_(recipe), options_(options), importance_(importance), is_plan_(is_plan), uses_(recipe.overrides.size()) {}

  Result<StoredForm> choose(const MappedTensor& tensor) {
    const std::string& name = tensor.spec.gguf;
    VB_TRY(const RecipeChoice choice, choose_type(recipe_, tensor.spec, tensor.entry->view.dtype));
    if (choice.rule) ++uses_[*choice.rule];
    VB_CHECK(check_source_type(tensor, choice.dtype, options_));
    if (!choice.note.empty()) notes_.push_back(format("{}: {} ({})", name, to_string(choice.dtype), choice.note));
    StoredForm form{.dtype = choice.dtype};
    if (!is_quantised(choice.dtype)) return form;
    VB_TRY(form.importance, importance_of(tensor));
    if (form.importance.empty()) VB_CHECK(without_importance(name, choice));
    return form;
  }

  /// An override that decided nothing is a mistake where no name of `plan` matches it, and said where one does.
  Result<void> check_overrides(const std::vector<TensorPlan>& plan) {
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      if (uses_[i] > 0) continue;
      const TypeOverride& rule = recipe_.overrides[i];
      VB_TRY(const std::string first, first_match(rule, plan));
      if (first.empty())
        return with_hint(invalid_input("--tensor-type '{}' matches no tensor", printable(to_string(rule))), name_hint(rule, plan));
      notes_.push_back(format("--tensor-type '{}' changes nothing: what it matches ({} the first) stays f32 or as stored, or is matched by "
                              "an earlier one", printable(to_string(rule)), first));
    }
    return ok();
  }

  std::vector<std::string> take_notes() {
    if (missing_ > 0) notes_.push_back(format("{} tensor(s) without an entry in the importance matrix, {} the first", missing_, first_missing_));
    if (needed_ > 0)
      notes_.push_back(format("{} tensor(s) need an importance matrix (--imatrix) before this can be written, {} the first", needed_, first_needed_));
    return std::move(notes_);
  }

 private:
  /// The table of embeddings is looked up, not multiplied: an entry of another length belongs to it as a head, and is left.
  Result<std::span<const float>> importance_of(const MappedTensor& tensor) const {
    if (!importance_) return std::span<const float>();
    const auto found = importance_->find(tensor.spec.gguf);
    const Shape& shape = tensor.spec.shape;
    const auto expected = static_cast<std::size_t>(shape.width() * (shape.rank() > 2 ? shape[0] : 1));
    if (found.empty() || found.size() == expected) return found;
    if (tensor.spec.gguf == "token_embd.weight") return std::span<const float>();
    return with_hint(invalid_input("the importance matrix has {} values for '{}', expected {}", found.size(), tensor.spec.gguf, expected),
                     "it was made from another model");
  }

  Result<void> without_importance(const std::string& name, const RecipeChoice& choice) {
    const bool impossible = find_block_format(choice.dtype)->encode == nullptr;
    if (choice.needs_importance || impossible) {
      if (!is_plan_)
        return with_hint(unsupported("{} needs importance weights for '{}', and there are none", to_string(choice.dtype), name),
                         importance_ ? "the importance matrix has no entry for it; --tensor-type gives it another type"
                                     : "give --imatrix FILE, as llama-imatrix writes it, or choose a recipe with more bits");
      if (needed_++ == 0) first_needed_ = name;
    } else if (importance_) {
      if (missing_++ == 0) first_missing_ = name;
    }
    return ok();
  }

  const RecipeContext& recipe_;
  const QuantizeOptions& options_;
  const ImportanceMatrix* importance_;
  const bool is_plan_;
  std::vector<int> uses_;  ///< of each override
  std::vector<std::string> notes_;
  int missing_ = 0, needed_ = 0;
  std::string first_missing_, first_needed_;
};

Result<std::shared_ptr<const ImportanceMatrix>> importance_from(const std::filesystem::path& path) {
  if (path.empty()) return std::shared_ptr<const ImportanceMatrix>();
  VB_TRY(ImportanceMatrix matrix, open_imatrix(path), "in --imatrix");
  return std::make_shared<const ImportanceMatrix>(std::move(matrix));
}

/// What llama-quantize writes about the importance matrix, but for its path: equal inputs give equal bytes.
void add_importance_keys(std::vector<GgufKey>& keys, const ImportanceMatrix& importance) {
  set_key(keys, GgufKey::u32("quantize.imatrix.entries_count", static_cast<std::uint32_t>(importance.weights.size())));
  if (importance.chunks > 0) set_key(keys, GgufKey::u32("quantize.imatrix.chunks_count", static_cast<std::uint32_t>(importance.chunks)));
  if (!importance.datasets.empty()) set_key(keys, GgufKey::text("quantize.imatrix.dataset", importance.datasets.front()));
}

Result<Prepared> prepare(const ModelSource& source, const QuantizeOptions& options, const Context& context, bool is_plan) {
  Prepared out;
  VB_TRY(RecipeContext recipe, recipe_of(options));
  VB_CHECK(add_model_facts(recipe, source));
  VB_TRY(out.importance, importance_from(options.imatrix));
  Chooser chooser(recipe, options, out.importance.get(), is_plan);
  const auto choose = [&](const MappedTensor& tensor) { return chooser.choose(tensor); };
  VB_TRY(out.model, make_gguf_model(source, choose, options.tokenizer, context));
  VB_CHECK(chooser.check_overrides(out.model.plan));
  set_key(out.model.keys, GgufKey::u32("general.file_type", static_cast<std::uint32_t>(recipe.recipe->file_type)));
  set_key(out.model.keys, GgufKey::u32("general.quantization_version", 2));
  if (out.importance) add_importance_keys(out.model.keys, *out.importance);
  out.report.plan = out.model.plan;
  out.report.totals = totals_of(out.report.plan);
  out.report.peak_bytes = peak_bytes_of(out.report.plan);
  // A plan leaves the digest out: it takes reading all of the source.
  out.report.lineage = {.base_digest = is_plan ? std::string() : source.file->digest(), .base = source.name, .recipe = recipe_text(recipe, options), .tool = options.tool};
  out.report.notes = std::move(out.model.notes);
  for (std::string& note : chooser.take_notes()) out.report.notes.push_back(std::move(note));
  Lineage stored = out.report.lineage;
  if (is_plan) stored.base_digest.assign(64, '0');  // the size of the file is asked for, and a digest takes its place there
  add_lineage(out.model.keys, stored);
  return out;
}

}  // namespace

Result<TransformReport> plan_quantize(const ModelSource& source, const QuantizeOptions& options, const Context& context) {
  VB_TRY(Prepared prepared, prepare(source, options, context, true));
  VB_TRY(prepared.report.file_bytes, gguf_size_bytes(prepared.model.keys, prepared.model.tensors));
  return std::move(prepared.report);
}

Result<TransformReport> quantize_model(const ModelSource& source, const std::filesystem::path& out,
                                       const QuantizeOptions& options, const Context& context, FileOps& ops) {
  VB_CHECK(check_out_path(source, out, Container::gguf));
  VB_TRY(Prepared prepared, prepare(source, options, context, false));
  count_progress(prepared.model.tensors, "quantize", context);
  VB_CHECK(write_gguf_checked(
      out, prepared.model.keys, prepared.model.tensors,
      [&](const std::filesystem::path& written) { return add_result(prepared.report, written); }, ops));
  context.progress.finish("quantize");
  return std::move(prepared.report);
}

}  // namespace vauban
