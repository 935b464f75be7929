#include "transform/convert/tensor_parts.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "model/stored_form.h"

namespace vauban {
namespace {

OwnedView own(DType dtype, Shape shape, std::shared_ptr<const std::vector<std::byte>> bytes) {
  return {.view = {.dtype = dtype, .shape = std::move(shape), .bytes = *bytes}, .bytes = bytes};
}

Result<OwnedView> as_f32(const TensorView& view) {
  VB_TRY(const std::vector<float> values, decode_f32(view));
  const auto bytes = std::as_bytes(std::span(values));
  return own(DType::f32, view.shape, std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()));
}

/// Whether the way between the two formats turns the matrix: blocks of a row would be torn.
bool is_turned(const TensorSpec& spec) {
  return spec.gguf_transposed || spec.hf_transposed || (spec.hf_whole && spec.hf_whole->hf_transposed);
}

TensorView slice(const TensorView& view, const InStack& stack, const Shape& shape) {
  if (stack.count == 0) return view;
  const std::size_t bytes = view.bytes.size() / static_cast<std::size_t>(stack.count);
  return {view.dtype, shape, view.bytes.subspan(static_cast<std::size_t>(stack.index) * bytes, bytes)};
}

/// Rows [first, first + count) of `whole`.
OwnedView rows_of(OwnedView whole, std::int64_t first, const Shape& shape) {
  const std::size_t row = whole.view.bytes.size() / static_cast<std::size_t>(whole.view.shape[0]);
  whole.view.bytes = whole.view.bytes.subspan(static_cast<std::size_t>(first) * row, static_cast<std::size_t>(shape[0]) * row);
  whole.view.shape = shape;
  return whole;
}

/// Joined in order; as f32 where the types differ.
Result<OwnedView> joined(const std::vector<OwnedView>& views, Shape shape) {
  const DType first = views.front().view.dtype;
  const bool alike = std::ranges::all_of(views, [&](const OwnedView& view) { return view.view.dtype == first; });
  auto bytes = std::make_shared<std::vector<std::byte>>();
  for (const OwnedView& view : views) {
    OwnedView next = view;
    if (!alike) {
      VB_TRY(next, as_f32(view.view));
    }
    bytes->insert(bytes->end(), next.view.bytes.begin(), next.view.bytes.end());
  }
  return own(alike ? first : DType::f32, std::move(shape), std::move(bytes));
}

Result<OwnedView> rows_apart(const ModelSource& source, const TensorSpec& spec) {
  std::vector<OwnedView> rows;
  for (const std::string& name : stored_names(spec, Container::safetensors)) {
    VB_TRY(const FoundTensor entry, find_stored(source, spec, name));
    VB_TRY(OwnedView row, bytes_of(source, *entry));
    rows.push_back(std::move(row));
  }
  return joined(rows, spec.shape);
}

}  // namespace

std::vector<std::string> stored_names(const TensorSpec& spec, Container container) {
  if (container == Container::gguf) return {spec.gguf};
  if (!spec.hf_rows_apart) return {holder_of(spec, container).hf};
  std::vector<std::string> names;
  for (std::int64_t row = 0; row < spec.shape[0]; ++row) {
    names.push_back(spec.hf);
    names.back().replace(spec.hf.find("{}"), 2, std::to_string(row));
  }
  return names;
}

const TensorSpec& holder_of(const TensorSpec& spec, Container container) {
  return container != Container::gguf && spec.hf_whole ? *spec.hf_whole : spec;
}

InStack stack_of(const TensorSpec& spec, Container container) {
  return container == Container::gguf ? spec.gguf_stack : holder_of(spec, container).hf_stack;
}

Result<Shape> holder_shape(const TensorSpec& spec, Container container) {
  if (container != Container::gguf && spec.hf_rows_apart) return Shape{spec.shape.elements() / spec.shape[0]};
  return stacked(stored_shape(holder_of(spec, container), container == Container::gguf), stack_of(spec, container).count);
}

bool is_compressed(const ModelSource& source, std::string_view name) { return source.compressed && source.compressed->holds(name); }

Result<FoundTensor> find_stored(const ModelSource& source, const TensorSpec& spec, const std::string& name) {
  const auto has = [&](const std::string& wanted) { return is_compressed(source, wanted) || source.file->find(wanted); };
  const std::string& alias = holder_of(spec, Container::safetensors).hf_alias;
  const std::string& own = !has(name) && !source.is_gguf() && !spec.hf_alias.empty() ? alias : name;
  if (!has(own)) return not_found("tensor '{}' is missing in {}", name, source.path.string());
  VB_TRY(const Shape expected, holder_shape(spec, source.file->container()), "in tensor '{}'", printable(name));
  if (is_compressed(source, own)) {
    if (stack_of(spec, source.file->container()).count > 0)
      return unsupported("tensor '{}': a stack that is compressed as one ({}) is not converted", printable(own), source.compressed->summary());
    return std::make_shared<const TensorEntry>(TensorEntry{.name = own, .view = {DType::f32, expected, {}}});
  }
  const TensorEntry* entry = source.file->find(own);
  if (entry->view.shape != expected)
    return corrupt("tensor '{}' in {}: expected shape {}, file has {}", printable(name), source.path.string(),
                   expected.to_string(), entry->view.shape.to_string());
  if (source.compressed) VB_CHECK(source.compressed->check_plain(*entry));
  return FoundTensor(source.file, entry);
}

Result<OwnedView> bytes_of(const ModelSource& source, const TensorEntry& found) {
  if (!is_compressed(source, found.name)) return OwnedView{.view = found.view, .bytes = nullptr};
  VB_TRY(DecodedTensor decoded, source.compressed->decode(found.name));
  if (decoded.view.shape != found.view.shape)
    return corrupt("tensor '{}' in {}: expected shape {}, its compressed parts make {}", printable(found.name), source.path.string(),
                   found.view.shape.to_string(), decoded.view.shape.to_string());
  return OwnedView{.view = decoded.view, .bytes = std::move(decoded.bytes)};
}

Result<OwnedView> read_canonical(const ModelSource& source, const TensorSpec& spec) {
  const Container from = source.file->container();
  const bool gguf = source.is_gguf();
  if (!gguf && spec.hf_rows_apart) return rows_apart(source, spec);
  const TensorSpec& holder = holder_of(spec, from);
  VB_TRY(const FoundTensor entry, find_stored(source, spec, stored_names(spec, from).front()));
  VB_TRY(OwnedView stored, bytes_of(source, *entry));
  stored.view = slice(stored.view, stack_of(spec, from), stored_shape(holder, gguf));
  if (is_turned(spec) && is_quantised(stored.view.dtype)) {
    VB_TRY(stored, as_f32(stored.view));
  }
  VB_TRY(OwnedView canonical, to_canonical(stored.view, holder, gguf), "in tensor '{}'", printable(entry->name));
  if (!canonical.bytes) canonical.bytes = stored.bytes;
  return &holder == &spec ? canonical : rows_of(std::move(canonical), spec.hf_first, spec.shape);
}

Result<OwnedView> join_parts(const ModelSource& source, const std::vector<TensorSpec>& parts, Container to) {
  const bool gguf = to == Container::gguf;
  std::vector<OwnedView> members;  // of the stack
  for (std::size_t i = 0; i < parts.size();) {
    const TensorSpec& holder = holder_of(parts[i], to);
    const std::int64_t index = stack_of(parts[i], to).index;
    std::vector<OwnedView> rows;
    for (; i < parts.size() && stack_of(parts[i], to).index == index; ++i) {
      VB_TRY(OwnedView part, read_canonical(source, parts[i]));
      rows.push_back(std::move(part));
    }
    OwnedView whole = rows.front();
    if (rows.size() > 1) {
      VB_TRY(whole, joined(rows, holder.shape));
    }
    VB_TRY(OwnedView moved, from_canonical(whole.view, holder, gguf), "in tensor '{}'", printable(gguf ? holder.gguf : holder.hf));
    if (!moved.bytes) moved.bytes = whole.bytes;
    members.push_back(std::move(moved));
  }
  if (members.size() == 1) return std::move(members.front());
  VB_TRY(Shape shape, holder_shape(parts.front(), to));
  return joined(members, std::move(shape));
}

}  // namespace vauban
