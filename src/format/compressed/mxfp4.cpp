// The hub's MXFP4 (GPT-OSS): experts as `blocks` u8 [experts, out, in / 32, 16], two E2M1 numbers per byte, the first in the
// low half, and `scales` u8 [experts, out, in / 32], E8M0. The library's parameter is (experts, in, out): transposed.
// Source: OCP Microscaling Formats 1.0; transformers' MXFP4 integration. No outside file here has this layout.
#include "format/compressed/schemes.h"
#include "format/compressed/small_floats.h"

namespace vauban {
namespace {

constexpr std::int64_t kBlock = 32, kBytes = 16;

Result<DecodedMatrix> decode(const StoredParts& parts, std::int64_t index) {
  VB_TRY(const TensorView blocks, parts.get("_blocks", {DType::u8}));
  if (blocks.shape.rank() != 4 || blocks.shape[3] != kBytes) return parts.wrong("_blocks", "[experts, out, in / 32, 16]");
  const std::int64_t out = blocks.shape[1], groups = blocks.shape[2], in = groups * kBlock;
  VB_TRY(const TensorView scales, parts.shaped("_scales", {DType::u8}, {blocks.shape[0], out, groups}));
  if (index < 0 || index >= blocks.shape[0]) return parts.wrong("_blocks", format("more than {} experts", index));
  DecodedMatrix matrix{.shape = {in, out}, .values = std::vector<float>(as_size(in * out))};
  for (std::int64_t o = 0; o < out; ++o)
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::int64_t at = (index * out + o) * groups + g;
      const float unit = e8m0_to_f32(scales.bytes[as_size(at)]);
      for (std::int64_t j = 0; j < kBlock; ++j) {
        const unsigned code = low_first_nibble(blocks.bytes.data() + at * kBytes, as_size(j));
        matrix.values[as_size((g * kBlock + j) * out + o)] = e2m1_to_f32(code) * unit;
      }
    }
  return matrix;
}

}  // namespace

Result<CompressionScheme> open_mxfp4(const SchemeKeys&) {
  CompressionScheme scheme{.summary = "mxfp4, blocks of 32", .notes = {}, .marks = {"_blocks"}, .parts = {"_blocks", "_scales"}, .unread = {}, .target = "", .stacked = true, .decode = decode};
  return scheme;
}

}  // namespace vauban
