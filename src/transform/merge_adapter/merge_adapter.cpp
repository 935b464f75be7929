#include "transform/merge_adapter/merge_adapter.h"

#include <algorithm>

#include "base/strings.h"
#include "format/hf_writer.h"
#include "model/adapter_plan.h"
#include "model/model.h"
#include "transform/cast.h"
#include "transform/merge_adapter/delta.h"
#include "format/model_files.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

/// The spec of every tensor that the base's file stores, by the name it has there.
std::map<std::string, TensorSpec> stored_specs(const ModelSource& base, const Architecture& architecture,
                                               const ModelConfig& config) {
  std::map<std::string, TensorSpec> specs;
  for (const TensorSpec& spec : architecture.tensors(config)) {
    const bool aliased = !base.file->find(spec.hf) && !spec.hf_alias.empty();
    specs.emplace(aliased ? spec.hf_alias : spec.hf, spec);
  }
  return specs;
}

/// One table for both ends: a change to one of them alone cannot be written without untying the model.
Result<void> refuse_half_of_a_tied_table(const AdapterPlan& plan, const Architecture& architecture, const ModelConfig& config) {
  if (!config.tied_head) return ok();
  for (const TargetModule& module : target_modules(architecture, config)) {
    if (module.role == TensorRole::linear || module.shape != Shape{config.vocab_size, config.width}) continue;
    const auto replaced = plan.replacements.find(module.name + ".weight");
    if (!plan.pairs.contains(module.name) && replaced == plan.replacements.end()) continue;
    return unsupported("the adapter changes '{}', which this model ties to its other end: merged, both would change",
                       module.name);
  }
  return ok();
}

/// Everything a tensor of the new model is made from. Kept alive by the one call that writes.
struct Merge {
  const ModelSource& base;
  const AdapterPlan& plan;
  const MergeOptions& options;
  const Context& context;
  MergeReport& report;
};

/// `from` is the base's tensor, or what the adapter stores in place of it.
TensorOut merged_tensor(const Merge& merge, const TensorEntry& entry, const TensorView& from, const TensorSpec& spec,
                        const PlannedPair& pair, DType dtype) {
  const DeltaLayout layout = pair.embedding || spec.hf_transposed ? DeltaLayout::in_out : DeltaLayout::out_in;
  const auto make = [&merge, name = entry.name, from, &pair, layout, dtype]() -> Result<TensorBytes> {
    VB_CHECK(merge.context.cancel.check());
    VB_TRY(MergedValues values, merge_pair(from, pair, layout, dtype, merge.context.pool));
    merge.report.merged.push_back({name, dtype, values.delta_l2, values.rounding_l2});
    return TensorBytes::own(std::move(values.bytes));
  };
  return {.name = entry.name, .dtype = dtype, .shape = entry.view.shape, .make = make};
}

TensorOut cast_from(const Merge& merge, const TensorEntry& entry, const TensorView& from, DType dtype) {
  const auto make = [&merge, from, dtype]() -> Result<TensorBytes> {
    VB_CHECK(merge.context.cancel.check());
    return cast_tensor(from, dtype, merge.context.pool);
  };
  return {.name = entry.name, .dtype = dtype, .shape = entry.view.shape, .make = make};
}

/// `spec` is null for a tensor that no layer reads (an old file's mask).
Result<TensorOut> tensor_out(const Merge& merge, const TensorEntry& entry, const TensorSpec* spec) {
  const bool floats = is_float(entry.view.dtype);
  const DType dtype = floats ? merge.options.dtype.value_or(entry.view.dtype) : entry.view.dtype;
  if (!spec) return cast_from(merge, entry, entry.view, dtype);
  const auto pair = merge.plan.pairs.find(module_of(*spec));
  const auto replacement = merge.plan.replacements.find(spec->hf);
  const bool has_pair = pair != merge.plan.pairs.end() && spec->role != TensorRole::other;
  const bool is_replaced = replacement != merge.plan.replacements.end();
  if ((has_pair || is_replaced) && !floats)
    return unsupported("tensor '{}' is {}: only f32, f16 and bf16 can be merged", printable(entry.name),
                       to_string(entry.view.dtype));
  const TensorView from = is_replaced ? replacement->second->view : entry.view;
  if (is_replaced) merge.report.replaced.push_back(entry.name);
  return has_pair ? merged_tensor(merge, entry, from, *spec, pair->second, dtype) : cast_from(merge, entry, from, dtype);
}

Result<void> add_tensors(const Merge& merge, const std::map<std::string, TensorSpec>& specs, HfFolder& folder) {
  for (const TensorEntry& entry : merge.base.file->tensors()) {
    const auto spec = specs.find(entry.name);
    VB_TRY(TensorOut tensor, tensor_out(merge, entry, spec == specs.end() ? nullptr : &spec->second));
    folder.tensors.push_back(std::move(tensor));
  }
  const std::size_t expected = merge.plan.pairs.size();
  std::size_t found = 0;
  for (const auto& [name, spec] : specs)
    if (merge.base.file->find(name) && spec.role != TensorRole::other && merge.plan.pairs.contains(module_of(spec))) ++found;
  if (found != expected)
    return corrupt("the adapter has {} pairs, but the base stores the weights of {} of those layers", expected, found);
  return ok();
}

void add_config(const ModelSource& base, const MergeOptions& options, HfFolder& folder) {
  Json config = base.config;
  if (options.dtype)
    config[config.find("dtype") ? "dtype" : "torch_dtype"] =
        *options.dtype == DType::f16 ? "float16" : *options.dtype == DType::bf16 ? "bfloat16" : "float32";
  folder.json_files["config.json"] = std::move(config);
}

Result<void> refuse_containers(const ModelSource& base, const fs::path& out) {
  if (base.is_gguf())
    return with_hint(unsupported("{} is a GGUF; an adapter is merged into a Hugging Face folder", base.path.string()),
                     "vauban convert makes one");
  std::error_code ignored;
  if (fs::equivalent(base.path, out, ignored)) return invalid_input("'{}' is the base itself", out.string());
  return ok();
}

}  // namespace

Result<MergeReport> merge_adapter(const ModelSource& base, std::shared_ptr<const Adapter> adapter, const fs::path& out,
                                  const MergeOptions& options, const Context& context, FileOps& ops) {
  VB_CHECK(refuse_containers(base, out));
  if (options.dtype && !is_float(*options.dtype))
    return invalid_input("a merged model is f32, f16 or bf16, not {}", to_string(*options.dtype));
  VB_CHECK(base.refuse_compressed("merging an adapter"));
  VB_TRY(const Architecture* architecture, find_architecture(base));
  VB_TRY(const ModelConfig config, architecture->config_from_hf(base));
  VB_TRY(const AdapterPlan plan, plan_adapter(adapter, *architecture, config));
  VB_CHECK(refuse_half_of_a_tied_table(plan, *architecture, config));

  MergeReport report{.lineage = {.base_digest = base.file->digest(),
                                 .base = base.name,
                                 .recipe = format("merge-adapter {}", adapter->digest()),
                                 .tool = options.tool},
                     .adapter_digest = adapter->digest()};
  HfFolder folder;
  const Merge merge{base, plan, options, context, report};
  VB_CHECK(add_tensors(merge, stored_specs(base, *architecture, config), folder));
  add_config(base, options, folder);
  VB_CHECK(copy_model_files(fs::is_directory(base.path) ? base.path : base.path.parent_path(), folder));
  add_lineage(folder.metadata, report.lineage);
  const auto read_back = [&](const fs::path& unnamed) -> Result<void> {
    VB_TRY(const ModelSource written, ModelSource::open(unnamed), "while reading the merged model back");
    report.digest = written.file->digest();
    for (const auto& file : written.file->files()) report.bytes += file->bytes().size();
    return ok();
  };
  VB_CHECK(write_hf_folder(out, folder, ops, read_back), "while merging into {}", out.string());
  std::ranges::sort(report.merged, {}, &MergedTensor::name);
  return report;
}

}  // namespace vauban
