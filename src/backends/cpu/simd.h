// Sixteen float lanes on any target. Included only by kernels_*.cpp, inside their anonymous namespace: no include guard
// mistake can then make two targets share a function.
#pragma once

#define VB_INLINE __attribute__((always_inline)) inline

typedef float f32x16 __attribute__((vector_size(64)));
typedef std::int32_t i32x16 __attribute__((vector_size(64)));
typedef std::uint32_t u32x16 __attribute__((vector_size(64)));
typedef std::uint16_t u16x16 __attribute__((vector_size(32)));
typedef std::int8_t i8x16 __attribute__((vector_size(16)));
typedef std::uint8_t u8x16 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x4 __attribute__((vector_size(16)));

constexpr std::size_t kLanes = 16;

template <class To, class From>
VB_INLINE To bits_as(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

template <class T, class P>
VB_INLINE T load_as(const P* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

VB_INLINE f32x16 load(const float* from) { return load_as<f32x16>(from); }
VB_INLINE void store(float* to, const f32x16& value) { __builtin_memcpy(to, &value, sizeof value); }
VB_INLINE f32x16 splat(float value) { return value - f32x16{}; }

/// The first n < 16 elements; the other lanes are zero, and their memory is not touched.
VB_INLINE f32x16 load_first(const float* from, std::size_t n) {
#if defined(__AVX512F__)
  return reinterpret_cast<f32x16>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), from));
#else
  f32x16 value{};
  __builtin_memcpy(&value, from, n * sizeof(float));
  return value;
#endif
}
VB_INLINE void store_first(float* to, const f32x16& value, std::size_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1u), reinterpret_cast<__m512>(value));
#else
  __builtin_memcpy(to, &value, n * sizeof(float));
#endif
}

/// a * b + c, rounded once where the target can. -ffp-contract=off keeps the compiler from choosing.
VB_INLINE f32x16 fma(const f32x16& a, const f32x16& b, const f32x16& c) {
#if defined(__AVX512F__)
  return reinterpret_cast<f32x16>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__FMA__)
  struct Halves {
    __m256 low, high;
  };
  const auto x = bits_as<Halves>(a), y = bits_as<Halves>(b), z = bits_as<Halves>(c);
  return bits_as<f32x16>(Halves{_mm256_fmadd_ps(x.low, y.low, z.low), _mm256_fmadd_ps(x.high, y.high, z.high)});
#else
  return a * b + c;
#endif
}

VB_INLINE float sum(const f32x16& v) {
  const f32x8 eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const f32x4 four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

VB_INLINE f32x16 widen_f16(const std::byte* from) {
#if defined(__AVX512F__)
  // The zero-masked form: the plain one starts from an undefined register, which gcc 12 warns about (PR 105593).
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return reinterpret_cast<f32x16>(_mm512_maskz_cvtph_ps(static_cast<__mmask16>(0xffff), half));
#elif defined(__F16C__)
  struct Halves {
    __m256 low, high;
  };
  return bits_as<f32x16>(Halves{_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
                                _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from) + 1))});
#else
  // Rebiases the exponent by a multiplication, which also normalises subnormals; Inf and NaN keep an all-ones exponent.
  const u32x16 bits = __builtin_convertvector(load_as<u16x16>(from), u32x16);
  const f32x16 magnitude = bits_as<f32x16>((bits & 0x7fffu) << 13) * 0x1p112f;
  const u32x16 special = bits_as<u32x16>((bits & 0x7c00u) == 0x7c00u) & 0x7f800000u;
  return bits_as<f32x16>(bits_as<u32x16>(magnitude) | special | (bits & 0x8000u) << 16);
#endif
}

VB_INLINE f32x16 widen_bf16(const std::byte* from) {
  return bits_as<f32x16>(__builtin_convertvector(load_as<u16x16>(from), u32x16) << 16);
}

VB_INLINE float scalar_f16(const std::byte* from) {
  const auto bits = load_as<std::uint16_t>(from);
#if defined(__F16C__)
  return _cvtsh_ss(bits);
#else
  const float magnitude = bits_as<float>((bits & 0x7fffu) << 13) * 0x1p112f;
  const std::uint32_t special = (bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  return bits_as<float>(bits_as<std::uint32_t>(magnitude) | special | (bits & 0x8000u) << 16);
#endif
}

/// ((c[0] x + c[1]) x + c[2]) ...
template <std::size_t N>
VB_INLINE f32x16 polynomial(const f32x16& x, const float (&c)[N]) {
  f32x16 p = splat(c[0]);
  for (std::size_t i = 1; i < N; ++i) p = fma(p, x, splat(c[i]));
  return p;
}

/// e^x within about 1 ulp: 2^n * e^r with |r| <= ln(2)/2, e^r by its Taylor series to r^7 (remainder < 6e-9).
VB_INLINE f32x16 exp(f32x16 x) {
  x = x < -110.0f ? splat(-110.0f) : x;  // both ends already give 0 and infinity; NaN passes through
  x = x > 100.0f ? splat(100.0f) : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const f32x16 shifted = fma(x, splat(1.44269504088896340736f), splat(kRound));
  const f32x16 n = shifted - kRound;
  f32x16 r = fma(n, splat(-0.693359375f), x);  // exact product: nine significant bits
  r = fma(n, splat(2.12194440054690583e-4f), r);
  const f32x16 p = polynomial(r, {1.0f / 5040.0f, 1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f});
  const f32x16 e = fma(p * r, r, r) + 1.0f;
  // In two factors, so that n beyond the exponent range overflows to infinity or rounds to a subnormal.
  const i32x16 exponent = bits_as<i32x16>(bits_as<u32x16>(shifted) - bits_as<std::uint32_t>(kRound));
  const i32x16 half = exponent >> 1;
  const u32x16 one = bits_as<u32x16>(splat(1.0f));
  const f32x16 low = bits_as<f32x16>(one + (bits_as<u32x16>(half) << 23));
  const f32x16 high = bits_as<f32x16>(one + (bits_as<u32x16>(exponent - half) << 23));
  return e * low * high;
}

/// tanh x: its Taylor series to x^15 below one half (remainder < 1e-8 of x), else 1 - 2 / (e^2x + 1).
VB_INLINE f32x16 tanh(const f32x16& x) {
  const f32x16 square = x * x;
  const f32x16 p = polynomial(square, {-929569.0f / 638512875.0f, 21844.0f / 6081075.0f, -1382.0f / 155925.0f,
                                       62.0f / 2835.0f, -17.0f / 315.0f, 2.0f / 15.0f, -1.0f / 3.0f});
  const f32x16 small = fma(p * square, x, x);
  const f32x16 large = 1.0f - 2.0f / (exp(x + x) + 1.0f);
  return square < 0.25f ? small : large;
}
