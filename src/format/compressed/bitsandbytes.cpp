// bitsandbytes folders: NF4 and FP4 in blocks (Dettmers et al. 2023, arXiv 2305.14314), LLM.int8 by rows (arXiv 2208.07339).
//
// 4 bits: `weight` holds two codes per byte of the flattened matrix, the first in the high half, whatever its type says;
// blocks run across the ends of rows. absmax f32 [blocks], or u8 with nested_absmax and nested_quant_map of their own.
//   w = quant_map[code] * absmax        absmax_i = nested_quant_map[u8_i] * nested_absmax[i / size] + nested_offset
// 8 bits: `weight` i8 [out, in], SCB f32 [out]:  w = i8 * SCB / 127
#include <algorithm>

#include "format/compressed/schemes.h"

namespace vauban {
namespace {

constexpr const char* kStates[] = {".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4"};

struct State {
  std::int64_t block = 0, nested_block = 0;
  float nested_offset = 0;
  Shape shape;
};

Result<std::int64_t> block_size(const Json& state, std::string_view key) {
  VB_TRY(const std::int64_t size, state.get_int(key));
  if (size < 1 || size > (std::int64_t{1} << 30)) return corrupt("{} is {}", key, size);
  return size;
}

Result<State> parse_state(std::string_view text, bool nested) {
  VB_TRY(const Json state, Json::parse(text));
  State out;
  VB_TRY(out.block, block_size(state, "blocksize"));
  VB_TRY(const Json* dims, state.get_array("shape"));
  std::vector<std::int64_t> sizes;
  for (const Json& size : dims->items()) {
    if (!size.is_integer() || size.as_int() < 1) return corrupt("shape: expected sizes of at least one");
    sizes.push_back(size.as_int());
  }
  VB_TRY(out.shape, Shape::from(sizes));
  if (!nested) return out;
  VB_TRY(out.nested_block, block_size(state, "nested_blocksize"));
  VB_TRY(const double offset, state.get_double("nested_offset"));
  out.nested_offset = static_cast<float>(offset);
  return out;
}

Result<State> state_of(const StoredParts& parts, bool nested) {
  const char* suffix = parts.find(kStates[0]) ? kStates[0] : kStates[1];
  VB_TRY(const TensorView view, parts.get(suffix, {DType::u8}));
  if (view.bytes.size() > 4096) return parts.wrong(suffix, "a short JSON text");
  const std::string_view text(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
  VB_TRY(State state, parse_state(text, nested), "in tensor '{}'", parts.name(suffix));
  return state;
}

Result<std::vector<float>> block_maxima(const StoredParts& parts, const State& state, std::int64_t blocks, bool nested) {
  if (!nested) return parts.floats(".weight.absmax", {blocks});
  VB_TRY(const TensorView codes, parts.shaped(".weight.absmax", {DType::u8}, {blocks}));
  VB_TRY(const std::vector<float> outer, parts.floats(".weight.nested_absmax", {ceil_div(blocks, state.nested_block)}));
  VB_TRY(const std::vector<float> map, parts.floats(".weight.nested_quant_map", {256}));
  std::vector<float> out(as_size(blocks));
  for (std::int64_t i = 0; i < blocks; ++i) {
    // The product in f64 is exact: rounding it is the f32 product, which no compiler joins with the sum.
    const double product = double{map[element<std::uint8_t>(codes, i)]} * double{outer[as_size(i / state.nested_block)]};
    out[as_size(i)] = static_cast<float>(product) + state.nested_offset;
  }
  return out;
}

Result<DecodedMatrix> decode_4bit(const StoredParts& parts) {
  const TensorView* absmax = parts.find(".weight.absmax");
  const bool nested = absmax && absmax->dtype == DType::u8;
  VB_TRY(const State state, state_of(parts, nested));
  VB_TRY(const TensorView codes, parts.get(".weight", {DType::u8, DType::i8, DType::f16, DType::bf16, DType::f32}));
  const std::int64_t count = state.shape.elements();
  if (std::ssize(codes.bytes) != ceil_div(count, 2)) return parts.wrong(".weight", format("{} bytes for {}", ceil_div(count, 2), state.shape.to_string()));
  VB_TRY(const std::vector<float> map, parts.floats(".weight.quant_map", {16}));
  VB_TRY(const std::vector<float> maxima, block_maxima(parts, state, ceil_div(count, state.block), nested));
  DecodedMatrix matrix{.shape = state.shape, .values = std::vector<float>(as_size(count))};
  for (std::int64_t i = 0; i < count; ++i) {
    const auto byte = std::to_integer<unsigned>(codes.bytes[as_size(i / 2)]);
    matrix.values[as_size(i)] = map[i % 2 == 0 ? byte >> 4 : byte & 15U] * maxima[as_size(i / state.block)];
  }
  return matrix;
}

Result<DecodedMatrix> decode_8bit(const StoredParts& parts) {
  VB_TRY(const TensorView codes, parts.matrix(".weight", {DType::i8}));
  const std::int64_t out = codes.shape[0], in = codes.shape[1];
  VB_TRY(const std::vector<float> maxima, parts.floats(".SCB", {out}));
  if (const TensorView* layout = parts.find(".weight_format"); layout && !std::ranges::all_of(layout->bytes, [](std::byte b) { return b == std::byte{0}; }))
    return unsupported("tensor '{}': only rows (0) are read, not the tiles of a GPU", parts.name(".weight_format"));
  DecodedMatrix matrix{.shape = codes.shape, .values = std::vector<float>(as_size(out * in))};
  for (std::int64_t i = 0; i < out * in; ++i)
    matrix.values[as_size(i)] = static_cast<float>(element<std::int8_t>(codes, i)) * maxima[as_size(i / in)] / 127.0F;
  return matrix;
}

}  // namespace

Result<CompressionScheme> open_bitsandbytes(const SchemeKeys& keys) {
  VB_TRY(const bool four, keys.flag_or("load_in_4bit", false));
  VB_TRY(const bool eight, keys.flag_or("load_in_8bit", false));
  if (four == eight) return keys.unknown("load_in_4bit", "one of load_in_4bit and load_in_8bit is true");
  CompressionScheme scheme;
  if (eight) {
    scheme.summary = "bitsandbytes, LLM.int8";
    scheme.notes = {"LLM.int8 rounds activations to 8 bits where no column is an outlier; here they are computed as they are"};
    scheme.marks = {".SCB"};
    scheme.parts = {".weight", ".SCB", ".weight_format"};
    scheme.decode = [](const StoredParts& parts, std::int64_t) { return decode_8bit(parts); };
    return scheme;
  }
  VB_TRY(const std::string type, keys.text_or("bnb_4bit_quant_type", "fp4"));
  if (type != "nf4" && type != "fp4") return keys.unknown("bnb_4bit_quant_type", "nf4, fp4");
  scheme.summary = "bitsandbytes, " + type;
  scheme.notes = {"decoded weights are kept in f32; bitsandbytes rounds them to the type of its products"};
  scheme.marks = {kStates[0], kStates[1]};
  scheme.parts = {".weight", ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map", kStates[0], kStates[1]};
  scheme.decode = [](const StoredParts& parts, std::int64_t) { return decode_4bit(parts); };
  return scheme;
}

}  // namespace vauban
