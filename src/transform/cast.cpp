#include "transform/cast.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "tensor/quant/format.h"

namespace vauban {
namespace {

constexpr std::size_t kGrain = std::size_t{1} << 14;  ///< elements per piece of work

template <class Stored, class Convert>
std::vector<std::byte> narrow(std::span<const float> values, ThreadPool& pool, Convert convert) {
  std::vector<std::byte> out(values.size() * sizeof(Stored));
  pool.parallel_for(values.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Stored stored = convert(values[i]);
      std::memcpy(out.data() + i * sizeof(Stored), &stored, sizeof(Stored));
    }
  });
  return out;
}

Result<void> check_f16_range(std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::isfinite(values[i]) && !std::isfinite(f16_to_f32(f32_to_f16(values[i]))))
      return with_hint(invalid_input("element {} is {}, beyond the range of f16 (65504)", i, values[i]),
                       "bf16 has the range of f32");
  return ok();
}

/// Beyond this, squares overflow in the searches; no block format reaches half as far.
constexpr float kLargestForBlocks = 1e15F;

Result<void> check_range(std::span<const float> values, DType target) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return corrupt("element {} is {}; {} needs finite values", i, values[i], to_string(target));
    if (std::fabs(values[i]) > kLargestForBlocks) return invalid_input("element {} is {}, beyond the range of {}", i, values[i], to_string(target));
  }
  return ok();
}

/// A tensor on its way into blocks: pieces of work are whole rows, because importance belongs to columns.
struct Encoding {
  const BlockFormat& format;
  std::span<const float> values;
  std::size_t width, rows_per_matrix;
  std::span<const float> importance;  ///< (matrices, width), or empty

  std::size_t blocks_per_row() const { return width / static_cast<std::size_t>(format.block); }
  std::size_t row_bytes() const { return blocks_per_row() * static_cast<std::size_t>(format.block_bytes); }

  void encode_row(std::size_t row, std::byte* out) const {
    const auto blocks = static_cast<std::int64_t>(blocks_per_row());
    const float* in = values.data() + row * width;
    if (importance.empty() || !format.encode_weighted)
      format.encode(in, out, blocks);
    else
      format.encode_weighted(in, out, blocks, importance.data() + row / rows_per_matrix * width);
  }
  /// The first element of a row that does not come back finite; width if all do.
  std::size_t first_overflow(const std::byte* row) const {
    std::vector<float> back(width);
    format.decode(row, back.data(), static_cast<std::int64_t>(blocks_per_row()));
    const auto bad = std::ranges::find_if(back, [](float value) { return !std::isfinite(value); });
    return static_cast<std::size_t>(bad - back.begin());
  }
};

Result<Encoding> make_encoding(std::span<const float> values, const Shape& shape, DType target,
                               std::span<const float> importance) {
  const BlockFormat* format = find_block_format(target);
  if (!format) return unsupported("no encoder from floats to {}", to_string(target));
  if (!format->encode && importance.empty())
    return with_hint(unsupported("{} needs an importance matrix: without one its error is not bounded", to_string(target)),
                     "give --imatrix FILE, or choose a type with more bits");
  const std::int64_t matrices = shape.rank() < 3 ? 1 : shape.rows() / shape[shape.rank() - 2];
  const Encoding encoding{.format = *format,
                          .values = values,
                          .width = static_cast<std::size_t>(shape.width()),
                          .rows_per_matrix = static_cast<std::size_t>(std::max<std::int64_t>(1, shape.rows() / std::max<std::int64_t>(1, matrices))),
                          .importance = importance};
  const std::size_t expected = static_cast<std::size_t>(matrices) * encoding.width;
  if (!importance.empty() && importance.size() != expected)
    return with_hint(invalid_input("expected {} importance weights for {}, found {}", expected, shape.to_string(), importance.size()),
                     "the importance matrix was made from another model");
  return encoding;
}

Result<std::vector<std::byte>> encode_blocks(std::span<const float> values, const Shape& shape, DType target,
                                             ThreadPool& pool, std::span<const float> importance) {
  VB_TRY(const std::uint64_t bytes, size_bytes(target, shape));  // refuses rows that do not divide into blocks
  VB_TRY(const Encoding encoding, make_encoding(values, shape, target, importance));
  VB_CHECK(check_range(values, target));
  std::vector<std::byte> out(static_cast<std::size_t>(bytes));
  if (values.empty()) return out;
  const std::size_t rows = values.size() / encoding.width;
  std::atomic<std::size_t> overflow = values.size();
  pool.parallel_for(rows, std::max<std::size_t>(1, kGrain / encoding.width), [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      std::byte* at = out.data() + row * encoding.row_bytes();
      encoding.encode_row(row, at);
      const std::size_t bad = encoding.first_overflow(at);
      if (bad == encoding.width) continue;
      std::size_t seen = overflow.load(), found = row * encoding.width + bad;
      while (found < seen && !overflow.compare_exchange_weak(seen, found)) {}
    }
  });
  if (const std::size_t bad = overflow.load(); bad < values.size())
    return with_hint(invalid_input("element {} is {}; the block around it has no scale in {}", bad, values[bad], to_string(target)),
                     "keep this tensor at f16 or bf16: --tensor-type NAME=bf16");
  return out;
}

}  // namespace

Result<TensorBytes> cast_tensor(const TensorView& view, DType target, ThreadPool& pool, std::span<const float> importance) {
  if (view.dtype == target) return TensorBytes{.bytes = view.bytes, .owner = {}};
  VB_TRY(const std::vector<float> values, decode_f32(view));
  switch (target) {
    case DType::f32: return TensorBytes::own(narrow<float>(values, pool, [](float x) { return x; }));
    case DType::bf16: return TensorBytes::own(narrow<std::uint16_t>(values, pool, f32_to_bf16));
    case DType::f16:
      VB_CHECK(check_f16_range(values));
      return TensorBytes::own(narrow<std::uint16_t>(values, pool, f32_to_f16));
    default: break;
  }
  VB_TRY(std::vector<std::byte> blocks, encode_blocks(values, view.shape, target, pool, importance));
  return TensorBytes::own(std::move(blocks));
}

Result<bool> is_exact_in(const TensorView& view, DType target) {
  VB_TRY(const std::vector<float> values, decode_f32(view));
  for (const float value : values) {
    const float back = target == DType::bf16 ? bf16_to_f32(f32_to_bf16(value)) : f16_to_f32(f32_to_f16(value));
    if (std::memcmp(&value, &back, sizeof value) != 0) return false;
  }
  return true;
}

}  // namespace vauban
