#include "transform/convert/model_tensors.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/strings.h"
#include "model/stored_form.h"

namespace vauban {
namespace {

/// A GGUF's stack of tensors as the one that it stores, for the first of them; no spec for the others.
Result<std::optional<TensorSpec>> stored_whole(TensorSpec spec) {
  if (spec.gguf_stack.count == 0) return std::optional(std::move(spec));
  if (spec.gguf_stack.index > 0) return std::optional<TensorSpec>();
  VB_TRY(spec.shape, stacked(stored_shape(spec, true), spec.gguf_stack.count), "in tensor '{}'", spec.gguf);
  spec.gguf_stack = {};
  spec.gguf_transposed = false;
  return std::optional(std::move(spec));
}

Result<const TensorEntry*> find_stored(const ModelSource& source, const TensorSpec& spec) {
  if (!source.is_gguf() && (spec.hf_rows_apart || spec.hf_stack.count > 0))
    return unsupported("tensor '{}': folders keep several as one, or one as several; converting those is not built", spec.hf);
  const std::string& name = source.is_gguf() ? spec.gguf : spec.hf;
  const TensorEntry* entry = source.file->find(name);
  if (!entry && !source.is_gguf() && !spec.hf_alias.empty()) entry = source.file->find(spec.hf_alias);
  if (!entry) return not_found("tensor '{}' is missing in {}", name, source.path.string());
  const Shape expected = shape_in(spec, source.file->container());
  if (entry->view.shape != expected)
    return corrupt("tensor '{}' in {}: expected shape {}, file has {}", printable(name), source.path.string(),
                   expected.to_string(), entry->view.shape.to_string());
  return entry;
}

bool equal_tensors(const TensorEntry& a, const TensorEntry& b) {
  return a.view.dtype == b.view.dtype && a.view.shape == b.view.shape && std::ranges::equal(a.view.bytes, b.view.bytes);
}

Result<void> refuse_unmapped(const ModelSource& source, const ModelTensors& model) {
  std::set<std::string_view> known;
  for (const MappedTensor& tensor : model.tensors) {
    known.insert(tensor.entry->name);
    // The second copy of a tied table may be left out only where it is one.
    const TensorEntry* copy = source.is_gguf() ? nullptr : source.file->find(tensor.spec.hf_alias);
    if (copy && equal_tensors(*copy, *tensor.entry)) known.insert(copy->name);
  }
  const DecoderNames names = model.architecture->names(model.config);
  std::vector<std::string> unmapped;
  for (const TensorEntry& tensor : source.file->tensors())
    if (!known.contains(tensor.name) && !names.is_recomputed(tensor.name))
      unmapped.push_back(printable(tensor.name));
  if (unmapped.empty()) return ok();
  const std::size_t total = unmapped.size();
  if (total > 5) unmapped.resize(5);
  return unsupported("{} tensor(s) of {} are no part of its architecture and would be lost: {}{}", total,
                     source.path.string(), join(unmapped, ", "), total > unmapped.size() ? ", ..." : "");
}

/// The file bounds what is mapped: a configuration may claim any number of layers.
Result<void> check_layers(const ModelConfig& config, const ModelSource& source) {
  if (config.layers <= static_cast<std::int64_t>(source.file->tensors().size())) return ok();
  return corrupt("{}: {} layers, but the file holds {} tensors", source.path.string(), config.layers,
                 source.file->tensors().size());
}

/// Blocks that would have to be transposed, as f32.
Result<OwnedView> movable(const TensorView& view, const TensorSpec& spec) {
  if (!spec.hf_transposed || !is_quantised(view.dtype)) return OwnedView{.view = view, .bytes = nullptr};
  VB_TRY(const std::vector<float> values, decode_f32(view));
  auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(float));
  std::memcpy(bytes->data(), values.data(), bytes->size());
  return OwnedView{.view = {DType::f32, view.shape, *bytes}, .bytes = bytes};
}

}  // namespace

bool stays_f32(const TensorSpec& spec) { return spec.shape.rank() < 2 || spec.gguf == "position_embd.weight"; }

Shape shape_in(const TensorSpec& spec, Container container) {
  return stored_shape(spec, container == Container::gguf);
}

Result<ModelTensors> map_tensors(const ModelSource& source) {
  ModelTensors out;
  if (!source.adapters.empty())
    return with_hint(unsupported("{} comes with {} adapter(s), which no other format holds beside the weights",
                                 source.path.string(), source.adapters.size()),
                     "merge them first: `vauban merge-adapter BASE ADAPTER OUT`");
  VB_CHECK(source.refuse_compressed("converting or quantising"));
  VB_TRY(out.architecture, find_architecture(source));
  VB_TRY(out.config, out.architecture->read_config(source));
  VB_CHECK(check_layers(out.config, source));
  for (TensorSpec& listed : out.architecture->tensors(out.config)) {
    std::optional<TensorSpec> spec = std::move(listed);
    if (source.is_gguf()) {
      VB_TRY(spec, stored_whole(*std::move(spec)));
    }
    if (!spec) continue;
    VB_TRY(const TensorEntry* entry, find_stored(source, *spec));
    out.tensors.push_back({.spec = *std::move(spec), .entry = entry});
  }
  VB_CHECK(refuse_unmapped(source, out));
  return out;
}

Result<TensorRows> rows_for(const MappedTensor& tensor, Container from, Container to) {
  const TensorView& view = tensor.entry->view;
  if (from == to) return TensorRows{view.dtype, {.bytes = view.bytes, .owner = {}}};
  VB_TRY(const OwnedView movable_view, movable(view, tensor.spec));
  VB_TRY(const OwnedView canonical, to_canonical(movable_view.view, tensor.spec, from == Container::gguf));
  VB_TRY(const OwnedView moved, from_canonical(canonical.view, tensor.spec, to == Container::gguf));
  const auto owner = moved.bytes ? moved.bytes : canonical.bytes ? canonical.bytes : movable_view.bytes;
  return TensorRows{moved.view.dtype, {.bytes = moved.view.bytes, .owner = owner}};
}

}  // namespace vauban
