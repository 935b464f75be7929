// The list of block formats: a new one is a file in this folder and a row here.
#include <array>

#include "tensor/quant/codecs.h"

namespace vauban {

namespace {

constexpr std::array kFormats = {
    BlockFormat{DType::q8_0, 32, 34, quant::decode_q8_0, quant::encode_q8_0, nullptr},
    BlockFormat{DType::q5_1, 32, 24, quant::decode_q5_1, quant::encode_q5_1, quant::encode_q5_1_weighted},
    BlockFormat{DType::q5_0, 32, 22, quant::decode_q5_0, quant::encode_q5_0, quant::encode_q5_0_weighted},
    BlockFormat{DType::q4_1, 32, 20, quant::decode_q4_1, quant::encode_q4_1, quant::encode_q4_1_weighted},
    BlockFormat{DType::q4_0, 32, 18, quant::decode_q4_0, quant::encode_q4_0, quant::encode_q4_0_weighted},
    BlockFormat{DType::q2_k, 256, 84, quant::decode_q2_k, quant::encode_q2_k, quant::encode_q2_k_weighted},
    BlockFormat{DType::q3_k, 256, 110, quant::decode_q3_k, quant::encode_q3_k, quant::encode_q3_k_weighted},
    BlockFormat{DType::q4_k, 256, 144, quant::decode_q4_k, quant::encode_q4_k, quant::encode_q4_k_weighted},
    BlockFormat{DType::q5_k, 256, 176, quant::decode_q5_k, quant::encode_q5_k, quant::encode_q5_k_weighted},
    BlockFormat{DType::q6_k, 256, 210, quant::decode_q6_k, quant::encode_q6_k, quant::encode_q6_k_weighted},
    BlockFormat{DType::q8_k, 256, 292, quant::decode_q8_k, quant::encode_q8_k, nullptr},
    BlockFormat{DType::iq2_xxs, 256, 66, quant::decode_iq2_xxs, nullptr, quant::encode_iq2_xxs_weighted},
    BlockFormat{DType::iq2_xs, 256, 74, quant::decode_iq2_xs, nullptr, quant::encode_iq2_xs_weighted},
    BlockFormat{DType::iq3_xxs, 256, 98, quant::decode_iq3_xxs, quant::encode_iq3_xxs, quant::encode_iq3_xxs_weighted},
    BlockFormat{DType::iq1_s, 256, 50, quant::decode_iq1_s, nullptr, quant::encode_iq1_s_weighted},
    BlockFormat{DType::iq4_nl, 32, 18, quant::decode_iq4_nl, quant::encode_iq4_nl, quant::encode_iq4_nl_weighted},
    BlockFormat{DType::iq3_s, 256, 110, quant::decode_iq3_s, quant::encode_iq3_s, quant::encode_iq3_s_weighted},
    BlockFormat{DType::iq2_s, 256, 82, quant::decode_iq2_s, quant::encode_iq2_s, quant::encode_iq2_s_weighted},
    BlockFormat{DType::iq4_xs, 256, 136, quant::decode_iq4_xs, quant::encode_iq4_xs, quant::encode_iq4_xs_weighted},
    BlockFormat{DType::iq1_m, 256, 56, quant::decode_iq1_m, quant::encode_iq1_m, quant::encode_iq1_m_weighted},
    BlockFormat{DType::tq1_0, 256, 54, quant::decode_tq1_0, quant::encode_tq1_0, nullptr},
    BlockFormat{DType::tq2_0, 256, 66, quant::decode_tq2_0, quant::encode_tq2_0, nullptr},
    BlockFormat{DType::mxfp4, 32, 17, quant::decode_mxfp4, quant::encode_mxfp4, nullptr},
};

}  // namespace

std::span<const BlockFormat> block_formats() { return kFormats; }

const BlockFormat* find_block_format(DType dtype) {
  for (const BlockFormat& codec : kFormats)
    if (codec.dtype == dtype) return &codec;
  return nullptr;
}

}  // namespace vauban
