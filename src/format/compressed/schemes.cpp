#include "format/compressed/schemes.h"

#include <array>

namespace vauban {

std::span<const CompressionFormat> compression_formats() {
  static constexpr std::array kFormats{
      CompressionFormat{"awq", open_awq},
      CompressionFormat{"bitsandbytes", open_bitsandbytes},
      CompressionFormat{"compressed-tensors", open_compressed_tensors},
      CompressionFormat{"fp8", open_fp8},
      CompressionFormat{"gptq", open_gptq},
      CompressionFormat{"mxfp4", open_mxfp4},
  };
  return kFormats;
}

}  // namespace vauban
