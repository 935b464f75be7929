// The hot loops of training (contract: training_kernels.h). Included by each kernels_<target>.cpp after kernels_impl.h.
#pragma once

// ---- small products, for attention ----

template <int R, int C>
VB_INLINE void matmul_block(const Strided& a, const float* b, std::size_t b_stride, float* c, std::size_t c_stride,
                            std::size_t k, bool accumulate) {
  f32x16 total[R][C];
  for (int r = 0; r < R; ++r)
    for (int j = 0; j < C; ++j)
      total[r][j] = accumulate ? load(c + static_cast<std::size_t>(r) * c_stride + static_cast<std::size_t>(j) * kLanes)
                               : f32x16{};
  for (std::size_t i = 0; i < k; ++i) {
    f32x16 right[C];
    for (int j = 0; j < C; ++j) right[j] = load(b + i * b_stride + static_cast<std::size_t>(j) * kLanes);
    const float* left = a.data + static_cast<std::ptrdiff_t>(i) * a.column_stride;
    for (int r = 0; r < R; ++r) {
      const f32x16 factor = splat(left[r * a.row_stride]);
      for (int j = 0; j < C; ++j) total[r][j] = fma(factor, right[j], total[r][j]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int j = 0; j < C; ++j)
      store(c + static_cast<std::size_t>(r) * c_stride + static_cast<std::size_t>(j) * kLanes, total[r][j]);
}

/// The last width < 16 columns.
template <int R>
VB_INLINE void matmul_edge(const Strided& a, const float* b, std::size_t b_stride, float* c, std::size_t c_stride,
                           std::size_t width, std::size_t k, bool accumulate) {
  f32x16 total[R];
  for (int r = 0; r < R; ++r)
    total[r] = accumulate ? load_first(c + static_cast<std::size_t>(r) * c_stride, width) : f32x16{};
  for (std::size_t i = 0; i < k; ++i) {
    const f32x16 right = load_first(b + i * b_stride, width);
    const float* left = a.data + static_cast<std::ptrdiff_t>(i) * a.column_stride;
    for (int r = 0; r < R; ++r) total[r] = fma(splat(left[r * a.row_stride]), right, total[r]);
  }
  for (int r = 0; r < R; ++r) store_first(c + static_cast<std::size_t>(r) * c_stride, total[r], width);
}

template <int R>
void matmul_rows(const Strided& a, const float* b, std::size_t b_stride, float* c, std::size_t c_stride, std::size_t n,
                 std::size_t k, bool accumulate) {
  std::size_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) matmul_block<R, 4>(a, b + j, b_stride, c + j, c_stride, k, accumulate);
  if (j + 3 * kLanes <= n) {
    matmul_block<R, 3>(a, b + j, b_stride, c + j, c_stride, k, accumulate);
    j += 3 * kLanes;
  }
  if (j + 2 * kLanes <= n) {
    matmul_block<R, 2>(a, b + j, b_stride, c + j, c_stride, k, accumulate);
    j += 2 * kLanes;
  }
  if (j + kLanes <= n) {
    matmul_block<R, 1>(a, b + j, b_stride, c + j, c_stride, k, accumulate);
    j += kLanes;
  }
  if (j < n) matmul_edge<R>(a, b + j, b_stride, c + j, c_stride, n - j, k, accumulate);
}

void small_matmul(const Strided& a, const float* b, std::size_t b_stride, float* c, std::size_t c_stride, std::size_t m,
                  std::size_t n, std::size_t k, bool accumulate) {
  constexpr int kRows = VB_TILE_ROWS >= 8 ? 4 : 2;
  std::size_t i = 0;
  const auto at = [&a](std::size_t row) VB_LAMBDA_INLINE {
    return Strided{a.data + static_cast<std::ptrdiff_t>(row) * a.row_stride, a.row_stride, a.column_stride};
  };
  for (; i + kRows <= m; i += kRows) matmul_rows<kRows>(at(i), b, b_stride, c + i * c_stride, c_stride, n, k, accumulate);
  for (; i < m; ++i) matmul_rows<1>(at(i), b, b_stride, c + i * c_stride, c_stride, n, k, accumulate);
}

/// Swaps the off-diagonal blocks of 2^Level lanes of two rows: sixteen rows, level by level, end up transposed.
template <int Level>
VB_INLINE void swap_blocks(f32x16 (&rows)[kLanes]) {
  constexpr int kStep = 1 << Level;
  typedef std::int32_t Lanes __attribute__((vector_size(64)));
  Lanes low{}, high{};
  for (int lane = 0; lane < 16; ++lane) {
    const bool own = (lane & kStep) == 0;
    low[lane] = own ? lane : lane - kStep + 16;
    high[lane] = own ? lane + kStep : lane + 16;
  }
  for (int r = 0; r < 16; ++r) {
    if (r & kStep) continue;
    const f32x16 a = rows[r], b = rows[r + kStep];
    rows[r] = __builtin_shuffle(a, b, low);
    rows[r + kStep] = __builtin_shuffle(a, b, high);
  }
}

/// block[i] lane j <-> block[j] lane i
VB_INLINE void transpose_block(f32x16 (&block)[kLanes]) {
  swap_blocks<0>(block);
  swap_blocks<1>(block);
  swap_blocks<2>(block);
  swap_blocks<3>(block);
}

void transpose(const float* in, std::size_t in_stride, std::size_t rows, std::size_t columns, float* out,
               std::size_t out_stride) {
  const std::size_t whole_rows = rows / kLanes * kLanes, whole_columns = columns / kLanes * kLanes;
  for (std::size_t r = 0; r < whole_rows; r += kLanes)
    for (std::size_t c = 0; c < whole_columns; c += kLanes) {
      f32x16 block[kLanes];
      for (std::size_t i = 0; i < kLanes; ++i) block[i] = load(in + (r + i) * in_stride + c);
      transpose_block(block);
      for (std::size_t i = 0; i < kLanes; ++i) store(out + (c + i) * out_stride + r, block[i]);
    }
  for (std::size_t c = 0; c < columns; ++c)
    for (std::size_t r = c < whole_columns ? whole_rows : 0; r < rows; ++r) out[c * out_stride + r] = in[r * in_stride + c];
}

// ---- operands in bf16 ----

/// The pairs (row 0, row 1) of sixteen columns, the first in the low half.
VB_INLINE u32x16 pairs_of_rows(const std::uint16_t* row0, const std::uint16_t* row1) {
  return __builtin_convertvector(load_as<u16x16>(row0), u32x16) |
         __builtin_convertvector(load_as<u16x16>(row1), u32x16) << 16;
}

void pack_bf16(const std::uint16_t* in, std::size_t row_stride, std::size_t column_stride, std::size_t k, std::size_t n,
               std::uint16_t* out) {
  const std::size_t padded = (k + kPackRows - 1) / kPackRows * kPackRows;
  const std::size_t whole_k = k / kPackRows * kPackRows, whole_n = n / kLanes * kLanes;
  for (std::size_t row = 0; row < padded; row += kPackRows)
    for (std::size_t column = 0; column < kPackColumns; column += kLanes) {
      std::uint16_t* to = out + row * kPackColumns + column * 2;
      if (row >= whole_k || column >= whole_n) {
        for (std::size_t i = 0; i < kPackRows; ++i)
          for (std::size_t j = 0; j < kLanes; ++j)
            to[i / 2 * 2 * kPackColumns + j * 2 + i % 2] =
                row + i < k && column + j < n ? in[(row + i) * row_stride + (column + j) * column_stride] : std::uint16_t{0};
      } else if (column_stride == 1) {
        const std::uint16_t* from = in + row * row_stride + column;
        for (std::size_t i = 0; i < kPackRows; i += 2, from += 2 * row_stride) {
          const u32x16 pairs = pairs_of_rows(from, from + row_stride);
          __builtin_memcpy(to + i * kPackColumns, &pairs, sizeof pairs);
        }
      } else {
        f32x16 block[kLanes];
        for (std::size_t j = 0; j < kLanes; ++j) block[j] = load_as<f32x16>(in + row + (column + j) * column_stride);
        transpose_block(block);
        for (std::size_t i = 0; i < kLanes; ++i) __builtin_memcpy(to + i * 2 * kPackColumns, &block[i], sizeof block[i]);
      }
    }
}

void transpose_bf16(const std::uint16_t* in, std::size_t in_stride, std::size_t rows, std::size_t columns,
                    std::uint16_t* out, std::size_t out_stride) {
  const std::size_t whole_rows = rows / kPackRows * kPackRows, whole_columns = columns / kLanes * kLanes;
  for (std::size_t r = 0; r < whole_rows; r += kPackRows)
    for (std::size_t c = 0; c < whole_columns; c += kLanes) {
      f32x16 block[kLanes];
      const std::uint16_t* from = in + r * in_stride + c;
      for (std::size_t i = 0; i < kLanes; ++i, from += 2 * in_stride)
        block[i] = bits_as<f32x16>(pairs_of_rows(from, from + in_stride));
      transpose_block(block);
      for (std::size_t i = 0; i < kLanes; ++i) __builtin_memcpy(out + (c + i) * out_stride + r, &block[i], sizeof block[i]);
    }
  for (std::size_t c = 0; c < columns; ++c)
    for (std::size_t r = c < whole_columns ? whole_rows : 0; r < rows; ++r) out[c * out_stride + r] = in[r * in_stride + c];
}

// ---- precision ----

VB_INLINE u16x16 round_bf16(const f32x16& value) {
  const u32x16 bits = bits_as<u32x16>(value);
  const u32x16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const u32x16 quiet = (bits >> 16) | 0x40u;
  return __builtin_convertvector(value == value ? rounded : quiet, u16x16);
}

VB_INLINE void store_bf16(std::uint16_t* to, const f32x16& value, std::size_t n) {
  const u16x16 half = round_bf16(value);
  __builtin_memcpy(to, &half, n * sizeof(std::uint16_t));
}

void to_bf16(const float* in, std::uint16_t* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_bf16(out + i, load(in + i), kLanes);
  if (i < n) store_bf16(out + i, load_first(in + i, n - i), n - i);
}

// ---- softmax ----

VB_INLINE float largest(const float* x, std::size_t n) {
  float top = x[0];
  std::size_t i = 0;
  if (n >= kLanes) {
    f32x16 tops = load(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const f32x16 v = load(x + i);
      tops = v > tops ? v : tops;
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) top = tops[lane] > top ? tops[lane] : top;
  }
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

double log_sum_exp(const float* x, std::size_t n) {
  const float top = largest(x, n);
  f32x16 total{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total += exp(load(x + i) - top);
  if (i < n) {
    float rest[kLanes] = {};
    store_first(rest, exp(load_first(x + i, n - i) - top), n - i);
    total += load(rest);
  }
  return static_cast<double>(top) + __builtin_log(static_cast<double>(sum(total)));
}

void exp_minus(const float* x, float shift, float* out, std::size_t n) {
  map(x, x, out, n, [shift](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return exp(v - shift); });
}

/// e^x for bf16: within 2e-7 of it from -87 to 87; below 0, above e^87. NaN stays NaN.
VB_INLINE f32x16 exp_between(const f32x16& wide) {
  const f32x16 x = wide > 87.0f ? splat(87.0f) : wide;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const f32x16 shifted = fma(x, splat(1.44269504088896340736f), splat(kRound));
  const f32x16 n = shifted - kRound;
  f32x16 r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440054690583e-4f), r);
  const f32x16 p = polynomial(r, {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f});
  const f32x16 e = fma(p * r, r, r) + 1.0f;  // 0.70 to 1.42: n may be added to its exponent
  const f32x16 scaled = bits_as<f32x16>(bits_as<u32x16>(e) + (bits_as<u32x16>(shifted) << 23));
  return wide < -87.0f ? f32x16{} : scaled;
}

/// What round_bf16 does, where NaN's own bits do not matter.
VB_INLINE u16x16 round_number_bf16(const f32x16& value) {
  const u32x16 bits = bits_as<u32x16>(value);
  return __builtin_convertvector((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, u16x16);
}

/// For results that are read again only when the caches have long seen others: past them where the target can.
VB_INLINE void store_past_cache(std::uint16_t* to, const u16x16& value) {
#if defined(__AVX512F__)
  if (reinterpret_cast<std::uintptr_t>(to) % sizeof value == 0)
    return _mm256_stream_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(value));
#endif
  __builtin_memcpy(to, &value, sizeof value);
}
VB_INLINE void end_stores_past_cache() {
#if defined(__AVX512F__)
  _mm_sfence();
#endif
}

float exp_to_bf16(const float* x, float shift, std::uint16_t* out, std::size_t n) {
  f32x16 totals[2] = {};
  std::size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes)
    for (std::size_t half = 0; half < 2; ++half) {
      const f32x16 e = exp_between(load(x + i + half * kLanes) - shift);
      totals[half] += e;
      store_past_cache(out + i + half * kLanes, round_number_bf16(e));
    }
  end_stores_past_cache();
  for (; i < n; i += kLanes) {
    const std::size_t rest = n - i < kLanes ? n - i : kLanes;
    float values[kLanes] = {};
    __builtin_memcpy(values, x + i, rest * sizeof(float));
    f32x16 e{};
    store_first(values, exp_between(load(values) - shift), rest);
    __builtin_memcpy(&e, values, rest * sizeof(float));
    totals[0] += e;
    const u16x16 rounded = round_number_bf16(e);
    __builtin_memcpy(out + i, &rounded, rest * sizeof(std::uint16_t));
  }
  return sum(totals[0] + totals[1]);
}

void scaled_to_bf16(const float* x, float factor, std::uint16_t* out, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_bf16(out + i, load(x + i) * factor, kLanes);
  if (i < n) store_bf16(out + i, load_first(x + i, n - i) * factor, n - i);
}

void softmax_backward(const float* p, const float* s, float d, float cap, float* dp, std::size_t n) {
  map(p, dp, dp, n, [d](const f32x16& a, const f32x16& b) VB_LAMBDA_INLINE { return a * (b - d); });
  if (cap <= 0.0f) return;
  map(s, dp, dp, n, [cap](const f32x16& v, const f32x16& g) VB_LAMBDA_INLINE {
    const f32x16 t = v / cap;
    return g * (1.0f - t * t);
  });
}

float softmax_with_log_sum(float* x, std::size_t n) {
  const float top = largest(x, n);
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
  const float whole = sum(total), by = 1.0f / whole;
  map(x, x, x, n, [by](const f32x16& e, const f32x16&) VB_LAMBDA_INLINE { return e * by; });
  return static_cast<float>(static_cast<double>(top) + __builtin_log(static_cast<double>(whole)));
}

float dot_product(const float* a, const float* b, std::size_t n) { return dot(a, b, n); }

void accumulate_scaled(const float* a, float factor, float* out, std::size_t n) {
  map(a, out, out, n, [factor](const f32x16& x, const f32x16& y) VB_LAMBDA_INLINE { return fma(x, splat(factor), y); });
}

// ---- norms ----

void rms_norm_backward(const float* dy, const float* x, const float* w, double epsilon, float* dx, float* dw,
                       std::size_t n) {
  const double mean = static_cast<double>(dot(x, x, n)) / static_cast<double>(n);
  const double r = 1.0 / __builtin_sqrt(mean + epsilon);
  const auto scale = static_cast<float>(r);
  map(dy, w, dx, n, [scale](const f32x16& g, const f32x16& a) VB_LAMBDA_INLINE { return g * a * scale; });
  const double along = static_cast<double>(dot(dx, x, n));
  const auto back = static_cast<float>(-along * r * r / static_cast<double>(n));
  accumulate_scaled(x, back, dx, n);
  if (!dw) return;
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(dw + i, fma(load(dy + i) * scale, load(x + i), load(dw + i)));
  if (i < n) {
    const std::size_t rest = n - i;
    store_first(dw + i, fma(load_first(dy + i, rest) * scale, load_first(x + i, rest), load_first(dw + i, rest)), rest);
  }
}

VB_INLINE float mean_of(const float* x, std::size_t n) {
  f32x16 total{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total += load(x + i);
  if (i < n) total += load_first(x + i, n - i);
  return static_cast<float>(static_cast<double>(sum(total)) / static_cast<double>(n));
}

void layer_norm_backward(const float* dy, const float* x, const float* w, double epsilon, float* dx, float* dw,
                         float* db, float* scratch, std::size_t n) {
  const float mean = mean_of(x, n);
  float* c = scratch;
  map(x, x, c, n, [mean](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return v - mean; });
  const double variance = static_cast<double>(dot(c, c, n)) / static_cast<double>(n);
  const double r = 1.0 / __builtin_sqrt(variance + epsilon);
  const auto scale = static_cast<float>(r);
  if (db) accumulate_scaled(dy, 1.0f, db, n);
  if (dw) {
    for (std::size_t i = 0; i < n; ++i) dw[i] += dy[i] * c[i] * scale;
  }
  map(dy, w, dx, n, [](const f32x16& g, const f32x16& a) VB_LAMBDA_INLINE { return g * a; });
  const float mean_g = mean_of(dx, n);
  const auto back = static_cast<float>(static_cast<double>(dot(dx, c, n)) / static_cast<double>(n) * r * r);
  map(dx, c, dx, n, [scale, mean_g, back](const f32x16& g, const f32x16& v) VB_LAMBDA_INLINE {
    return (g - mean_g - v * back) * scale;
  });
}

// ---- activations ----

struct Slope {
  f32x16 value, slope;
};
VB_INLINE Slope silu_slope(const f32x16& x) {
  const f32x16 s = 1.0f / (exp(-x) + 1.0f);
  return {x * s, s * (x * (1.0f - s) + 1.0f)};
}
/// d/dx 0.5 x (1 + tanh t) with t = a (x + b x^3): 0.5 (1 + tanh t) + 0.5 x (1 - tanh^2 t) a (1 + 3 b x^2);
/// with s = 1 / (1 + e^-2t): tanh t = 2 s - 1.
VB_INLINE Slope gelu_tanh_slope(const f32x16& x) {
  const f32x16 square = x * x;
  const f32x16 s = 1.0f / (exp(x * (square * 0.044715f + 1.0f) * -1.5957691216057308f) + 1.0f);
  return {x * s, s + x * s * (1.0f - s) * (square * 0.134145f + 1.0f) * 1.5957691216057308f};
}
VB_INLINE Slope relu_slope(const f32x16& x) { return {relu(x), x > 0.0f ? splat(1.0f) : f32x16{}}; }
VB_INLINE Slope relu_squared_slope(const f32x16& x) { return {relu_squared(x), relu(x) * 2.0f}; }
VB_INLINE Slope sigmoid_slope(const f32x16& x) {
  const f32x16 s = sigmoid(x);
  return {s, s * (1.0f - s)};
}
/// In the limited gate g: g s and its slope, with s = sigmoid(1.702 g); 0 beyond the limit.
VB_INLINE Slope clamped_swiglu_slope(const f32x16& gate) {
  const f32x16 g = at_most(gate, kSwigluLimit), s = sigmoid(g * kSwigluSharpness);
  return {g * s, gate > kSwigluLimit ? f32x16{} : s + g * kSwigluSharpness * s * (1.0f - s)};
}
VB_INLINE float gelu_erf_slope(float value) {
  const double x = static_cast<double>(value);
  const double cdf = 0.5 * (1.0 + __builtin_erf(x * 0.70710678118654752440));
  return static_cast<float>(cdf + x * 0.39894228040143267794 * __builtin_exp(-0.5 * x * x));
}

template <class F>
VB_INLINE void gate_backward_with(const float* dy, const float* gate, const float* up, float* dgate, float* dup,
                                  std::size_t n, const F& slope) {
  for (std::size_t i = 0; i < n; i += kLanes) {
    const std::size_t width = n - i < kLanes ? n - i : kLanes;
    const bool whole = width == kLanes;
    const f32x16 g = whole ? load(dy + i) : load_first(dy + i, width);
    const Slope at = slope(whole ? load(gate + i) : load_first(gate + i, width));
    const f32x16 u = whole ? load(up + i) : load_first(up + i, width);
    const f32x16 by_gate = g * u * at.slope, by_up = g * at.value;
    if (whole) {
      store(dgate + i, by_gate);
      store(dup + i, by_up);
    } else {
      store_first(dgate + i, by_gate, width);
      store_first(dup + i, by_up, width);
    }
  }
}

void gate_backward(GateKind kind, const float* dy, const float* g, const float* up, float* dgate, float* dup,
                   std::size_t n) {
  switch (kind) {
    case GateKind::silu:
      return gate_backward_with(dy, g, up, dgate, dup, n,
                                [](const f32x16& x) VB_LAMBDA_INLINE { return silu_slope(x); });
    case GateKind::gelu_tanh:
      return gate_backward_with(dy, g, up, dgate, dup, n,
                                [](const f32x16& x) VB_LAMBDA_INLINE { return gelu_tanh_slope(x); });
    case GateKind::gelu_erf:
      for (std::size_t i = 0; i < n; ++i) {
        const float value = gelu_erf(g[i]);
        dgate[i] = dy[i] * up[i] * gelu_erf_slope(g[i]);
        dup[i] = dy[i] * value;
      }
      return;
    case GateKind::relu:
      return gate_backward_with(dy, g, up, dgate, dup, n,
                                [](const f32x16& x) VB_LAMBDA_INLINE { return relu_slope(x); });
    case GateKind::relu_squared:
      return gate_backward_with(dy, g, up, dgate, dup, n,
                                [](const f32x16& x) VB_LAMBDA_INLINE { return relu_squared_slope(x); });
    case GateKind::sigmoid:
      return gate_backward_with(dy, g, up, dgate, dup, n,
                                [](const f32x16& x) VB_LAMBDA_INLINE { return sigmoid_slope(x); });
    case GateKind::clamped_swiglu:
      // Of y = f(gate) (clamp(up) + 1): first as if up were clamp(up) + 1, then 0 where up was limited.
      map(up, up, dup, n,
          [](const f32x16& u, const f32x16&) VB_LAMBDA_INLINE { return within(u, kSwigluLimit) + 1.0f; });
      gate_backward_with(dy, g, dup, dgate, dup, n,
                         [](const f32x16& x) VB_LAMBDA_INLINE { return clamped_swiglu_slope(x); });
      return map(up, dup, dup, n, [](const f32x16& u, const f32x16& d) VB_LAMBDA_INLINE {
        const f32x16 kept = u > kSwigluLimit ? f32x16{} : d;
        return u < -kSwigluLimit ? f32x16{} : kept;
      });
  }
}

void activate_backward(GateKind kind, const float* dy, const float* x, float* dx, std::size_t n) {
  switch (kind) {
    case GateKind::silu:
      return map(dy, x, dx, n,
                 [](const f32x16& g, const f32x16& v) VB_LAMBDA_INLINE { return g * silu_slope(v).slope; });
    case GateKind::gelu_tanh:
      return map(dy, x, dx, n,
                 [](const f32x16& g, const f32x16& v) VB_LAMBDA_INLINE { return g * gelu_tanh_slope(v).slope; });
    case GateKind::gelu_erf:
      for (std::size_t i = 0; i < n; ++i) dx[i] = dy[i] * gelu_erf_slope(x[i]);
      return;
    case GateKind::relu:
      return map(dy, x, dx, n,
                 [](const f32x16& g, const f32x16& v) VB_LAMBDA_INLINE { return g * relu_slope(v).slope; });
    case GateKind::relu_squared:
      return map(dy, x, dx, n,
                 [](const f32x16& g, const f32x16& v) VB_LAMBDA_INLINE { return g * relu_squared_slope(v).slope; });
    case GateKind::sigmoid:
      return map(dy, x, dx, n,
                 [](const f32x16& g, const f32x16& v) VB_LAMBDA_INLINE { return g * sigmoid_slope(v).slope; });
    case GateKind::clamped_swiglu:
      return;  // the caller refused it
  }
}

// ---- head ----

void head_backward(float* logits, double log_sum, float coefficient, std::size_t target, float cap, std::uint16_t* bf16,
                   std::size_t n) {
  const auto shift = static_cast<float>(log_sum);
  const auto slope = [cap](const f32x16& capped) VB_LAMBDA_INLINE {
    const f32x16 t = capped / cap;
    return 1.0f - t * t;
  };
  const auto gradient = [=](const f32x16& v) VB_LAMBDA_INLINE {
    const f32x16 g = exp(v - shift) * -coefficient;
    return cap > 0.0f ? g * slope(v) : g;
  };
  const f32x16 at_target = splat(logits[target]);
  const f32x16 own = gradient(at_target) + splat(coefficient) * (cap > 0.0f ? slope(at_target) : splat(1.0f));
  if (!bf16) {
    map(logits, logits, logits, n, [&](const f32x16& v, const f32x16&) VB_LAMBDA_INLINE { return gradient(v); });
    logits[target] = own[0];
    return;
  }
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_bf16(bf16 + i, gradient(load(logits + i)), kLanes);
  if (i < n) store_bf16(bf16 + i, gradient(load_first(logits + i, n - i)), n - i);
  bf16[target] = round_bf16(own)[0];
}

constexpr TrainingKernels kTrainingTable{small_matmul,      transpose,           pack_bf16, transpose_bf16, to_bf16,       log_sum_exp,
                                         exp_minus,         softmax_with_log_sum, softmax_backward, exp_to_bf16, scaled_to_bf16,
                                         dot_product,       accumulate_scaled,
                                         rms_norm_backward, layer_norm_backward, gate_backward, activate_backward,
                                         head_backward};
