#include "transform/convert/gguf_model.h"

#include <algorithm>

#include "base/strings.h"
#include "format/gguf.h"
#include "transform/cast.h"
#include "transform/convert/config_forms.h"
#include "transform/convert/making_memory.h"
#include "transform/convert/source_config.h"
#include "transform/finite.h"

namespace vauban {
namespace {

/// Reads, moves rows, and casts when its turn comes.
TensorOut tensor_out(const MappedTensor& tensor, StoredForm form, const ModelSource& source, const Context& context) {
  return {.name = tensor.spec.gguf,
          .dtype = form.dtype,
          .shape = tensor.spec.shape,
          .make = [tensor, form, &source, &context]() -> Result<TensorBytes> {
            VB_CHECK(context.cancel.check());
            VB_TRY(TensorRows rows, rows_for(tensor, source, Container::gguf));
            const TensorView view{rows.dtype, tensor.spec.shape, rows.bytes.bytes};
            VB_CHECK(check_finite(view, context.pool));
            if (rows.dtype == form.dtype) return std::move(rows.bytes);
            return cast_tensor(view, form.dtype, context.pool, form.importance);
          }};
}

TensorOut constant_tensor(std::string name, const std::vector<float>& values) {
  return {.name = std::move(name),
          .dtype = DType::f32,
          .shape = {static_cast<std::int64_t>(values.size())},
          .make = [values]() -> Result<TensorBytes> {
            const auto bytes = std::as_bytes(std::span(values));
            return TensorBytes::own({bytes.begin(), bytes.end()});
          }};
}

void add_plan(GgufModel& model, const TensorOut& tensor, DType from, std::uint64_t memory) {
  model.plan.push_back({.name = tensor.name, .shape = tensor.shape, .from = from, .to = tensor.dtype,
                        .bytes = size_bytes(tensor.dtype, tensor.shape).value_or(0), .memory = memory});
}

Result<void> add_tensors(GgufModel& out, const ModelSource& source, const ModelTensors& mapped, const ChooseForm& choose,
                         const Context& context) {
  for (const MappedTensor& tensor : mapped.tensors) {
    VB_TRY(const StoredForm form, choose(tensor), "in tensor '{}'", printable(tensor.spec.gguf));
    out.tensors.push_back(tensor_out(tensor, form, source, context));
    add_plan(out, out.tensors.back(), tensor.entry->view.dtype, memory_to_make(tensor, form.dtype, source, Container::gguf));
  }
  return ok();
}

// ---- from a folder

std::vector<TensorEntry> names_and_shapes(const ModelTensors& mapped) {
  std::vector<TensorEntry> tensors;
  for (const MappedTensor& tensor : mapped.tensors)
    tensors.push_back({.name = tensor.spec.gguf, .view = {DType::f32, tensor.spec.shape, {}}});
  return tensors;
}

Result<void> keys_of_folder(GgufModel& out, const ModelSource& source, const ModelTensors& mapped,
                            const TokenizerOptions& options) {
  VB_TRY(const Architecture* gguf, convertible(*mapped.architecture));
  out.keys = {GgufKey::text("general.architecture", std::string(gguf->gguf_names.front())),
              GgufKey::text("general.type", "model"), GgufKey::text("general.name", source.name)};
  VB_TRY(GgufConfig own, gguf_config_of(source, *mapped.architecture, mapped.config, names_and_shapes(mapped)));
  VB_TRY(GgufTokenizer tokenizer, tokenizer_to_gguf(source, mapped.config, options), "while converting the tokenizer");
  VB_TRY(std::vector<GgufKey> kept, kept_config_keys(source));
  for (auto* part : {&own.keys, &tokenizer.keys, &kept})
    for (GgufKey& key : *part) out.keys.push_back(std::move(key));
  if (source.compressed) out.notes = source.compressed->notes();
  for (std::string& note : tokenizer.notes) out.notes.push_back(std::move(note));
  for (std::string& note : own.notes) out.notes.push_back(std::move(note));
  for (RopeFactors& factors : own.factors) {
    out.tensors.push_back(constant_tensor(std::move(factors.name), factors.values));
    add_plan(out, out.tensors.back(), DType::f32, std::as_bytes(std::span(factors.values)).size());
  }
  return ok();
}

// ---- from a GGUF

/// Tensors that stand in the file but not in the map (rope factors) are copied; the file's order is kept.
void copy_rest(GgufModel& out, const ModelSource& source, const GgufContents& contents) {
  for (const TensorEntry& entry : contents.tensors) {
    if (std::ranges::find(out.tensors, entry.name, &TensorOut::name) != out.tensors.end()) continue;
    const TensorEntry* stored = source.file->find(entry.name);
    out.tensors.push_back({.name = entry.name, .dtype = entry.view.dtype, .shape = entry.view.shape,
                           .make = [stored]() -> Result<TensorBytes> { return TensorBytes{stored->view.bytes, {}}; }});
    add_plan(out, out.tensors.back(), entry.view.dtype, 0);
  }
}

template <class Item>
void order_as(std::vector<Item>& items, const std::vector<TensorEntry>& order) {
  const auto position = [&](const Item& item) {
    return std::ranges::find(order, item.name, &TensorEntry::name) - order.begin();
  };
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) { return position(a) < position(b); });
}

Result<void> keep_gguf(GgufModel& out, const ModelSource& source) {
  VB_TRY(const GgufContents contents, parse_gguf(source.file->files().front()->bytes()), "in {}", source.path.string());
  out.keys = gguf_keys(contents);
  copy_rest(out, source, contents);
  order_as(out.tensors, contents.tensors);
  order_as(out.plan, contents.tensors);
  return ok();
}

}  // namespace

Result<GgufModel> make_gguf_model(const ModelSource& source, const ChooseForm& choose, const TokenizerOptions& tokenizer,
                                  const Context& context) {
  GgufModel out;
  VB_TRY(const ModelTensors mapped, map_tensors(source, Container::gguf));
  if (!source.is_gguf()) {
    VB_CHECK(keys_of_folder(out, source, mapped, tokenizer));
  }
  VB_CHECK(add_tensors(out, source, mapped, choose, context));
  if (source.is_gguf()) VB_CHECK(keep_gguf(out, source));
  return out;
}

Result<int> gguf_file_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return 0;
    case DType::f16: return 1;
    case DType::q4_0: return 2;
    case DType::q4_1: return 3;
    case DType::q8_0: return 7;
    case DType::q5_0: return 8;
    case DType::q5_1: return 9;
    case DType::bf16: return 32;
    default: return unsupported("GGUF has no file type for matrices of {}", to_string(dtype));
  }
}

PlanTotals totals_of(const std::vector<TensorPlan>& plan) {
  PlanTotals totals;
  for (const TensorPlan& tensor : plan) {
    totals.parameters += tensor.shape.elements();
    totals.bytes += tensor.bytes;
  }
  if (totals.parameters > 0)
    totals.bits_per_weight = 8.0 * static_cast<double>(totals.bytes) / static_cast<double>(totals.parameters);
  return totals;
}

}  // namespace vauban
