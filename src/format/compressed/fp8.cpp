// "fp8" folders (DeepSeek-V3, Qwen3-FP8): `weight` E4M3 [out, in], `weight_scale_inv` f32 [out / a, in / b] for blocks of a x b
// (despite its name it multiplies), or one number for all. Source: transformers FineGrainedFP8. No outside file here has this
// layout; the arithmetic is that of compressed-tensors' blocks, which one does.
#include "format/compressed/scaled.h"
#include "format/compressed/schemes.h"

namespace vauban {

Result<CompressionScheme> open_fp8(const SchemeKeys& keys) {
  ScaleGrid grid;
  if (const Json* block = keys.find("weight_block_size")) {
    VB_TRY(grid, block_grid(*block), "in {}.weight_block_size", keys.where());
  }
  VB_TRY(const std::string activations, keys.text_or("activation_scheme", "dynamic"));
  if (activations != "dynamic" && activations != "static") return keys.unknown("activation_scheme", "dynamic, static");
  CompressionScheme scheme{.summary = "fp8, " + grid.to_string(), .notes = {activation_note("fp8")}, .marks = {".weight_scale_inv"},
                           .parts = {".weight", ".weight_scale_inv"}, .unread = {".input_scale", ".activation_scale"}, .decode = {}};
  scheme.decode = [grid](const StoredParts& parts, std::int64_t) -> Result<DecodedMatrix> {
    VB_TRY(const TensorView codes, parts.matrix(".weight", {DType::f8_e4m3, DType::f8_e5m2}));
    VB_TRY(std::vector<float> values, any_floats(codes));
    return scaled(parts, ".weight_scale_inv", grid, {.shape = codes.shape, .values = std::move(values)});
  };
  return scheme;
}

}  // namespace vauban
