#include "transform/convert/convert.h"

#include <algorithm>

#include "transform/convert/hf_model.h"

namespace vauban {

namespace fs = std::filesystem;

namespace {

std::string recipe_text(const ConvertOptions& options) {
  std::string text = format("convert {}", to_string(options.to));
  if (options.dtype) text += format(" {}", to_string(*options.dtype));
  if (options.tokenizer.allow_inexact) text += " inexact-tokenizer";
  return text;
}

/// A plan leaves the digest out: it takes reading all of the source.
Lineage lineage_of(const ModelSource& source, const ConvertOptions& options, bool is_plan) {
  return {.base_digest = is_plan ? std::string() : source.file->digest(), .base = source.name, .recipe = recipe_text(options), .tool = options.tool};
}

Result<void> check_dtype(const ConvertOptions& options) {
  if (!options.dtype || *options.dtype == DType::f32 || *options.dtype == DType::f16 || *options.dtype == DType::bf16) return ok();
  return with_hint(invalid_input("convert writes f32, f16 or bf16, not {}", to_string(*options.dtype)), "see `vauban quantize`");
}

/// A compressed matrix has no type to keep.
Result<void> check_compressed(const ModelSource& source, const ConvertOptions& options) {
  if (options.dtype || !source.compressed || source.compressed->size() == 0) return ok();
  return with_hint(unsupported("{}: the weights are compressed ({}), which neither format written here has a type for", source.path.string(),
                               source.compressed->summary()),
                   "--dtype f32, f16 or bf16 decodes them");
}

/// Vectors are f32: ggml's element-wise operations take no other type beside f32 activations.
Result<StoredForm> type_in_gguf(const MappedTensor& tensor, const ConvertOptions& options) {
  if (stays_f32(tensor.spec)) return StoredForm{DType::f32};
  const DType stored = tensor.entry->view.dtype;
  if (options.dtype) return StoredForm{*options.dtype};
  if (info(stored).ggml_type >= 0) return StoredForm{stored};
  return with_hint(unsupported("GGUF has no type for {}", to_string(stored)), "give --dtype f32, f16 or bf16");
}

/// The type of the first matrix stands for the file, as llama.cpp's converter does it.
Result<void> add_file_type(GgufModel& model) {
  const auto matrix = std::ranges::find_if(model.plan, [](const TensorPlan& tensor) { return tensor.shape.rank() >= 2; });
  if (matrix == model.plan.end()) return ok();
  VB_TRY(const int file_type, gguf_file_type(matrix->to));
  set_key(model.keys, GgufKey::u32("general.file_type", file_type));
  set_key(model.keys, GgufKey::u32("general.quantization_version", 2));
  return ok();
}

TransformReport report_of(std::vector<TensorPlan> plan, std::vector<std::string> notes, Lineage lineage) {
  TransformReport report{.plan = std::move(plan), .totals = {}, .lineage = std::move(lineage), .notes = std::move(notes)};
  report.totals = totals_of(report.plan);
  report.peak_bytes = peak_bytes_of(report.plan);
  return report;
}

TransformReport planned(TransformReport report, std::uint64_t file_bytes) {
  report.file_bytes = file_bytes;
  return report;
}

Result<GgufModel> gguf_of(const ModelSource& source, const ConvertOptions& options, const Context& context) {
  const auto choose = [&](const MappedTensor& tensor) { return type_in_gguf(tensor, options); };
  VB_TRY(GgufModel model, make_gguf_model(source, choose, options.tokenizer, context));
  // A copy keeps the file type that its source states; a mixture has one that no single tensor tells.
  if (!source.is_gguf() || options.dtype) VB_CHECK(add_file_type(model));
  return model;
}

std::uint64_t bytes_below(const fs::path& path) {
  std::error_code failed;
  if (!fs::is_directory(path, failed)) return fs::file_size(path, failed);
  std::uint64_t total = 0;
  for (const auto& entry : fs::directory_iterator(path, failed)) total += entry.file_size(failed);
  return total;
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code failed;
  return fs::equivalent(a, b, failed) && !failed;
}

}  // namespace

std::uint64_t peak_bytes_of(const std::vector<TensorPlan>& plan) {
  std::uint64_t peak = 0;
  for (const TensorPlan& tensor : plan) peak = std::max(peak, tensor.memory);
  return peak;
}

void count_progress(std::vector<TensorOut>& tensors, std::string_view task, const Context& context) {
  const auto done = std::make_shared<std::uint64_t>(0);
  for (TensorOut& tensor : tensors)
    tensor.make = [make = std::move(tensor.make), done, total = tensors.size(), task = std::string(task), &context] {
      auto made = make();
      context.progress.update(task, ++*done, total, "tensors");
      return made;
    };
}

Result<void> check_out_path(const ModelSource& source, const fs::path& out, Container to) {
  if (out.empty()) return invalid_input("the output needs a name");
  for (const auto& file : source.file->files())
    if (same_file(out, file->path())) return invalid_input("the output {} is the input", out.string());
  if (same_file(out, source.path)) return invalid_input("the output {} is the input", out.string());
  std::error_code failed;
  if (to == Container::gguf && fs::is_directory(out, failed))
    return with_hint(invalid_input("{} is a folder", out.string()), format("a GGUF is one file: {}", (out / (source.name + ".gguf")).string()));
  if (to == Container::gguf && out.extension() != ".gguf")
    return invalid_input("{}: a GGUF is known by its extension .gguf", out.string());
  if (to == Container::gguf && fs::exists(out, failed) && !fs::is_regular_file(out, failed))
    return invalid_input("{} is no regular file", out.string());
  return ok();
}

Result<void> add_result(TransformReport& report, const fs::path& written) {
  std::error_code failed;
  if (fs::is_directory(written, failed)) {
    VB_TRY(const ModelSource model, ModelSource::open(written), "while reading the result back");
    report.digest = model.file->digest();
  } else {
    VB_TRY(const auto file, open_gguf(written), "while reading the result back");
    report.digest = file->digest();
  }
  report.file_bytes = bytes_below(written);
  return ok();
}

Result<TransformReport> plan_convert(const ModelSource& source, const ConvertOptions& options, const Context& context) {
  VB_CHECK(check_dtype(options));
  VB_CHECK(check_compressed(source, options));
  const Lineage lineage = lineage_of(source, options, true);
  Lineage sized = lineage;
  sized.base_digest.assign(64, '0');  // takes the place that the digest will
  if (options.to == Container::gguf) {
    VB_TRY(GgufModel model, gguf_of(source, options, context));
    add_lineage(model.keys, sized);
    VB_TRY(const std::uint64_t bytes, gguf_size_bytes(model.keys, model.tensors));
    return planned(report_of(std::move(model.plan), std::move(model.notes), lineage), bytes);
  }
  VB_TRY(HfModel model, make_hf_model(source, options, context));
  add_lineage(model.folder.metadata, sized);
  VB_TRY(const std::uint64_t bytes, hf_folder_size_bytes(model.folder));
  return planned(report_of(std::move(model.plan), std::move(model.notes), lineage), bytes);
}

Result<TransformReport> convert_model(const ModelSource& source, const fs::path& out, const ConvertOptions& options,
                                      const Context& context, FileOps& ops) {
  VB_CHECK(check_dtype(options));
  VB_CHECK(check_compressed(source, options));
  VB_CHECK(check_out_path(source, out, options.to));
  TransformReport report;
  const auto read_back = [&](const fs::path& written) { return add_result(report, written); };
  if (options.to == Container::gguf) {
    VB_TRY(GgufModel model, gguf_of(source, options, context));
    report = report_of(std::move(model.plan), std::move(model.notes), lineage_of(source, options, false));
    add_lineage(model.keys, report.lineage);
    count_progress(model.tensors, "convert", context);
    VB_CHECK(write_gguf_checked(out, model.keys, model.tensors, read_back, ops));
  } else {
    VB_TRY(HfModel model, make_hf_model(source, options, context));
    report = report_of(std::move(model.plan), std::move(model.notes), lineage_of(source, options, false));
    add_lineage(model.folder.metadata, report.lineage);
    count_progress(model.folder.tensors, "convert", context);
    VB_CHECK(write_hf_folder(out, model.folder, ops, read_back));
  }
  context.progress.finish("convert");
  return report;
}

}  // namespace vauban
