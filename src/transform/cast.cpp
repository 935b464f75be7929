#include "transform/cast.h"

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

Result<void> check_finite(std::span<const float> values, DType target) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) return corrupt("element {} is {}; {} needs finite values", i, values[i], to_string(target));
  return ok();
}

Result<std::vector<std::byte>> encode_blocks(std::span<const float> values, const Shape& shape, DType target,
                                             ThreadPool& pool) {
  const BlockFormat* format = find_block_format(target);
  if (!format || !format->encode) return unsupported("no encoder from floats to {}", to_string(target));
  VB_TRY(const std::uint64_t bytes, size_bytes(target, shape));  // refuses rows that do not divide into blocks
  VB_CHECK(check_finite(values, target));
  std::vector<std::byte> out(static_cast<std::size_t>(bytes));
  const auto block = static_cast<std::size_t>(format->block), block_bytes = static_cast<std::size_t>(format->block_bytes);
  pool.parallel_for(values.size() / block, kGrain / block, [&](std::size_t begin, std::size_t end) {
    format->encode(values.data() + begin * block, out.data() + begin * block_bytes, static_cast<std::int64_t>(end - begin));
  });
  return out;
}

}  // namespace

Result<TensorBytes> cast_tensor(const TensorView& view, DType target, ThreadPool& pool) {
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
  VB_TRY(std::vector<std::byte> blocks, encode_blocks(values, view.shape, target, pool));
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
