/// For tests and the corpus of fuzz_compressed: small quantised folders' tensors of every layout.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "support/safetensors_bytes.h"
#include "tensor/dtype.h"

namespace vauban::test {

struct Part {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;  ///< repeated to fill the shape
};

/// As a safetensors file.
inline std::string safetensors_of(const std::vector<Part>& parts) {
  Json header = Json::object();
  std::string data;
  for (const Part& part : parts) {
    std::size_t size = static_cast<std::size_t>(info(part.dtype).bits / 8);
    for (const std::int64_t dim : part.shape) size *= static_cast<std::size_t>(dim);
    header[part.name] = Json::object({{"dtype", info(part.dtype).safetensors}, {"shape", Json(part.shape)},
                                      {"data_offsets", Json::array({data.size(), data.size() + size})}});
    for (std::size_t i = 0; i < size; ++i) data += part.bytes[i % part.bytes.size()];
  }
  return safetensors_bytes(header.dump().value(), 0) + data;
}

/// Small parts of every layout that fit together.
struct Layout {
  const char* config;
  std::vector<Part> parts;
};

inline const std::vector<Layout>& compressed_layouts() {
  static const std::string size_8x32("\x08\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0", 16);
  static const std::vector<Layout> all{
      {R"({"quant_method": "gptq", "bits": 3, "group_size": 16})",
       {{"m.qweight", DType::i32, {3, 32}, "abc"}, {"m.qzeros", DType::i32, {2, 3}, "q"}, {"m.scales", DType::f16, {2, 32}, "\x3c"},
        {"m.g_idx", DType::i32, {32}, std::string(4, '\0')}}},
      {R"({"quant_method": "awq", "bits": 4, "group_size": 8})",
       {{"m.qweight", DType::i32, {16, 2}, "abc"}, {"m.qzeros", DType::i32, {2, 2}, "q"}, {"m.scales", DType::f16, {2, 16}, "\x3c"}}},
      {R"({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})",
       {{"m.weight", DType::u8, {64, 1}, "abc"}, {"m.weight.absmax", DType::u8, {2}, "q"}, {"m.weight.quant_map", DType::f32, {16}, "\x3c"},
        {"m.weight.nested_absmax", DType::f32, {1}, "\x3c"}, {"m.weight.nested_quant_map", DType::f32, {256}, "\x3c"},
        {"m.weight.quant_state.bitsandbytes__nf4", DType::u8, {75}, R"({"blocksize":64,"nested_blocksize":256,"nested_offset":0.25,"shape":[8,16]})"
                                                                   "      "}}},
      {R"({"quant_method": "bitsandbytes", "load_in_8bit": true})", {{"m.weight", DType::i8, {8, 4}, "abc"}, {"m.SCB", DType::f32, {8}, "\x3c"}}},
      {R"({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"g": {"weights": {"num_bits": 4, "strategy": "group", "group_size": 16}}}})",
       {{"m.weight_packed", DType::i32, {8, 4}, "abc"}, {"m.weight_scale", DType::bf16, {8, 2}, "\x3c"}, {"m.weight_shape", DType::i64, {2}, size_8x32},
        {"m.weight_zero_point", DType::i32, {1, 2}, "q"}, {"m.weight_g_idx", DType::i32, {32}, std::string(4, '\0')}}},
      {R"({"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [4, 4]}}}})",
       {{"m.weight", DType::f8_e4m3, {6, 8}, "abc"}, {"m.weight_scale", DType::bf16, {2, 2}, "\x3c"}}},
      {R"({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups": {"g": {"weights": {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}}}})",
       {{"m.weight_packed", DType::u8, {4, 16}, "abc"}, {"m.weight_scale", DType::f8_e4m3, {4, 2}, "\x3c"}, {"m.weight_global_scale", DType::f32, {1}, "\x3c"}}},
      {R"({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}})",
       {{"m.compressed", DType::bf16, {8, 16}, "\x3c"}, {"m.bitmask", DType::u8, {8, 4}, "\x55"}, {"m.shape", DType::i64, {2, 1}, size_8x32}}},
      {R"({"quant_method": "mxfp4"})", {{"m.weight_blocks", DType::u8, {2, 3, 2, 16}, "abc"}, {"m.weight_scales", DType::u8, {2, 3, 2}, "\x80"}}},
  };
  return all;
}

}  // namespace vauban::test
