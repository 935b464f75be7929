#include "transform/convert/making_memory.h"

#include <algorithm>

#include "transform/convert/tensor_parts.h"

namespace vauban {
namespace {

/// What a step leaves, and what it holds on the way; 0 and 0 for a view of the source.
struct Held {
  DType dtype = DType::f32;
  std::uint64_t kept = 0, peak = 0;
};

std::uint64_t bytes_in(std::int64_t elements, DType dtype) {
  const DTypeInfo& type = info(dtype);
  return static_cast<std::uint64_t>(elements) / static_cast<std::uint64_t>(type.block) * static_cast<std::uint64_t>(type.bits) / 8;
}

/// One way between a file and the canonical form.
Held moved(const TensorSpec& spec, std::int64_t elements, DType dtype, bool gguf) {
  const bool is_computed = gguf ? spec.gguf_negative_exp : spec.hf_minus_one;
  const bool is_turned = gguf ? spec.gguf_transposed : spec.hf_transposed;
  const bool is_ordered = (gguf ? spec.gguf_rows : spec.hf_rows) != RowOrder::as_stored;
  if (is_computed || (is_turned && is_quantised(dtype)))  // decoded, and in f32 again
    return {DType::f32, bytes_in(elements, DType::f32), 2 * bytes_in(elements, DType::f32)};
  const std::uint64_t copy = bytes_in(elements, dtype);
  return {dtype, is_turned || is_ordered ? copy : 0, (is_turned ? copy : 0) + (is_ordered ? copy : 0)};
}

Held read(const ModelSource& source, const TensorSpec& spec) {
  const auto entry = find_stored(source, spec, stored_names(spec, source.file->container()).front());
  if (!entry) return {};  // mapping has found every part
  const DType dtype = (*entry)->view.dtype;
  const TensorSpec& holder = holder_of(spec, source.file->container());
  const std::int64_t elements = holder.shape.elements();
  const std::uint64_t decoded = is_compressed(source, (*entry)->name) ? bytes_in(elements, DType::f32) : 0;
  if (!source.is_gguf() && spec.hf_rows_apart) {
    const std::uint64_t joined = bytes_in(elements, dtype);
    return {dtype, joined, decoded + joined};
  }
  const Held out = moved(holder, elements, dtype, source.is_gguf());
  return {out.dtype, out.kept > 0 ? out.kept : decoded, decoded + out.peak};
}

/// Of views that are joined; their type, or f32 where it differs.
struct Joining {
  std::uint64_t held = 0;
  std::int64_t elements = 0, largest = 0;
  int count = 0;
  DType dtype = DType::f32;
  bool alike = true;

  void add(const Held& view, std::int64_t size) {
    alike = alike && (count == 0 || view.dtype == dtype);
    if (count++ == 0) dtype = view.dtype;
    held += view.kept;
    elements += size;
    largest = std::max(largest, size);
  }
  DType joined_type() const { return alike ? dtype : DType::f32; }
  /// The joined copy, beside `held`; one view alone is not copied.
  std::uint64_t joined_bytes() const { return count > 1 ? bytes_in(elements, joined_type()) : 0; }
  /// One view after another is decoded on the way.
  std::uint64_t decoding() const { return alike ? 0 : 2 * bytes_in(largest, DType::f32); }
};

Held joined_parts(const ModelSource& source, const std::vector<TensorSpec>& parts, Container to) {
  const bool gguf = to == Container::gguf;
  std::uint64_t peak = 0;
  Joining members;
  for (std::size_t i = 0; i < parts.size();) {
    const TensorSpec& holder = holder_of(parts[i], to);
    const std::int64_t index = stack_of(parts[i], to).index;
    Joining rows;
    for (; i < parts.size() && stack_of(parts[i], to).index == index; ++i) {
      const Held part = read(source, parts[i]);
      peak = std::max(peak, members.held + rows.held + part.peak);
      rows.add(part, parts[i].shape.elements());
    }
    const Held member = moved(holder, rows.elements, rows.joined_type(), gguf);
    peak = std::max(peak, members.held + rows.held + rows.joined_bytes() + std::max(member.peak, rows.decoding()));
    const std::uint64_t whole = rows.count > 1 ? rows.joined_bytes() : rows.held;
    members.add({member.dtype, member.kept > 0 ? member.kept : whole, 0}, rows.elements);
  }
  if (members.count == 1) return {members.dtype, members.held, peak};
  return {members.joined_type(), members.joined_bytes(), std::max(peak, members.held + members.joined_bytes() + members.decoding())};
}

}  // namespace

std::uint64_t memory_to_make(const MappedTensor& tensor, DType target, const ModelSource& source, Container to) {
  const std::int64_t elements = tensor.spec.shape.elements();
  Held rows{.dtype = tensor.entry->view.dtype};
  if (tensor.compressed) rows.kept = bytes_in(elements, DType::f32);
  if (source.file->container() != to) rows = joined_parts(source, tensor.parts.empty() ? std::vector{tensor.spec} : tensor.parts, to);
  if (rows.dtype == target) return std::max(rows.peak, rows.kept);
  return std::max(rows.peak, rows.kept + bytes_in(elements, DType::f32) + bytes_in(elements, target));
}

}  // namespace vauban
