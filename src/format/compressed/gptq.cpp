// GPTQ folders as AutoGPTQ and GPTQModel write them (Frantar et al. 2022, arXiv 2210.17323).
//
//   qweight  i32 [in * bits / 32, out]       down each column a stream of bits, value i from bit i * bits on
//   qzeros   i32 [groups, out * bits / 32]   the same along each row; stored less one, but for checkpoint_format gptq_v2
//   scales   [groups, out]      g_idx  i32 [in]: the group of each input; absent: in order
//   w[o, i] = scales[g, o] * (q - zero[g, o])
#include "format/compressed/schemes.h"

namespace vauban {
namespace {

struct Gptq {
  unsigned bits = 4;
  std::int64_t group_size = 0;  ///< 0: all inputs in one
  bool zero_less_one = true;
};

/// The `bits` bits from bit number value * bits on of a stream whose word w is `word(w)`.
template <class Word>
unsigned stream_value(std::int64_t value, unsigned bits, const Word& word) {
  const std::int64_t at = value * bits;
  const auto shift = static_cast<unsigned>(at % 32);
  std::uint64_t window = word(at / 32);
  if (shift + bits > 32) window |= std::uint64_t{word(at / 32 + 1)} << 32;
  return static_cast<unsigned>(window >> shift) & ((1U << bits) - 1);
}

Result<std::vector<std::int64_t>> groups_of(const StoredParts& parts, const Gptq& gptq, std::int64_t in, std::int64_t groups) {
  std::vector<std::int64_t> out(as_size(in));
  if (!parts.find(".g_idx")) {
    const std::int64_t size = gptq.group_size == 0 ? in : gptq.group_size;
    if (ceil_div(in, size) != groups) return parts.wrong(".scales", format("{} groups", ceil_div(in, size)));
    for (std::int64_t i = 0; i < in; ++i) out[as_size(i)] = i / size;
    return out;
  }
  VB_TRY(const TensorView index, parts.shaped(".g_idx", {DType::i32}, {in}));
  for (std::int64_t i = 0; i < in; ++i) {
    const auto group = element<std::int32_t>(index, i);
    if (group < 0 || group >= groups) return parts.wrong(".g_idx", format("groups below {}, not {}", groups, group));
    out[as_size(i)] = group;
  }
  return out;
}

Result<DecodedMatrix> decode(const StoredParts& parts, const Gptq& gptq) {
  const auto bits = static_cast<std::int64_t>(gptq.bits);
  VB_TRY(const TensorView codes, parts.matrix(".qweight", {DType::i32}));
  VB_TRY(const TensorView zeros, parts.matrix(".qzeros", {DType::i32}));
  const std::int64_t out = codes.shape[1], groups = zeros.shape[0];
  if (codes.shape[0] * 32 % bits != 0) return parts.wrong(".qweight", format("whole values of {} bits down a column", bits));
  if (zeros.shape[1] * 32 != out * bits) return parts.wrong(".qzeros", format("{} values of {} bits along a row", out, bits));
  const std::int64_t in = codes.shape[0] * 32 / bits;
  VB_TRY(const std::vector<float> scales, parts.floats(".scales", {groups, out}));
  VB_TRY(const std::vector<std::int64_t> group_of, groups_of(parts, gptq, in, groups));

  DecodedMatrix matrix{.shape = {out, in}, .values = std::vector<float>(as_size(out * in))};
  const unsigned mask = (1U << gptq.bits) - 1, step = gptq.zero_less_one ? 1 : 0;
  std::vector<int> zero(as_size(groups));
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t g = 0; g < groups; ++g) {
      const auto word = [&](std::int64_t w) { return element<std::uint32_t>(zeros, g * zeros.shape[1] + w); };
      zero[as_size(g)] = static_cast<int>((stream_value(o, gptq.bits, word) + step) & mask);
    }
    const auto word = [&](std::int64_t w) { return element<std::uint32_t>(codes, w * out + o); };
    for (std::int64_t i = 0; i < in; ++i) {
      const std::int64_t g = group_of[as_size(i)];
      const int code = static_cast<int>(stream_value(i, gptq.bits, word));
      matrix.values[as_size(o * in + i)] = scales[as_size(g * out + o)] * static_cast<float>(code - zero[as_size(g)]);
    }
  }
  return matrix;
}

}  // namespace

Result<CompressionScheme> open_gptq(const SchemeKeys& keys) {
  Gptq gptq;
  VB_TRY(const std::int64_t bits, keys.integer("bits"));
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) return keys.unknown("bits", "2, 3, 4, 8");
  gptq.bits = static_cast<unsigned>(bits);
  VB_TRY(gptq.group_size, keys.group_size("group_size"));
  VB_TRY(const std::string layout, keys.text_or("checkpoint_format", "gptq"));
  if (layout != "gptq" && layout != "gptq_v2") return keys.unknown("checkpoint_format", "gptq, gptq_v2");
  gptq.zero_less_one = layout == "gptq";
  VB_TRY(const std::string words, keys.text_or("pack_dtype", "int32"));
  if (words != "int32") return keys.unknown("pack_dtype", "int32");
  for (const char* key : {"dynamic", "is_marlin_format"}) VB_CHECK(keys.refuse(key));
  CompressionScheme scheme{.summary = format("{}, {} bits, {}", layout, bits, gptq.group_size == 0 ? "one group" : format("groups of {}", gptq.group_size)),
                           .notes = {}, .marks = {".qweight"}, .parts = {".qweight", ".qzeros", ".scales", ".g_idx"}, .unread = {}, .decode = {}};
  scheme.decode = [gptq](const StoredParts& parts, std::int64_t) { return decode(parts, gptq); };
  return scheme;
}

}  // namespace vauban
