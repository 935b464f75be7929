/// convert: a model from any container that is read to any that is written, with its tokenizer, template and identity.
///
/// Every pair of {Hugging Face folder, GGUF} is a conversion; from a container to itself it changes the type or the
/// shards. Unquantised tensors come back from a round trip with the same bits. Nothing is dropped silently: a tensor
/// that the architecture does not have, or a tokenizer that cannot be expressed, is an error.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "transform/convert/gguf_model.h"
#include "transform/lineage.h"

namespace vauban {

struct ConvertOptions {
  Container to = Container::gguf;
  /// Type of the matrices: f32, f16 or bf16; empty keeps what is stored. Vectors (norms, biases) are f32 in a GGUF, as
  /// ggml expects, and have the type of the matrices in a folder where that loses nothing.
  std::optional<DType> dtype;
  std::uint64_t shard_bytes = 5'000'000'000;
  TokenizerOptions tokenizer;
  std::string tool;  ///< "vauban 0.1.0"; for the lineage
};

/// What a model will be, or has become.
struct TransformReport {
  std::vector<TensorPlan> plan;
  PlanTotals totals;
  Lineage lineage;
  std::vector<std::string> notes;
  std::uint64_t peak_bytes = 0;  ///< memory for the largest tensor while it is made: its parts joined, decoded, and in its new type
  std::string digest;            ///< of the written model; empty for a plan
  std::uint64_t file_bytes = 0;  ///< all files written, or that would be
};

/// The same without writing, and without reading the weights: its lineage has no digest of the source.
Result<TransformReport> plan_convert(const ModelSource& source, const ConvertOptions& options, const Context& context);
/// Errors: invalid_input when `out` is the source or a part of it; those of the parts. `out` appears complete or not at
/// all.
Result<TransformReport> convert_model(const ModelSource& source, const std::filesystem::path& out,
                                      const ConvertOptions& options, const Context& context,
                                      FileOps& ops = real_file_ops());

/// Errors: invalid_input when writing `out` would touch a file of `source`, or `out` is of the wrong kind.
Result<void> check_out_path(const ModelSource& source, const std::filesystem::path& out, Container to);

/// Reads the written model back for its digest and size, while it has its temporary name still: a folder, or a GGUF of any
/// name. Errors: those of opening it.
Result<void> add_result(TransformReport& report, const std::filesystem::path& written);
std::uint64_t peak_bytes_of(const std::vector<TensorPlan>& plan);

/// Shows progress while tensors are made.
void count_progress(std::vector<TensorOut>& tensors, std::string_view task, const Context& context);

}  // namespace vauban
