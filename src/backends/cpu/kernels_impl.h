// The hot loops of the cpu backend (contract: kernels.h). Included by each kernels_<target>.cpp inside its anonymous
// namespace; VB_TILE_ROWS is the number of activation rows that share one decoded weight row.
#pragma once

#include "backends/cpu/simd.h"

// ---- how thirty-two consecutive weights are decoded: lo holds elements 0-15, hi elements 16-31 ----

struct Pair {
  f32x16 lo, hi;
};

struct RowF32 {
  static constexpr bool kBlocks = false;
  static constexpr std::size_t kBytes = 4;
  static VB_INLINE f32x16 widen(const std::byte* from) { return load_as<f32x16>(from); }
};
struct RowF16 {
  static constexpr bool kBlocks = false;
  static constexpr std::size_t kBytes = 2;
  static VB_INLINE f32x16 widen(const std::byte* from) { return widen_f16(from); }
};
struct RowBf16 {
  static constexpr bool kBlocks = false;
  static constexpr std::size_t kBytes = 2;
  static VB_INLINE f32x16 widen(const std::byte* from) { return widen_bf16(from); }
};

template <class V>
VB_INLINE f32x16 to_float(const V& codes) {
  return __builtin_convertvector(__builtin_convertvector(codes, i32x16), f32x16);
}
VB_INLINE i32x16 low_nibbles(const u8x16& bytes) { return __builtin_convertvector(bytes & std::uint8_t{15}, i32x16); }
VB_INLINE i32x16 high_nibbles(const u8x16& bytes) { return __builtin_convertvector(bytes >> 4, i32x16); }
/// Bit j of `bits` becomes 16 in lane j.
VB_INLINE i32x16 fifth_bits(std::uint32_t bits) {
  const u32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return bits_as<i32x16>(((bits + u32x16{}) >> lane & 1u) << 4);
}

// Block layouts: transforms.md 2.1, tensor/quant. code * d is exact in f32, so only "+ m" rounds.
struct RowQ8_0 {
  static constexpr bool kBlocks = true;
  static constexpr std::size_t kBytes = 34;
  static VB_INLINE Pair decode(const std::byte* block) {
    const float d = scalar_f16(block);
    return {to_float(load_as<i8x16>(block + 2)) * d, to_float(load_as<i8x16>(block + 18)) * d};
  }
};
struct RowQ4_0 {
  static constexpr bool kBlocks = true;
  static constexpr std::size_t kBytes = 18;
  static VB_INLINE Pair decode(const std::byte* block) {
    const float d = scalar_f16(block);
    const auto codes = load_as<u8x16>(block + 2);
    return {to_float(low_nibbles(codes) - 8) * d, to_float(high_nibbles(codes) - 8) * d};
  }
};
struct RowQ4_1 {
  static constexpr bool kBlocks = true;
  static constexpr std::size_t kBytes = 20;
  static VB_INLINE Pair decode(const std::byte* block) {
    const float d = scalar_f16(block), m = scalar_f16(block + 2);
    const auto codes = load_as<u8x16>(block + 4);
    return {to_float(low_nibbles(codes)) * d + m, to_float(high_nibbles(codes)) * d + m};
  }
};
struct RowQ5_0 {
  static constexpr bool kBlocks = true;
  static constexpr std::size_t kBytes = 22;
  static VB_INLINE Pair decode(const std::byte* block) {
    const float d = scalar_f16(block);
    const auto fifth = load_as<std::uint32_t>(block + 2);
    const auto codes = load_as<u8x16>(block + 6);
    return {to_float((low_nibbles(codes) | fifth_bits(fifth)) - 16) * d,
            to_float((high_nibbles(codes) | fifth_bits(fifth >> 16)) - 16) * d};
  }
};
struct RowQ5_1 {
  static constexpr bool kBlocks = true;
  static constexpr std::size_t kBytes = 24;
  static VB_INLINE Pair decode(const std::byte* block) {
    const float d = scalar_f16(block), m = scalar_f16(block + 2);
    const auto fifth = load_as<std::uint32_t>(block + 4);
    const auto codes = load_as<u8x16>(block + 8);
    return {to_float(low_nibbles(codes) | fifth_bits(fifth)) * d + m,
            to_float(high_nibbles(codes) | fifth_bits(fifth >> 16)) * d + m};
  }
};

/// Elements 32 b .. 32 b + 31 of a row.
template <class Row>
VB_INLINE Pair decode_pair(const std::byte* row, std::size_t b) {
  if constexpr (Row::kBlocks) {
    return Row::decode(row + b * Row::kBytes);
  } else {
    const std::byte* from = row + b * 2 * kLanes * Row::kBytes;
    return {Row::widen(from), Row::widen(from + kLanes * Row::kBytes)};
  }
}

/// The last n < 32 elements of a row, zero beyond. Rows of a block type have none.
template <class Row>
VB_INLINE Pair decode_tail(const std::byte* row, std::size_t width, std::size_t n) {
  if constexpr (Row::kBlocks) {
    return Pair{f32x16{}, f32x16{}};
  } else {
    std::byte padded[2 * kLanes * Row::kBytes] = {};
    __builtin_memcpy(padded, row + (width - n) * Row::kBytes, n * Row::kBytes);
    return {Row::widen(padded), Row::widen(padded + kLanes * Row::kBytes)};
  }
}

VB_INLINE Pair load_tail(const float* from, std::size_t n) {
  if (n < kLanes) return {load_first(from, n), f32x16{}};
  return {load(from), load_first(from + kLanes, n - kLanes)};
}

// ---- dot products ----

/// `R` rows of x against one weight row. The order of each sum does not depend on R.
template <class Row, int R>
VB_INLINE void dot_rows(const std::byte* w, std::size_t width, const float* x, float* y, std::size_t y_stride) {
  f32x16 even[R] = {}, odd[R] = {};
  const std::size_t pairs = width / (2 * kLanes), rest = width % (2 * kLanes);
  for (std::size_t b = 0; b < pairs; ++b) {
    const Pair weights = decode_pair<Row>(w, b);
    for (int r = 0; r < R; ++r) {
      const float* from = x + static_cast<std::size_t>(r) * width + b * 2 * kLanes;
      even[r] = fma(load(from), weights.lo, even[r]);
      odd[r] = fma(load(from + kLanes), weights.hi, odd[r]);
    }
  }
  if (rest != 0) {
    const Pair weights = decode_tail<Row>(w, width, rest);
    for (int r = 0; r < R; ++r) {
      const Pair values = load_tail(x + static_cast<std::size_t>(r) * width + pairs * 2 * kLanes, rest);
      even[r] = fma(values.lo, weights.lo, even[r]);
      odd[r] = fma(values.hi, weights.hi, odd[r]);
    }
  }
  for (int r = 0; r < R; ++r) y[static_cast<std::size_t>(r) * y_stride] = sum(even[r] + odd[r]);
}

template <class Row, int R>
void tile(const WeightMatrix& w, const float* x, float* y, std::size_t y_stride, std::size_t begin, std::size_t end) {
  for (std::size_t n = begin; n < end; ++n) dot_rows<Row, R>(w.data + n * w.row_bytes, w.width, x, y + n, y_stride);
}

template <class Row, int R>
std::size_t tiles(const WeightMatrix& w, const float* x, std::size_t rows, std::size_t done, float* y,
                  std::size_t y_stride, std::size_t begin, std::size_t end) {
  for (; done + R <= rows; done += R) tile<Row, R>(w, x + done * w.width, y + done * y_stride, y_stride, begin, end);
  return done;
}

/// Weight rows go in groups that stay in the second-level cache while all tiles of x pass over them.
template <class Row>
void linear_rows(const WeightMatrix& w, const float* x, std::size_t rows, float* y, std::size_t y_stride,
                 std::size_t begin, std::size_t end) {
  constexpr std::size_t kCacheBytes = 256 * 1024;
  const std::size_t group = kCacheBytes / (w.row_bytes + 1) + 1;
  for (std::size_t n = begin; n < end; n += group) {
    const std::size_t stop = end - n < group ? end : n + group;
    std::size_t done = tiles<Row, VB_TILE_ROWS>(w, x, rows, 0, y, y_stride, n, stop);
    if constexpr (VB_TILE_ROWS > 2) done = tiles<Row, 2>(w, x, rows, done, y, y_stride, n, stop);
    tiles<Row, 1>(w, x, rows, done, y, y_stride, n, stop);
  }
}

void linear(const WeightMatrix& w, const float* x, std::size_t rows, float* y, std::size_t y_stride, std::size_t begin,
            std::size_t end) {
  switch (w.type) {
    case WeightType::f32:
      return linear_rows<RowF32>(w, x, rows, y, y_stride, begin, end);
    case WeightType::f16:
      return linear_rows<RowF16>(w, x, rows, y, y_stride, begin, end);
    case WeightType::bf16:
      return linear_rows<RowBf16>(w, x, rows, y, y_stride, begin, end);
    case WeightType::q8_0:
      return linear_rows<RowQ8_0>(w, x, rows, y, y_stride, begin, end);
    case WeightType::q5_1:
      return linear_rows<RowQ5_1>(w, x, rows, y, y_stride, begin, end);
    case WeightType::q5_0:
      return linear_rows<RowQ5_0>(w, x, rows, y, y_stride, begin, end);
    case WeightType::q4_1:
      return linear_rows<RowQ4_1>(w, x, rows, y, y_stride, begin, end);
    case WeightType::q4_0:
      return linear_rows<RowQ4_0>(w, x, rows, y, y_stride, begin, end);
  }
}

template <class Row>
void decode_one(const WeightMatrix& w, std::size_t row, float* out) {
  const std::byte* from = w.data + row * w.row_bytes;
  const std::size_t pairs = w.width / (2 * kLanes), rest = w.width % (2 * kLanes);
  for (std::size_t b = 0; b < pairs; ++b, out += 2 * kLanes) {
    const Pair values = decode_pair<Row>(from, b);
    store(out, values.lo);
    store(out + kLanes, values.hi);
  }
  if (rest == 0) return;
  const Pair values = decode_tail<Row>(from, w.width, rest);
  __builtin_memcpy(out, &values, rest * sizeof(float));
}

void decode_row(const WeightMatrix& w, std::size_t row, float* out) {
  switch (w.type) {
    case WeightType::f32:
      return decode_one<RowF32>(w, row, out);
    case WeightType::f16:
      return decode_one<RowF16>(w, row, out);
    case WeightType::bf16:
      return decode_one<RowBf16>(w, row, out);
    case WeightType::q8_0:
      return decode_one<RowQ8_0>(w, row, out);
    case WeightType::q5_1:
      return decode_one<RowQ5_1>(w, row, out);
    case WeightType::q5_0:
      return decode_one<RowQ5_0>(w, row, out);
    case WeightType::q4_1:
      return decode_one<RowQ4_1>(w, row, out);
    case WeightType::q4_0:
      return decode_one<RowQ4_0>(w, row, out);
  }
}

VB_INLINE float dot(const float* a, const float* b, std::size_t n) {
  float result;
  dot_rows<RowF32, 1>(reinterpret_cast<const std::byte*>(b), n, a, &result, 1);
  return result;
}

// ---- element by element ----

/// out[i] = f(a[i], b[i]), sixteen at a time.
template <class F>
VB_INLINE void map(const float* a, const float* b, float* out, std::size_t n, const F& f) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(load(a + i), load(b + i)));
  if (i < n) store_first(out + i, f(load_first(a + i, n - i), load_first(b + i, n - i)), n - i);
}

void rms_norm(const float* x, const float* w, double epsilon, float* out, std::size_t n) {
  const double mean = static_cast<double>(dot(x, x, n)) / static_cast<double>(n);
  const auto scale = static_cast<float>(1.0 / __builtin_sqrt(mean + epsilon));
  map(x, w, out, n, [scale](const f32x16& a, const f32x16& b) VB_LAMBDA_INLINE { return a * scale * b; });
}

void add(const float* a, const float* b, float* out, std::size_t n) {
  map(a, b, out, n, [](const f32x16& x, const f32x16& y) VB_LAMBDA_INLINE { return x + y; });
}

void add_scaled(const float* a, const float* b, float scale, float* out, std::size_t n) {
  map(a, b, out, n, [scale](const f32x16& x, const f32x16& y) VB_LAMBDA_INLINE { return fma(y, splat(scale), x); });
}

/// Two passes: the mean first, then the squares about it.
void layer_norm(const float* x, const float* w, const float* b, double epsilon, float* out, std::size_t n) {
  f32x16 total{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total += load(x + i);
  if (i < n) total += load_first(x + i, n - i);
  const auto mean = static_cast<float>(static_cast<double>(sum(total)) / static_cast<double>(n));
  map(x, x, out, n, [mean](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return v - mean; });
  const double variance = static_cast<double>(dot(out, out, n)) / static_cast<double>(n);
  const auto scale = static_cast<float>(1.0 / __builtin_sqrt(variance + epsilon));
  map(out, w, out, n, [scale](const f32x16& a, const f32x16& c) VB_LAMBDA_INLINE { return a * scale * c; });
  if (b) add(out, b, out, n);
}

VB_INLINE f32x16 silu(const f32x16& x) { return x / (exp(-x) + 1.0f); }
/// 0.5 x (1 + tanh t) = x / (1 + e^-2t)
VB_INLINE f32x16 gelu_tanh(const f32x16& x) {
  const f32x16 minus_two_t = x * (x * x * 0.044715f + 1.0f) * -1.5957691216057308f;
  return x / (exp(minus_two_t) + 1.0f);
}
VB_INLINE f32x16 relu(const f32x16& x) { return x < 0.0f ? f32x16{} : x; }
VB_INLINE f32x16 relu_squared(const f32x16& x) { return relu(x) * relu(x); }
VB_INLINE f32x16 sigmoid(const f32x16& x) { return 1.0f / (exp(-x) + 1.0f); }
VB_INLINE f32x16 at_most(const f32x16& x, float limit) { return x > limit ? splat(limit) : x; }
VB_INLINE f32x16 within(const f32x16& x, float limit) { return at_most(x < -limit ? splat(-limit) : x, limit); }
constexpr float kSwigluLimit = 7.0f, kSwigluSharpness = 1.702f;  // clamped_swiglu: ops/ops.h
VB_INLINE f32x16 clamped_swiglu(const f32x16& gate, const f32x16& up) {
  const f32x16 g = at_most(gate, kSwigluLimit);
  return g * sigmoid(g * kSwigluSharpness) * (within(up, kSwigluLimit) + 1.0f);
}
VB_INLINE float gelu_erf(float value) {
  const double x = static_cast<double>(value);
  return static_cast<float>(0.5 * x * (1.0 + __builtin_erf(x * 0.70710678118654752440)));
}

void gate(GateKind kind, const float* g, const float* up, float* out, std::size_t n) {
  switch (kind) {
    case GateKind::silu:
      return map(g, up, out, n, [](const f32x16& x, const f32x16& u) VB_LAMBDA_INLINE { return silu(x) * u; });
    case GateKind::gelu_tanh:
      return map(g, up, out, n, [](const f32x16& x, const f32x16& u) VB_LAMBDA_INLINE { return gelu_tanh(x) * u; });
    case GateKind::gelu_erf:
      for (std::size_t i = 0; i < n; ++i) out[i] = gelu_erf(g[i]) * up[i];
      return;
    case GateKind::relu:
      return map(g, up, out, n, [](const f32x16& x, const f32x16& u) VB_LAMBDA_INLINE { return relu(x) * u; });
    case GateKind::relu_squared:
      return map(g, up, out, n, [](const f32x16& x, const f32x16& u) VB_LAMBDA_INLINE { return relu_squared(x) * u; });
    case GateKind::sigmoid:
      return map(g, up, out, n, [](const f32x16& x, const f32x16& u) VB_LAMBDA_INLINE { return sigmoid(x) * u; });
    case GateKind::clamped_swiglu:
      return map(g, up, out, n, [](const f32x16& x, const f32x16& u) VB_LAMBDA_INLINE { return clamped_swiglu(x, u); });
  }
}

void activate(GateKind kind, const float* x, float* out, std::size_t n) {
  switch (kind) {
    case GateKind::silu:
      return map(x, x, out, n, [](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return silu(v); });
    case GateKind::gelu_tanh:
      return map(x, x, out, n, [](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return gelu_tanh(v); });
    case GateKind::gelu_erf:
      for (std::size_t i = 0; i < n; ++i) out[i] = gelu_erf(x[i]);
      return;
    case GateKind::relu:
      return map(x, x, out, n, [](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return relu(v); });
    case GateKind::relu_squared:
      return map(x, x, out, n, [](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return relu_squared(v); });
    case GateKind::sigmoid:
      return map(x, x, out, n, [](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return sigmoid(v); });
    case GateKind::clamped_swiglu:
      return;  // the caller refused it
  }
}

void rotate_halves(const float* in, const float* turns, float* out, std::size_t pairs) {
  typedef std::int32_t Lanes __attribute__((vector_size(64)));
  const Lanes even{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30}, odd = even + 1;
  std::size_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    const f32x16 first = load(turns + 2 * i), second = load(turns + 2 * i + kLanes);
    const f32x16 c = __builtin_shuffle(first, second, even), s = __builtin_shuffle(first, second, odd);
    const f32x16 a = load(in + i), b = load(in + pairs + i);
    store(out + i, a * c - b * s);
    store(out + pairs + i, a * s + b * c);
  }
  if (i == pairs) return;
  const std::size_t rest = pairs - i, some = 2 * rest < kLanes ? 2 * rest : kLanes;
  const f32x16 first = load_first(turns + 2 * i, some & 15u), whole = some == kLanes ? load(turns + 2 * i) : first;
  const f32x16 second = load_first(turns + 2 * i + some, 2 * rest - some);
  const f32x16 c = __builtin_shuffle(whole, second, even), s = __builtin_shuffle(whole, second, odd);
  const f32x16 a = load_first(in + i, rest), b = load_first(in + pairs + i, rest);
  store_first(out + i, a * c - b * s, rest);
  store_first(out + pairs + i, a * s + b * c, rest);
}

void softcap(float* x, float cap, std::size_t n) {
  map(x, x, x, n, [cap](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return tanh(v / cap) * cap; });
}

// ---- attention ----

void scores(const float* q, const float* keys, std::size_t count, std::size_t head_dim, float scale, float* out) {
  for (std::size_t j = 0; j < count; ++j) out[j] = dot(q, keys + j * head_dim, head_dim) * scale;
}

/// `sink` may be null.
VB_INLINE void softmax_beside(const float* sink, float* x, std::size_t n) {
  float top = x[0];
  for (std::size_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
  if (sink && *sink > top) top = *sink;
  f32x16 total{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const f32x16 e = exp(load(x + i) - top);
    store(x + i, e);
    total += e;
  }
  if (i < n) {
    store_first(x + i, exp(load_first(x + i, n - i) - top), n - i);
    total += load_first(x + i, n - i);
  }
  const float whole = sink ? sum(total) + exp(splat(*sink - top))[0] : sum(total);
  map(x, x, x, n, [whole](const f32x16& e, const f32x16&) VB_LAMBDA_INLINE { return e / whole; });
}
void softmax(float* x, std::size_t n) { softmax_beside(nullptr, x, n); }
void softmax_with_sink(float* x, float sink, std::size_t n) { softmax_beside(&sink, x, n); }

void accumulate(const float* p, const float* values, std::size_t count, std::size_t head_dim, float* out) {
  std::size_t i = 0;
  for (; i + kLanes <= head_dim; i += kLanes) {
    f32x16 total = load(out + i);
    for (std::size_t j = 0; j < count; ++j) total = fma(splat(p[j]), load(values + j * head_dim + i), total);
    store(out + i, total);
  }
  if (i == head_dim) return;
  f32x16 total = load_first(out + i, head_dim - i);
  for (std::size_t j = 0; j < count; ++j)
    total = fma(splat(p[j]), load_first(values + j * head_dim + i, head_dim - i), total);
  store_first(out + i, total, head_dim - i);
}

constexpr Kernels kTable{VB_TARGET_NAME, linear,        decode_row, rms_norm, layer_norm, activate, gate, add,
                         add_scaled,     rotate_halves, softcap,    scores,   softmax,    softmax_with_sink,
                         accumulate};
