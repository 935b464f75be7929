// compressed-tensors folders (llm-compressor): packed and plain integers, FP8, NVFP4, MXFP4, sparse matrices.
//
//   weight_packed i32     q + 2^(bits - 1), bits * (i mod 32 / bits) up from word i / (32 / bits); weight_shape i64 [2];
//                         weight_zero_point i32, packed the same way down the columns; weight_g_idx i32: the group of each input
//   weight i8, E4M3       (q - weight_zero_point) * weight_scale: one, per row, per group, per block
//   weight_packed u8      two E2M1 numbers per byte, the first in the low half; nvfp4: weight_scale E4M3 over
//                         weight_global_scale, per 16; mxfp4: weight_scale E8M0, per 32
//   compressed, bitmask   which elements are there, the lowest bit first, and those elements
//
// What a matrix is, its tensors say; config_groups says how its scales lie. Rounding of activations is not done (a note).
#include <algorithm>
#include <bit>
#include <optional>

#include "base/strings.h"
#include "format/compressed/scaled.h"
#include "format/compressed/schemes.h"
#include "format/compressed/small_floats.h"

namespace vauban {
namespace {

/// What one of config_groups says of weights.
struct Group {
  std::int64_t bits = 8;
  bool is_float = false;
  ScaleGrid grid;
  friend bool operator==(const Group& a, const Group& b) {
    return a.bits == b.bits && a.is_float == b.is_float && a.grid.rows == b.grid.rows && a.grid.columns == b.grid.columns;
  }
};

// ---- packed integers

int packed_value(const TensorView& words, std::int64_t word, std::int64_t place, std::int64_t bits) {
  const unsigned code = element<std::uint32_t>(words, word) >> static_cast<unsigned>(place * bits) & ((1U << bits) - 1);
  return static_cast<int>(code) - (1 << (bits - 1));
}

Result<Shape> stated_shape(const StoredParts& parts, std::string_view suffix) {
  VB_TRY(const TensorView view, parts.get(suffix, {DType::i64}));
  if (view.shape.elements() != 2) return parts.wrong(suffix, "two sizes");
  const std::int64_t sizes[] = {element<std::int64_t>(view, 0), element<std::int64_t>(view, 1)};
  if (sizes[0] < 1 || sizes[1] < 1) return parts.wrong(suffix, "two sizes of at least one");
  return Shape::from(sizes);
}

/// The grid's zero points, packed down the rows of the scales; empty where there are none.
Result<std::vector<float>> packed_zeros(const StoredParts& parts, std::int64_t bits, const Shape& grid) {
  std::vector<float> zeros;
  if (!parts.find(".weight_zero_point")) return zeros;
  const std::int64_t per_word = 32 / bits;
  VB_TRY(const TensorView words, parts.shaped(".weight_zero_point", {DType::i32}, {ceil_div(grid[0], per_word), grid[1]}));
  for (std::int64_t r = 0; r < grid[0]; ++r)
    for (std::int64_t g = 0; g < grid[1]; ++g)
      zeros.push_back(static_cast<float>(packed_value(words, r / per_word * grid[1] + g, r % per_word, bits)));
  return zeros;
}

/// The group of each input, where weight_g_idx says it.
Result<std::optional<std::vector<std::int64_t>>> group_index(const StoredParts& parts, std::int64_t columns, std::int64_t groups) {
  if (!parts.find(".weight_g_idx")) return std::optional<std::vector<std::int64_t>>();
  VB_TRY(const TensorView index, parts.shaped(".weight_g_idx", {DType::i32}, {columns}));
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < columns; ++i) {
    const auto group = element<std::int32_t>(index, i);
    if (group < 0 || group >= groups) return parts.wrong(".weight_g_idx", format("groups below {}, not {}", groups, group));
    out.push_back(group);
  }
  return std::optional(std::move(out));
}

Result<DecodedMatrix> decode_packed(const StoredParts& parts, const Group& group) {
  if (group.is_float || (group.bits != 4 && group.bits != 8)) return unsupported("{} bits packed in words; known: integers of 4 and 8", group.bits);
  VB_TRY(const Shape shape, stated_shape(parts, ".weight_shape"));
  const std::int64_t per_word = 32 / group.bits, words_per_row = ceil_div(shape[1], per_word);
  VB_TRY(const TensorView words, parts.shaped(".weight_packed", {DType::i32}, {shape[0], words_per_row}));
  const Shape grid = group.grid.shape(shape);
  VB_TRY(const std::vector<float> scales, grid_floats(parts, ".weight_scale", group.grid, shape));
  VB_TRY(const std::vector<float> zeros, packed_zeros(parts, group.bits, grid));
  VB_TRY(const auto order, group_index(parts, shape[1], grid[1]));
  const std::int64_t tall = group.grid.rows == 0 ? shape[0] : group.grid.rows, wide = group.grid.columns == 0 ? shape[1] : group.grid.columns;
  DecodedMatrix matrix{.shape = shape, .values = std::vector<float>(as_size(shape.elements()))};
  for (std::int64_t r = 0; r < shape[0]; ++r)
    for (std::int64_t c = 0; c < shape[1]; ++c) {
      const std::int64_t at = r / tall * grid[1] + (order ? (*order)[as_size(c)] : c / wide);
      const auto code = static_cast<float>(packed_value(words, r * words_per_row + c / per_word, c % per_word, group.bits));
      matrix.values[as_size(r * shape[1] + c)] = (code - (zeros.empty() ? 0.0F : zeros[as_size(at)])) * scales[as_size(at)];
    }
  return matrix;
}

// ---- one element, one number

Result<DecodedMatrix> decode_plain(const StoredParts& parts, const Group& group) {
  if (group.bits != 8) return unsupported("{} bits, each in a byte of its own; known: 8", group.bits);
  VB_TRY(const TensorView codes, group.is_float ? parts.matrix(".weight", {DType::f8_e4m3}) : parts.matrix(".weight", {DType::i8}));
  DecodedMatrix matrix{.shape = codes.shape, .values = {}};
  if (group.is_float) {
    VB_TRY(matrix.values, any_floats(codes));
  } else {
    for (const std::byte b : codes.bytes) matrix.values.push_back(static_cast<float>(static_cast<std::int8_t>(b)));
  }
  if (const TensorView* zeros = parts.find(".weight_zero_point")) {
    const Shape expected = group.grid.shape(codes.shape);
    if (zeros->shape.elements() != expected.elements()) return parts.wrong(".weight_zero_point", expected.to_string());
    VB_TRY(const TensorView stored, parts.get(".weight_zero_point", {DType::i8, DType::f8_e4m3}));
    std::vector<float> steps;
    for (const std::byte b : stored.bytes)
      steps.push_back(stored.dtype == DType::i8 ? static_cast<float>(static_cast<std::int8_t>(b)) : e4m3_to_f32(b));
    for_grid(matrix, group.grid, [&](float& value, std::size_t at) { value -= steps[at]; });
  }
  return scaled(parts, ".weight_scale", group.grid, std::move(matrix));
}

// ---- E2M1

Result<std::vector<float>> four_bit_scales(const StoredParts& parts, const Shape& grid, bool nvidia) {
  if (nvidia) {
    VB_TRY(std::vector<float> scales, parts.floats(".weight_scale", grid));
    const TensorView* global = parts.find(".weight_global_scale");
    if (!global || global->shape.elements() != 1) return parts.wrong(".weight_global_scale", "one f32");
    VB_TRY(const std::vector<float> whole, parts.floats(".weight_global_scale", global->shape));
    for (float& scale : scales) scale /= whole[0];
    return scales;
  }
  VB_TRY(const TensorView exponents, parts.shaped(".weight_scale", {DType::u8, DType::f8_e8m0}, grid));
  std::vector<float> scales(exponents.bytes.size());
  std::ranges::transform(exponents.bytes, scales.begin(), e8m0_to_f32);
  return scales;
}

Result<DecodedMatrix> decode_e2m1(const StoredParts& parts, const Group& group) {
  if (!group.is_float || group.bits != 4) return unsupported("{} bits packed in bytes; known: floats of 4", group.bits);
  const bool nvidia = parts.find(".weight_global_scale") != nullptr;
  VB_TRY(const TensorView codes, parts.matrix(".weight_packed", {DType::u8}));
  const Shape shape{codes.shape[0], codes.shape[1] * 2};
  const ScaleGrid grid{1, nvidia ? 16 : 32};
  VB_TRY(const std::vector<float> scales, four_bit_scales(parts, grid.shape(shape), nvidia));
  DecodedMatrix matrix{.shape = shape, .values = std::vector<float>(as_size(shape.elements()))};
  for (std::size_t i = 0; i < matrix.values.size(); ++i) matrix.values[i] = e2m1_to_f32(low_first_nibble(codes.bytes.data(), i));
  for_grid(matrix, grid, [&](float& value, std::size_t at) { value *= scales[at]; });
  return matrix;
}

// ---- sparse

Result<void> check_row(const StoredParts& parts, std::int64_t row, std::int64_t begin) {
  if (!parts.find(".row_offsets")) return ok();
  VB_TRY(const TensorView offsets, parts.get(".row_offsets", {DType::i64}));
  if (row >= offsets.shape.elements() || element<std::int64_t>(offsets, row) != begin)
    return parts.wrong(".row_offsets", format("{} for row {}, as the bitmask has it", begin, row));
  return ok();
}

Result<DecodedMatrix> decode_sparse(const StoredParts& parts) {
  if (parts.find(".weight_scale")) return unsupported("tensor '{}': sparse and quantised together", parts.name(".compressed"));
  VB_TRY(const Shape shape, stated_shape(parts, ".shape"));
  const std::int64_t mask_bytes = ceil_div(shape[1], 8);
  VB_TRY(const TensorView mask, parts.shaped(".bitmask", {DType::u8}, {shape[0], mask_bytes}));
  VB_TRY(const TensorView kept, parts.get(".compressed", {DType::f32, DType::f16, DType::bf16}));
  VB_TRY(const std::vector<float> values, any_floats(kept));
  DecodedMatrix matrix{.shape = shape, .values = std::vector<float>(as_size(shape.elements()))};
  std::int64_t next = 0;
  for (std::int64_t r = 0; r < shape[0]; ++r) {
    VB_CHECK(check_row(parts, r, next));
    for (std::int64_t c = 0; c < shape[1]; ++c) {
      const unsigned byte = std::to_integer<unsigned>(mask.bytes[as_size(r * mask_bytes + c / 8)]);
      if ((byte >> (c % 8) & 1U) == 0) continue;
      if (next == std::ssize(values)) return parts.wrong(".compressed", "as many values as the bitmask has bits");
      matrix.values[as_size(r * shape[1] + c)] = values[as_size(next++)];
    }
  }
  if (next != std::ssize(values)) return parts.wrong(".compressed", format("{} values, the bits of the bitmask", next));
  return matrix;
}

// ---- the configuration

Result<Group> group_of(const SchemeKeys& keys) {
  Group group;
  VB_TRY(group.bits, keys.integer("num_bits"));
  VB_TRY(const std::string type, keys.text_or("type", "int"));
  if (type != "int" && type != "float") return keys.unknown("type", "int, float");
  group.is_float = type == "float";
  if (group.bits != 4 && group.bits != 8) return keys.unknown("num_bits", "4, 8");
  VB_TRY(const std::string strategy, keys.text_or("strategy", keys.find("group_size") ? "group" : "tensor"));
  if (strategy == "channel") group.grid = {1, 0};
  if (strategy == "group" || strategy == "tensor_group") {
    VB_TRY(const std::int64_t size, keys.group_size("group_size"));
    group.grid = {1, size};
  }
  if (strategy == "block") {
    const Json* sizes = keys.find("block_structure");
    if (!sizes) return keys.unknown("block_structure", "two sizes");
    VB_TRY(group.grid, block_grid(*sizes), "in {}.block_structure", keys.where());
  }
  if (strategy != "tensor" && strategy != "channel" && strategy != "group" && strategy != "tensor_group" && strategy != "block")
    return keys.unknown("strategy", "tensor, channel, group, tensor_group, block");
  return group;
}

struct Groups {
  std::vector<Group> all;  ///< different ones
  bool rounds_activations = false;
};

Result<Groups> groups_of(const SchemeKeys& keys) {
  Groups groups;
  const Json* listed = keys.find("config_groups");
  if (!listed) return groups;
  if (!listed->is_object()) return corrupt("{}.config_groups: expected an object, found {}", keys.where(), listed->type_name());
  for (const auto& [name, entry] : listed->entries()) {
    const SchemeKeys group_keys(entry, format("{}.config_groups.{}", keys.where(), printable(name)));
    groups.rounds_activations |= group_keys.find("input_activations") || group_keys.find("output_activations");
    const Json* weights = group_keys.find("weights");
    if (!weights) continue;  // activations alone
    if (!weights->is_object()) return corrupt("{}.weights: expected an object, found {}", group_keys.where(), weights->type_name());
    VB_TRY(const Group group, group_of(SchemeKeys(*weights, group_keys.where() + ".weights")));
    if (std::ranges::find(groups.all, group) == groups.all.end()) groups.all.push_back(group);
  }
  return groups;
}

Result<DecodedMatrix> decode_as(const StoredParts& parts, const Group& group) {
  const TensorView* packed = parts.find(".weight_packed");
  if (!packed) return decode_plain(parts, group);
  return packed->dtype == DType::u8 ? decode_e2m1(parts, group) : decode_packed(parts, group);
}

/// Of several groups, the one that the shapes and types fit. Which modules a group names (by class, by regular expression) is
/// not read: where two fit, the answer would be a guess.
Result<DecodedMatrix> decode(const StoredParts& parts, const std::vector<Group>& groups) {
  if (parts.find(".compressed")) return decode_sparse(parts);
  if (groups.empty()) return unsupported("config_groups says nothing of how '{}' is quantised", parts.name(".weight"));
  std::optional<Result<DecodedMatrix>> found;
  for (const Group& group : groups) {
    Result<DecodedMatrix> decoded = decode_as(parts, group);
    if (decoded && found && *found)
      return unsupported("config_groups: '{}' fits several groups; which modules each of them names is not read", parts.name(".weight"));
    if (!found || decoded) found = std::move(decoded);
  }
  return *std::move(found);
}

Result<void> check_format(const SchemeKeys& keys) {
  static constexpr const char* kKnown = "pack-quantized, int-quantized, naive-quantized, float-quantized, nvfp4-pack-quantized, mxfp4-pack-quantized, mixed-precision, dense";
  VB_TRY(const std::string name, keys.text_or("format", "dense"));
  const std::vector<std::string_view> known = split(kKnown, ',');
  if (std::ranges::none_of(known, [&](std::string_view one) { return trim(one) == name; })) return keys.unknown("format", kKnown);
  VB_TRY(const std::string status, keys.text_or("quantization_status", "compressed"));
  if (status != "compressed" && status != "frozen") return keys.unknown("quantization_status", "compressed, frozen");
  return keys.refuse("transform_config");
}

Result<std::string> sparsity_of(const SchemeKeys& keys) {
  const Json* sparsity = keys.find("sparsity_config");
  if (!sparsity || sparsity->size() == 0) return std::string();
  const SchemeKeys inner(*sparsity, keys.where() + ".sparsity_config");
  VB_TRY(const std::string name, inner.text_or("format", "dense"));
  if (name != "dense" && name != "sparse-24-bitmask" && name != "sparse-bitmask")
    return inner.unknown("format", "dense, sparse-24-bitmask, sparse-bitmask");
  return name == "dense" ? std::string() : name;
}

}  // namespace

Result<CompressionScheme> open_compressed_tensors(const SchemeKeys& keys) {
  VB_CHECK(check_format(keys));
  VB_TRY(const std::string sparsity, sparsity_of(keys));
  VB_TRY(const Groups groups, groups_of(keys));
  VB_TRY(std::string name, keys.text_or("format", "dense"));
  CompressionScheme scheme;
  scheme.summary = "compressed-tensors, " + (sparsity.empty() ? name : sparsity);
  for (const Group& group : groups.all)
    scheme.summary += format(", {}{} ({})", group.is_float ? "float" : "int", group.bits, group.grid.to_string());
  if (groups.rounds_activations) scheme.notes.push_back(activation_note("compressed-tensors"));
  if (keys.find("kv_cache_scheme")) scheme.notes.emplace_back("kv_cache_scheme is not applied: keys and values are kept as they are");
  scheme.marks = {".weight_packed", ".weight_scale", ".compressed"};
  scheme.parts = {".weight", ".weight_packed", ".weight_scale", ".weight_global_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx",
                  ".compressed", ".bitmask", ".shape", ".row_offsets"};
  scheme.unread = {".input_scale", ".input_zero_point", ".input_global_scale", ".output_scale", ".output_zero_point", ".k_scale", ".v_scale"};
  scheme.decode = [all = groups.all](const StoredParts& parts, std::int64_t) { return decode(parts, all); };
  return scheme;
}

}  // namespace vauban
