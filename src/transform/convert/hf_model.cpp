#include "transform/convert/hf_model.h"

#include <algorithm>

#include "base/strings.h"
#include "transform/cast.h"
#include "transform/convert/making_memory.h"
#include "transform/convert/source_config.h"
#include "transform/convert/tokenizer_to_hf.h"
#include "transform/finite.h"
#include "format/model_files.h"

namespace vauban {
namespace {

bool is_matrix(const MappedTensor& tensor) { return !stays_f32(tensor.spec); }

/// The type of the embedding says what the model's matrices are stored in.
DType stored_matrix_type(const ModelTensors& model) {
  const auto first = std::ranges::find_if(model.tensors, is_matrix);
  return first == model.tensors.end() ? DType::f32 : first->entry->view.dtype;
}

Result<DType> type_in_folder(const MappedTensor& tensor, const ModelSource& source, const ConvertOptions& options, DType matrices) {
  const TensorView& view = tensor.entry->view;
  if (options.dtype && is_matrix(tensor)) return *options.dtype;
  if (is_matrix(tensor) || !source.is_gguf()) {
    if (options.dtype) return *options.dtype;
    if (!info(view.dtype).safetensors.empty()) return view.dtype;
    return with_hint(unsupported("safetensors has no type for {}", to_string(view.dtype)),
                     "--dtype f32, f16 or bf16 decodes the blocks");
  }
  if (view.dtype != DType::f32 || (matrices != DType::f16 && matrices != DType::bf16)) return view.dtype;
  VB_TRY(const bool exact, is_exact_in(view, matrices));
  return exact ? matrices : view.dtype;
}

TensorOut tensor_out(const MappedTensor& tensor, DType target, const ModelSource& source, const Context& context) {
  const Shape shape = shape_in(tensor, Container::safetensors);
  return {.name = tensor.spec.hf,
          .dtype = target,
          .shape = shape,
          .make = [tensor, target, shape, &source, &context]() -> Result<TensorBytes> {
            VB_CHECK(context.cancel.check());
            VB_TRY(TensorRows rows, rows_for(tensor, source, Container::safetensors));
            const TensorView view{rows.dtype, shape, rows.bytes.bytes};
            VB_CHECK(check_finite(view, context.pool));
            if (rows.dtype == target) return std::move(rows.bytes);
            return cast_tensor(view, target, context.pool);
          }};
}

Result<void> files_from_folder(const ModelSource& source, DType matrices, HfModel& out) {
  Json config = decoded_config(source);
  set_config_dtype(config, matrices);
  out.folder.json_files["config.json"] = std::move(config);
  if (source.compressed) out.notes = source.compressed->notes();
  return copy_model_files(std::filesystem::is_directory(source.path) ? source.path : source.path.parent_path(), out.folder);
}

Result<void> files_from_gguf(const ModelSource& source, const ModelTensors& model, DType matrices, HfModel& out) {
  VB_TRY(HfConfig config, hf_config_of(source, model, matrices));
  out.folder.json_files["config.json"] = std::move(config.config);
  if (!config.generation_config.is_null())
    out.folder.json_files["generation_config.json"] = std::move(config.generation_config);
  VB_TRY(HfTokenizer tokenizer, tokenizer_to_hf(source), "while converting the tokenizer");
  out.folder.json_files.merge(tokenizer.json_files);
  out.folder.text_files = std::move(tokenizer.text_files);
  out.notes = std::move(tokenizer.notes);
  return ok();
}

}  // namespace

Result<HfModel> make_hf_model(const ModelSource& source, const ConvertOptions& options, const Context& context) {
  HfModel out;
  VB_TRY(const ModelTensors model, map_tensors(source, Container::safetensors));
  const DType matrices = options.dtype.value_or(stored_matrix_type(model));
  for (const MappedTensor& tensor : model.tensors) {
    VB_TRY(const DType target, type_in_folder(tensor, source, options, matrices), "in tensor '{}'", printable(tensor.spec.hf));
    out.folder.tensors.push_back(tensor_out(tensor, target, source, context));
    VB_TRY(const std::uint64_t bytes, size_bytes(target, tensor.spec.shape));
    out.plan.push_back({.name = tensor.spec.hf, .shape = tensor.spec.shape, .from = tensor.entry->view.dtype, .to = target, .bytes = bytes,
                        .memory = memory_to_make(tensor, target, source, Container::safetensors)});
  }
  out.folder.shard_bytes = options.shard_bytes;
  VB_CHECK(source.is_gguf() ? files_from_gguf(source, model, matrices, out) : files_from_folder(source, matrices, out));
  return out;
}

}  // namespace vauban
