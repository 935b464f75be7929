/// The schemes of this folder; schemes.cpp lists them.
#pragma once

#include "format/compressed/scheme.h"

namespace vauban {

Result<CompressionScheme> open_awq(const SchemeKeys& keys);
Result<CompressionScheme> open_bitsandbytes(const SchemeKeys& keys);
Result<CompressionScheme> open_compressed_tensors(const SchemeKeys& keys);
Result<CompressionScheme> open_fp8(const SchemeKeys& keys);
Result<CompressionScheme> open_gptq(const SchemeKeys& keys);
Result<CompressionScheme> open_mxfp4(const SchemeKeys& keys);

}  // namespace vauban
