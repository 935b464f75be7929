#include "transform/finite.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

namespace vauban {
namespace {

/// Elements of one look: the loop over them keeps one bit and branches nowhere.
constexpr std::size_t kGrain = std::size_t{1} << 14;

template <class Bits>
Bits bits_at(std::span<const std::byte> bytes, std::size_t i) {
  Bits bits;
  std::memcpy(&bits, bytes.data() + i * sizeof(Bits), sizeof(Bits));
  return bits;
}

/// The first element whose exponent has every bit set; their number when there is none.
template <class Bits>
std::size_t first_not_finite(std::span<const std::byte> bytes, Bits exponent, ThreadPool& pool) {
  const std::size_t count = bytes.size() / sizeof(Bits);
  std::atomic<std::size_t> first = count;
  pool.parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
    unsigned bad = 0;
    for (std::size_t i = begin; i < end; ++i) bad |= static_cast<unsigned>((bits_at<Bits>(bytes, i) & exponent) == exponent);
    if (bad == 0) return;
    std::size_t found = begin;
    while ((bits_at<Bits>(bytes, found) & exponent) != exponent) ++found;
    std::size_t seen = first.load();
    while (found < seen && !first.compare_exchange_weak(seen, found)) {}
  });
  return first.load();
}

}  // namespace

Result<void> check_finite(const TensorView& view, ThreadPool& pool) {
  std::size_t at = 0, width = 0;
  switch (view.dtype) {
    case DType::f16: at = first_not_finite<std::uint16_t>(view.bytes, 0x7C00, pool), width = 2; break;
    case DType::bf16: at = first_not_finite<std::uint16_t>(view.bytes, 0x7F80, pool), width = 2; break;
    case DType::f32: at = first_not_finite<std::uint32_t>(view.bytes, 0x7F800000, pool), width = 4; break;
    case DType::f64: at = first_not_finite<std::uint64_t>(view.bytes, 0x7FF0000000000000, pool), width = 8; break;
    default: return ok();
  }
  if (at * width >= view.bytes.size()) return ok();
  VB_TRY(const std::vector<double> value, decode_f64({view.dtype, {1}, view.bytes.subspan(at * width, width)}));
  return with_hint(corrupt("element {} is {}; a weight must be finite", at, value.front()), "the model is damaged, or its training diverged");
}

}  // namespace vauban
