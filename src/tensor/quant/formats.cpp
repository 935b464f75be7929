// The list of block formats: a new one is a file in this folder and a row here.
#include <array>

#include "tensor/quant/codecs.h"

namespace vauban {

namespace {

constexpr std::array kFormats = {
    BlockFormat{DType::q8_0, 32, 34, quant::decode_q8_0, quant::encode_q8_0},
    BlockFormat{DType::q5_1, 32, 24, quant::decode_q5_1, quant::encode_q5_1},
    BlockFormat{DType::q5_0, 32, 22, quant::decode_q5_0, quant::encode_q5_0},
    BlockFormat{DType::q4_1, 32, 20, quant::decode_q4_1, quant::encode_q4_1},
    BlockFormat{DType::q4_0, 32, 18, quant::decode_q4_0, quant::encode_q4_0},
};

}  // namespace

std::span<const BlockFormat> block_formats() { return kFormats; }

const BlockFormat* find_block_format(DType dtype) {
  for (const BlockFormat& codec : kFormats)
    if (codec.dtype == dtype) return &codec;
  return nullptr;
}

}  // namespace vauban
