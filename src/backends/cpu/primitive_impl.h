// The hot loops of the activation primitive (contract: primitive_kernels.h). Included by each primitive_<target>.cpp
// inside its anonymous namespace; VB_ROWS x VB_DIRECTIONS dot products share their loads.
#pragma once

#include "backends/cpu/simd.h"

// ---- sixteen elements of a stored row; the `first` forms touch n of them only, the other lanes are zero ----

struct F32Row {
  static constexpr std::size_t kBytes = 4;
  static VB_INLINE f32x16 load(const std::byte* from) { return load_as<f32x16>(from); }
  static VB_INLINE f32x16 load_first(const std::byte* from, std::size_t n) {
    f32x16 value{};
    __builtin_memcpy(&value, from, n * kBytes);
    return value;
  }
  static VB_INLINE f32x16 rounded(const f32x16& value) { return value; }
  static VB_INLINE void store(std::byte* to, const f32x16& value) { __builtin_memcpy(to, &value, sizeof value); }
  static VB_INLINE void store_first(std::byte* to, const f32x16& value, std::size_t n) {
    __builtin_memcpy(to, &value, n * kBytes);
  }
};

struct Bf16Row {
  static constexpr std::size_t kBytes = 2;
  static VB_INLINE f32x16 load(const std::byte* from) { return widen_bf16(from); }
  static VB_INLINE f32x16 load_first(const std::byte* from, std::size_t n) {
    u16x16 bits{};
    __builtin_memcpy(&bits, from, n * kBytes);
    return widen_bf16(reinterpret_cast<const std::byte*>(&bits));
  }
  /// To nearest even, as f32 whose low half is zero.
  static VB_INLINE f32x16 rounded(const f32x16& value) {
    const u32x16 bits = bits_as<u32x16>(value);
    return bits_as<f32x16>((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
  }
  static VB_INLINE u16x16 narrow(const f32x16& value) {
    return __builtin_convertvector(bits_as<u32x16>(value) >> 16, u16x16);
  }
  static VB_INLINE void store(std::byte* to, const f32x16& value) {
    const u16x16 bits = narrow(value);
    __builtin_memcpy(to, &bits, sizeof bits);
  }
  static VB_INLINE void store_first(std::byte* to, const f32x16& value, std::size_t n) {
    const u16x16 bits = narrow(value);
    __builtin_memcpy(to, &bits, n * kBytes);
  }
};

/// Sixteen elements, or the first n of them. A constant n = 16 leaves the plain form.
template <class Row>
VB_INLINE f32x16 take(const std::byte* from, std::size_t n) {
  return n == kLanes ? Row::load(from) : Row::load_first(from, n);
}
VB_INLINE f32x16 take(const float* from, std::size_t n) {
  return n == kLanes ? load(from) : F32Row::load_first(reinterpret_cast<const std::byte*>(from), n);
}

// ---- directions ----

typedef double f64x16 __attribute__((vector_size(128)));

VB_INLINE f32x16 magnitude(const f32x16& v) { return bits_as<f32x16>(bits_as<u32x16>(v) & 0x7fffffffu); }

float narrow(const double* in, float* out, std::size_t n) {
  f32x16 largest{};
  std::size_t i = 0;
  for (; i < n; i += kLanes) {
    const std::size_t here = n - i < kLanes ? n - i : kLanes;
    f64x16 wide{};
    here == kLanes ? __builtin_memcpy(&wide, in + i, sizeof wide)
                   : __builtin_memcpy(&wide, in + i, here * sizeof(double));
    const f32x16 value = __builtin_convertvector(wide, f32x16), size = magnitude(value);
    if (here == kLanes)
      store(out + i, value);
    else
      __builtin_memcpy(out + i, &value, here * sizeof(float));
    largest = largest < size ? size : largest;
  }
  float top = 0.0f;
  for (std::size_t lane = 0; lane < kLanes; ++lane) top = top < largest[lane] ? largest[lane] : top;
  return top;
}

// ---- projections ----

/// One group of sixteen elements (n of them) at element i, of R rows and N directions.
template <class Row, int R, int N>
VB_INLINE void dot_group(const std::byte* x, const float* directions, std::size_t width, std::size_t i, std::size_t n,
                         f32x16 (&sums)[R][N]) {
  f32x16 d[N];
  for (int c = 0; c < N; ++c) d[c] = take(directions + static_cast<std::size_t>(c) * width + i, n);
  for (int r = 0; r < R; ++r) {
    const f32x16 h = take<Row>(x + (static_cast<std::size_t>(r) * width + i) * Row::kBytes, n);
    for (int c = 0; c < N; ++c) sums[r][c] = fma(h, d[c], sums[r][c]);
  }
}

template <class Row, int R, int N>
VB_INLINE void dot_tile(const std::byte* x, const float* directions, std::size_t width, float* p, std::size_t stride) {
  f32x16 even[R][N] = {}, odd[R][N] = {};
  std::size_t i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    dot_group<Row, R, N>(x, directions, width, i, kLanes, even);
    dot_group<Row, R, N>(x, directions, width, i + kLanes, kLanes, odd);
  }
  if (i + kLanes <= width) {
    dot_group<Row, R, N>(x, directions, width, i, kLanes, even);
    if (i + kLanes < width) dot_group<Row, R, N>(x, directions, width, i + kLanes, width - i - kLanes, odd);
  } else if (i < width) {
    dot_group<Row, R, N>(x, directions, width, i, width - i, even);
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < N; ++c) p[static_cast<std::size_t>(r) * stride + c] = sum(even[r][c] + odd[r][c]);
}

/// R rows against directions [begin, end) of `count`.
template <class Row, int R>
void dot_band(const std::byte* x, const float* directions, std::size_t width, std::size_t begin, std::size_t end,
              std::size_t count, float* p) {
  std::size_t n = begin;
  for (; n + VB_DIRECTIONS <= end; n += VB_DIRECTIONS)
    dot_tile<Row, R, VB_DIRECTIONS>(x, directions + n * width, width, p + n, count);
  for (; n < end; ++n) dot_tile<Row, R, 1>(x, directions + n * width, width, p + n, count);
}

/// Directions go in groups that stay in the second-level cache while all rows pass over them.
template <class Row>
void project_rows(const std::byte* x, std::size_t rows, std::size_t width, const float* directions, std::size_t count,
                  float* p) {
  constexpr std::size_t kCacheBytes = 256 * 1024;
  const std::size_t group = (kCacheBytes / (width * sizeof(float) + 1) / VB_DIRECTIONS + 1) * VB_DIRECTIONS;
  for (std::size_t begin = 0; begin < count; begin += group) {
    const std::size_t end = count - begin < group ? count : begin + group;
    std::size_t r = 0;
    for (; r + VB_ROWS <= rows; r += VB_ROWS)
      dot_band<Row, VB_ROWS>(x + r * width * Row::kBytes, directions, width, begin, end, count, p + r * count);
    for (; r < rows; ++r)
      dot_band<Row, 1>(x + r * width * Row::kBytes, directions, width, begin, end, count, p + r * count);
  }
}

void project(RowType type, const std::byte* x, std::size_t rows, std::size_t width, const float* directions,
             std::size_t count, float* p) {
  switch (type) {
    case RowType::f32:
      return project_rows<F32Row>(x, rows, width, directions, count, p);
    case RowType::bf16:
      return project_rows<Bf16Row>(x, rows, width, directions, count, p);
  }
}

// ---- lengths ----

/// In the order of dot_tile.
template <class Row>
float squares_of(const std::byte* x, std::size_t width) {
  f32x16 sums[2] = {};
  for (std::size_t i = 0, group = 0; i < width; i += kLanes, group ^= 1) {
    const std::size_t here = width - i < kLanes ? width - i : kLanes;
    const f32x16 h = here == kLanes ? Row::load(x + i * Row::kBytes) : Row::load_first(x + i * Row::kBytes, here);
    sums[group] = fma(h, h, sums[group]);
  }
  return sum(sums[0] + sums[1]);
}

float squares(RowType type, const std::byte* x, std::size_t width) {
  return type == RowType::f32 ? squares_of<F32Row>(x, width) : squares_of<Bf16Row>(x, width);
}

// ---- edits ----

struct EditArgs {
  const std::byte* x;
  std::byte* out;
  std::size_t width;
  const float* directions;
  const float* factors;
  std::size_t count;
};

/// One direction: one rounding. Several: their sum first, in ascending order, then one addition.
template <class Row, bool kOne>
VB_INLINE void edit_group(const EditArgs& a, std::size_t i, std::size_t n, f32x16& after, f32x16& squares) {
  const f32x16 h = take<Row>(a.x + i * Row::kBytes, n);
  const f32x16 first = take(a.directions + i, n);
  f32x16 moved;
  if constexpr (kOne) {
    moved = fma(first, splat(a.factors[0]), h);
  } else {
    f32x16 delta = first * a.factors[0];
    for (std::size_t r = 1; r < a.count; ++r)
      delta = fma(take(a.directions + r * a.width + i, n), splat(a.factors[r]), delta);
    moved = h + delta;
  }
  moved = Row::rounded(moved);
  n == kLanes ? Row::store(a.out + i * Row::kBytes, moved) : Row::store_first(a.out + i * Row::kBytes, moved, n);
  const f32x16 change = moved - h;
  squares = fma(change, change, squares);
  if constexpr (kOne) after = fma(moved, first, after);
}

/// The projection of the new row is summed on the way, in the order of dot_tile; of several directions it needs another
/// pass over the row, which is in the first-level cache by then.
template <class Row, bool kOne>
float edit_row(const EditArgs& a, float* after) {
  f32x16 even{}, odd{}, even_squares{}, odd_squares{};
  std::size_t i = 0;
  for (; i + 2 * kLanes <= a.width; i += 2 * kLanes) {
    edit_group<Row, kOne>(a, i, kLanes, even, even_squares);
    edit_group<Row, kOne>(a, i + kLanes, kLanes, odd, odd_squares);
  }
  if (i + kLanes <= a.width) {
    edit_group<Row, kOne>(a, i, kLanes, even, even_squares);
    if (i + kLanes < a.width) edit_group<Row, kOne>(a, i + kLanes, a.width - i - kLanes, odd, odd_squares);
  } else if (i < a.width) {
    edit_group<Row, kOne>(a, i, a.width - i, even, even_squares);
  }
  if constexpr (kOne)
    after[0] = sum(even + odd);
  else
    project_rows<Row>(a.out, 1, a.width, a.directions, a.count, after);
  return sum(even_squares + odd_squares);
}

template <class Row>
float edit_as(const EditArgs& a, float* after) {
  return a.count == 1 ? edit_row<Row, true>(a, after) : edit_row<Row, false>(a, after);
}

float edit(RowType type, const std::byte* x, std::byte* out, std::size_t width, const float* directions,
           const float* factors, std::size_t count, float* after) {
  const EditArgs args{x, out, width, directions, factors, count};
  return type == RowType::f32 ? edit_as<F32Row>(args, after) : edit_as<Bf16Row>(args, after);
}

constexpr PrimitiveKernels kPrimitiveTable{VB_TARGET_NAME, narrow, project, squares, edit};
