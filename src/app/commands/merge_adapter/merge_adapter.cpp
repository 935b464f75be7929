/// vauban merge-adapter BASE ADAPTER OUT: a LoRA adapter becomes part of its base.

#include "app/command.h"
#include "app/open.h"
#include "app/version.h"
#include "transform/merge_adapter/merge_adapter.h"

namespace vauban {
namespace {

struct MergeAdapterConfig {
  std::string base, adapter, out;
  std::optional<std::string> dtype;
  CommonOptions common;
};

void fields(MergeAdapterConfig& c, FieldVisitor& f) {
  f("base", c.base, {.help = "model folder", .required = true, .positional = true, .file = true});
  f("adapter", c.adapter, {.help = "PEFT folder", .required = true, .positional = true, .file = true});
  f("out", c.out, {.help = "new model folder", .required = true, .positional = true, .file = true});
  f("dtype", c.dtype, {.help = "type of every tensor; default: as the base stores it", .choices = {"f32", "f16", "bf16"}});
  fields(c.common, f);
}

Json tensors_of(const MergeReport& report) {
  Json rows = Json::array();
  for (const MergedTensor& tensor : report.merged)
    rows.push_back(Json::object({{"name", tensor.name}, {"dtype", to_string(tensor.dtype)},
                                 {"delta_l2", tensor.delta_l2}, {"rounding_l2", tensor.rounding_l2}}));
  return rows;
}

Json answer_of(const MergeAdapterConfig& config, const MergeReport& report) {
  Json lineage = to_json(report.lineage);
  lineage["adapter_digest"] = report.adapter_digest;
  return Json::object({{"in", config.base}, {"adapter", config.adapter}, {"out", config.out}, {"bytes", report.bytes},
                       {"digest", report.digest}, {"lineage", std::move(lineage)}, {"tensors", tensors_of(report)},
                       {"replaced", Json(report.replaced)}});
}

/// The layer of which rounding swallowed the largest share.
std::string worst_rounding(const MergeReport& report) {
  const MergedTensor* worst = nullptr;
  const auto share = [](const MergedTensor& t) { return t.delta_l2 > 0 ? t.rounding_l2 / t.delta_l2 : 0.0; };
  for (const MergedTensor& tensor : report.merged)
    if (!worst || share(tensor) > share(*worst)) worst = &tensor;
  if (!worst) return {};
  return format("rounding is at most {:.2g} of what was added ({} of {})\n", share(*worst), worst->name, to_string(worst->dtype));
}

Result<int> run_merge_adapter(const MergeAdapterConfig& config, Session& session) {
  MergeOptions options{.tool = "vauban " + version()};
  if (config.dtype) {
    VB_TRY(options.dtype, dtype_from_name(*config.dtype));
  }
  VB_TRY(const ModelSource base, open_single_source(config.base));
  VB_TRY(const std::shared_ptr<const Adapter> adapter, Adapter::open(config.adapter));
  VB_TRY(const MergeReport report, merge_adapter(base, adapter, config.out, options, session.context()));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer_of(config, report)));
    return 0;
  }
  session.out().text(format("{}: {} layers merged, {} tensors replaced, {} bytes\n{}", config.out, report.merged.size(),
                            report.replaced.size(), report.bytes, worst_rounding(report)));
  return 0;
}

}  // namespace

Command merge_adapter_command() {
  return make_command<MergeAdapterConfig>(
      {"merge-adapter", "merge a LoRA adapter into its base",
       "W + scale * B A in float64, rounded once to the type of the base's tensor, for every layer that the adapter "
       "targets; tensors that it stores whole replace the base's. The answer says per tensor how large the change is and "
       "how much of it rounding took. BASE+ADAPTER as a MODEL runs the two unmerged."},
      run_merge_adapter);
}

}  // namespace vauban
