// AWQ folders in AutoAWQ's "gemm" layout (Lin et al. 2023, arXiv 2306.00978).
//
//   qweight  i32 [in, out / 8]      qzeros  i32 [groups, out / 8]      scales  [groups, out]
//   Nibble n of word j is of output 8 j + [0, 2, 4, 6, 1, 3, 5, 7][n].      w[o, i] = (q - zero[g, o]) * scales[g, o]
#include <array>

#include "format/compressed/schemes.h"

namespace vauban {
namespace {

int nibble_of(const TensorView& words, std::int64_t row, std::int64_t output) {
  static constexpr std::array<unsigned, 8> kPlace{0, 4, 1, 5, 2, 6, 3, 7};  // of output 8 j + n: the way back
  const auto word = element<std::uint32_t>(words, row * words.shape[1] + output / 8);
  return static_cast<int>(word >> (4 * kPlace[as_size(output % 8)]) & 15U);
}

Result<DecodedMatrix> decode(const StoredParts& parts, std::int64_t group_size) {
  VB_TRY(const TensorView codes, parts.matrix(".qweight", {DType::i32}));
  const std::int64_t in = codes.shape[0], out = codes.shape[1] * 8;
  const std::int64_t size = group_size == 0 ? in : group_size, groups = ceil_div(in, size);
  VB_TRY(const TensorView zeros, parts.shaped(".qzeros", {DType::i32}, {groups, codes.shape[1]}));
  VB_TRY(const std::vector<float> scales, parts.floats(".scales", {groups, out}));
  DecodedMatrix matrix{.shape = {out, in}, .values = std::vector<float>(as_size(out * in))};
  for (std::int64_t o = 0; o < out; ++o)
    for (std::int64_t i = 0; i < in; ++i) {
      const std::int64_t g = i / size;
      const int step = nibble_of(codes, i, o) - nibble_of(zeros, g, o);
      matrix.values[as_size(o * in + i)] = static_cast<float>(step) * scales[as_size(g * out + o)];
    }
  return matrix;
}

}  // namespace

Result<CompressionScheme> open_awq(const SchemeKeys& keys) {
  VB_TRY(const std::int64_t bits, keys.integer(keys.find("w_bit") ? "w_bit" : "bits"));
  if (bits != 4) return keys.unknown(keys.find("w_bit") ? "w_bit" : "bits", "4");
  VB_TRY(const std::int64_t group_size, keys.group_size(keys.find("q_group_size") ? "q_group_size" : "group_size"));
  VB_TRY(const std::string layout, keys.text_or("version", "gemm"));
  if (layout != "gemm") return keys.unknown("version", "gemm");
  VB_TRY(const bool zero_point, keys.flag_or("zero_point", true));
  if (!zero_point) return keys.unknown("zero_point", "true");
  CompressionScheme scheme{.summary = format("awq, 4 bits, {}", group_size == 0 ? "one group" : format("groups of {}", group_size)),
                           .notes = {}, .marks = {".qweight"}, .parts = {".qweight", ".qzeros", ".scales"}, .unread = {}, .decode = {}};
  scheme.decode = [group_size](const StoredParts& parts, std::int64_t) { return decode(parts, group_size); };
  return scheme;
}

}  // namespace vauban
