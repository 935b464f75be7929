/// DType: every element or block type that a tensor on disk or in memory can have.
///
/// Names and sizes: safetensors `src/tensor.rs`; ggml type table (model-files.md 2.1).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace vauban {

enum class DType : std::uint8_t {
  boolean,
  u8,
  i8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  f4,
  f6_e2m3,
  f6_e3m2,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  f16,
  bf16,
  f32,
  f64,
  c64,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq2_xxs,
  iq2_xs,
  iq3_xxs,
  iq1_s,
  iq4_nl,
  iq3_s,
  iq2_s,
  iq4_xs,
  iq1_m,
  tq1_0,
  tq2_0,
  mxfp4,
};

struct DTypeInfo {
  DType id;
  std::string_view name;         ///< ours, lower case: "f32", "q4_0"
  std::string_view safetensors;  ///< "F32", or "" where that format has none
  int ggml_type;                 ///< ggml's type id, or -1
  int block;                     ///< elements per block (1 unless quantised)
  int bits;                      ///< bits per block
};

/// Every type, in the order of the enum.
std::span<const DTypeInfo> all_dtypes();
const DTypeInfo& info(DType dtype);
inline std::string_view to_string(DType dtype) { return info(dtype).name; }
bool is_quantised(DType dtype);  ///< block > 1
Result<DType> dtype_from_name(std::string_view name);
Result<DType> dtype_from_safetensors(std::string_view name);
Result<DType> dtype_from_ggml(std::int64_t type);  ///< unsupported for a type that is known to ggml but not to us

}  // namespace vauban
