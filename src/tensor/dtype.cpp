#include "tensor/dtype.h"

#include <array>

#include "base/strings.h"

namespace vauban {

namespace {

constexpr int kNoGgml = -1;
constexpr std::array kDTypes = {
    DTypeInfo{DType::boolean, "bool", "BOOL", kNoGgml, 1, 8},
    DTypeInfo{DType::u8, "u8", "U8", kNoGgml, 1, 8},
    DTypeInfo{DType::i8, "i8", "I8", 24, 1, 8},
    DTypeInfo{DType::i16, "i16", "I16", 25, 1, 16},
    DTypeInfo{DType::u16, "u16", "U16", kNoGgml, 1, 16},
    DTypeInfo{DType::i32, "i32", "I32", 26, 1, 32},
    DTypeInfo{DType::u32, "u32", "U32", kNoGgml, 1, 32},
    DTypeInfo{DType::i64, "i64", "I64", 27, 1, 64},
    DTypeInfo{DType::u64, "u64", "U64", kNoGgml, 1, 64},
    DTypeInfo{DType::f4, "f4", "F4", kNoGgml, 1, 4},
    DTypeInfo{DType::f6_e2m3, "f6_e2m3", "F6_E2M3", kNoGgml, 1, 6},
    DTypeInfo{DType::f6_e3m2, "f6_e3m2", "F6_E3M2", kNoGgml, 1, 6},
    DTypeInfo{DType::f8_e5m2, "f8_e5m2", "F8_E5M2", kNoGgml, 1, 8},
    DTypeInfo{DType::f8_e4m3, "f8_e4m3", "F8_E4M3", kNoGgml, 1, 8},
    DTypeInfo{DType::f8_e8m0, "f8_e8m0", "F8_E8M0", kNoGgml, 1, 8},
    DTypeInfo{DType::f8_e4m3fnuz, "f8_e4m3fnuz", "F8_E4M3FNUZ", kNoGgml, 1, 8},
    DTypeInfo{DType::f8_e5m2fnuz, "f8_e5m2fnuz", "F8_E5M2FNUZ", kNoGgml, 1, 8},
    DTypeInfo{DType::f16, "f16", "F16", 1, 1, 16},
    DTypeInfo{DType::bf16, "bf16", "BF16", 30, 1, 16},
    DTypeInfo{DType::f32, "f32", "F32", 0, 1, 32},
    DTypeInfo{DType::f64, "f64", "F64", 28, 1, 64},
    DTypeInfo{DType::c64, "c64", "C64", kNoGgml, 1, 64},
    DTypeInfo{DType::q4_0, "q4_0", "", 2, 32, 144},
    DTypeInfo{DType::q4_1, "q4_1", "", 3, 32, 160},
    DTypeInfo{DType::q5_0, "q5_0", "", 6, 32, 176},
    DTypeInfo{DType::q5_1, "q5_1", "", 7, 32, 192},
    DTypeInfo{DType::q8_0, "q8_0", "", 8, 32, 272},
    DTypeInfo{DType::q2_k, "q2_K", "", 10, 256, 672},
    DTypeInfo{DType::q3_k, "q3_K", "", 11, 256, 880},
    DTypeInfo{DType::q4_k, "q4_K", "", 12, 256, 1152},
    DTypeInfo{DType::q5_k, "q5_K", "", 13, 256, 1408},
    DTypeInfo{DType::q6_k, "q6_K", "", 14, 256, 1680},
    DTypeInfo{DType::q8_k, "q8_K", "", 15, 256, 2336},
    DTypeInfo{DType::iq2_xxs, "iq2_xxs", "", 16, 256, 528},
    DTypeInfo{DType::iq2_xs, "iq2_xs", "", 17, 256, 592},
    DTypeInfo{DType::iq3_xxs, "iq3_xxs", "", 18, 256, 784},
    DTypeInfo{DType::iq1_s, "iq1_s", "", 19, 256, 400},
    DTypeInfo{DType::iq4_nl, "iq4_nl", "", 20, 32, 144},
    DTypeInfo{DType::iq3_s, "iq3_s", "", 21, 256, 880},
    DTypeInfo{DType::iq2_s, "iq2_s", "", 22, 256, 656},
    DTypeInfo{DType::iq4_xs, "iq4_xs", "", 23, 256, 1088},
    DTypeInfo{DType::iq1_m, "iq1_m", "", 29, 256, 448},
    DTypeInfo{DType::tq1_0, "tq1_0", "", 34, 256, 432},
    DTypeInfo{DType::tq2_0, "tq2_0", "", 35, 256, 528},
    DTypeInfo{DType::mxfp4, "mxfp4", "", 39, 32, 136},
};

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kDTypes.size(); ++i)
    if (static_cast<std::size_t>(kDTypes[i].id) != i) return false;
  return true;
}
static_assert(in_enum_order(), "info() indexes the table by the enum's value");

struct GgmlName {
  std::int64_t type;
  std::string_view name;
};

/// Types of ggml that have no codec here (model-files.md 2.1): an intermediate, and three that no outside answer covers yet.
constexpr std::array kOtherGgmlTypes = {
    GgmlName{9, "q8_1"},
    GgmlName{40, "nvfp4"},
    GgmlName{41, "q1_0"},
    GgmlName{42, "q2_0"},
};

constexpr bool was_removed_from_ggml(std::int64_t type) {
  return type == 4 || type == 5 || (type >= 31 && type <= 33) || (type >= 36 && type <= 38);
}

std::string names_of(std::string_view DTypeInfo::*column) {
  std::string names;
  for (const DTypeInfo& entry : kDTypes) {
    if ((entry.*column).empty()) continue;
    if (!names.empty()) names += ' ';
    names += entry.*column;
  }
  return names;
}

}  // namespace

std::span<const DTypeInfo> all_dtypes() { return kDTypes; }

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

bool is_quantised(DType dtype) { return info(dtype).block > 1; }

Result<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& entry : kDTypes)
    if (entry.name == name) return entry.id;
  return with_hint(invalid_input("unknown dtype '{}'", printable(name)),
                   format("one of: {}", names_of(&DTypeInfo::name)));
}

Result<DType> dtype_from_safetensors(std::string_view name) {
  for (const DTypeInfo& entry : kDTypes)
    if (!name.empty() && entry.safetensors == name) return entry.id;
  return with_hint(corrupt("unknown safetensors dtype '{}'", printable(name)),
                   format("one of: {}", names_of(&DTypeInfo::safetensors)));
}

Result<DType> dtype_from_ggml(std::int64_t type) {
  for (const DTypeInfo& entry : kDTypes)
    if (entry.ggml_type != kNoGgml && entry.ggml_type == type) return entry.id;
  for (const GgmlName& entry : kOtherGgmlTypes)
    if (entry.type == type) return unsupported("ggml type {} ({}) cannot be read by this build", entry.name, type);
  if (was_removed_from_ggml(type)) return corrupt("ggml type {} was removed from the format", type);
  return corrupt("ggml type {} does not exist", type);
}

}  // namespace vauban
