#include "transform/merge_adapter/delta.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/quant/format.h"

namespace vauban {
namespace {

/// f32 with the last bit set whenever something was cut off: rounding that again to fewer bits is rounding once.
/// Source: Boldo and Melquiond 2008, "Emulation of a FMA and correctly rounded sums".
float to_odd(double value) {
  const float near = static_cast<float>(value);
  if (static_cast<double>(near) == value || !std::isfinite(near)) return near;
  if ((std::bit_cast<std::uint32_t>(near) & 1U) != 0) return near;
  const float limit = std::numeric_limits<float>::infinity();
  return std::nextafter(near, value > static_cast<double>(near) ? limit : -limit);
}

void store(float value, DType dtype, std::byte* out) {
  if (dtype == DType::f32) {
    std::memcpy(out, &value, sizeof value);
    return;
  }
  const std::uint16_t narrow = dtype == DType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
  std::memcpy(out, &narrow, sizeof narrow);
}

/// Element (o, i) of B A.
struct Product {
  std::vector<double> a, b;  // (r, in) (out, r)
  std::size_t rank, in;
  double at(std::size_t o, std::size_t i) const {
    double sum = 0;
    for (std::size_t k = 0; k < rank; ++k) sum += b[o * rank + k] * a[k * in + i];
    return sum;
  }
};

}  // namespace

float rounded_once(double value, DType dtype) {
  if (dtype == DType::f16) return f16_to_f32(f32_to_f16(to_odd(value)));
  if (dtype == DType::bf16) return bf16_to_f32(f32_to_bf16(to_odd(value)));
  return static_cast<float>(value);
}

Result<MergedValues> merge_pair(const TensorView& base, const PlannedPair& pair, DeltaLayout layout, DType dtype,
                                ThreadPool& pool) {
  VB_TRY(const std::vector<double> values, decode_f64(base));
  Product product{.rank = static_cast<std::size_t>(pair.a->view.shape[0]), .in = static_cast<std::size_t>(pair.a->view.shape[1])};
  VB_TRY(product.a, decode_f64(pair.a->view));
  VB_TRY(product.b, decode_f64(pair.b->view));
  const std::size_t rows = static_cast<std::size_t>(base.shape[0]), columns = static_cast<std::size_t>(base.shape[1]);
  const std::size_t size = dtype == DType::f32 ? 4 : 2;

  MergedValues out{.bytes = std::vector<std::byte>(values.size() * size)};
  std::vector<double> row_delta(rows), row_rounding(rows);  // summed in order, whatever the number of threads
  std::vector<char> overflow(rows);
  pool.parallel_for(rows, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row)
      for (std::size_t column = 0; column < columns; ++column) {
        const std::size_t at = row * columns + column;
        const double delta = pair.scale * (layout == DeltaLayout::out_in ? product.at(row, column) : product.at(column, row));
        const double exact = values[at] + delta;
        const float kept = rounded_once(exact, dtype);
        if (!std::isfinite(kept)) overflow[row] = 1;
        store(kept, dtype, out.bytes.data() + at * size);
        row_delta[row] += delta * delta;
        row_rounding[row] += (static_cast<double>(kept) - exact) * (static_cast<double>(kept) - exact);
      }
  });
  for (std::size_t row = 0; row < rows; ++row) {
    if (overflow[row])
      return with_hint(invalid_input("row {} of the merged tensor has a value beyond the range of {}", row, to_string(dtype)),
                       "merge with --dtype f32");
    out.delta_l2 += row_delta[row];
    out.rounding_l2 += row_rounding[row];
  }
  out.delta_l2 = std::sqrt(out.delta_l2);
  out.rounding_l2 = std::sqrt(out.rounding_l2);
  return out;
}

}  // namespace vauban
