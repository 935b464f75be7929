// TQ1_0: u8 qs[48], u8 qh[4], f16 d; value = d (t - 1), five base-3 digits t per byte of qs, four per byte of qh.
//
// The digits are stored as a fraction: byte = ceil(256 * n / 243) of the number n that they form. Digit k then is the whole
// part of 3 * frac(byte * 3^k / 256), which needs no division.
#include "tensor/quant/ternary.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 54, kD = 52;

/// `bytes` consecutive bytes from `byte` hold `digits` digits each; digit k of byte i is element `element + bytes * k + i`.
struct Section {
  int byte, bytes, digits, element;
};
constexpr std::array<Section, 3> kSections = {{{0, 32, 5, 0}, {32, 16, 5, 160}, {48, 4, 4, 240}}};
constexpr std::array<int, 5> kPowers = {1, 3, 9, 27, 81};

std::byte pack(const TernaryBlock& block, const Section& section, int i) {
  int number = 0;
  for (int k = 0; k < 5; ++k) {
    const int digit = k < section.digits ? block.codes[static_cast<std::size_t>(section.element + section.bytes * k + i)] : 0;
    number = 3 * number + digit;
  }
  return to_byte((number * 256 + 242) / 243);
}

int digit_of(int byte, int k) { return (byte * kPowers[static_cast<std::size_t>(k)] & 0xff) * 3 >> 8; }

}  // namespace

void decode_tq1_0(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const float d = load_f16(in + kD);
    for (const Section& section : kSections)
      for (int k = 0; k < section.digits; ++k)
        for (int i = 0; i < section.bytes; ++i)
          out[section.element + section.bytes * k + i] = static_cast<float>(digit_of(byte_at(in, section.byte + i), k) - 1) * d;
  }
}

void encode_tq1_0(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    const TernaryBlock block = fit_ternary(in);
    for (const Section& section : kSections)
      for (int i = 0; i < section.bytes; ++i) out[section.byte + i] = pack(block, section, i);
    store_f16(out + kD, block.scale);
  }
}

}  // namespace vauban::quant
