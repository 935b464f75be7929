/// merge_adapter: a base and a LoRA adapter become one model: W' = W + scale * B A, and what the adapter stores in place of
/// the base's tensors takes their place.
///
/// Computed in f64 and rounded once, to the type of the base's tensor or to one that is asked for. In bf16 a small delta
/// can vanish in that rounding; the report says so per tensor. Source: model-files.md section 6, transforms.md section 5.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "format/model_source.h"
#include "format/peft/adapter.h"
#include "transform/lineage.h"

namespace vauban {

struct MergeOptions {
  std::optional<DType> dtype;  ///< f32, f16 or bf16 for every tensor; empty keeps each tensor's own
  std::string tool;            ///< "vauban 0.1.0"; for the lineage
};

struct MergedTensor {
  std::string name;
  DType dtype = DType::f32;  ///< as written
  double delta_l2 = 0;       ///< of what the adapter adds
  double rounding_l2 = 0;    ///< of what rounding to `dtype` then takes away or adds
};

struct MergeReport {
  std::vector<MergedTensor> merged;   ///< layers with a pair
  std::vector<std::string> replaced;  ///< tensors that the adapter brought whole
  Lineage lineage;
  std::string adapter_digest;
  std::string digest;  ///< of the written model
  std::uint64_t bytes = 0;
};

/// `out` appears complete or not at all; tokenizer and template are copied from the base's folder.
/// Errors: unsupported for a GGUF, for a quantised tensor and for a tied head whose one end the adapter changes;
/// those of plan_adapter and of writing.
Result<MergeReport> merge_adapter(const ModelSource& base, std::shared_ptr<const Adapter> adapter,
                                  const std::filesystem::path& out, const MergeOptions& options, const Context& context,
                                  FileOps& ops = real_file_ops());

}  // namespace vauban
