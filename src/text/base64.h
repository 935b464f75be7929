/// Base64 (RFC 4648, with padding), as precompiled charsmaps and tiktoken ranks are written.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace vauban {

/// Errors: corrupt.
Result<std::string> decode_base64(std::string_view text);

}  // namespace vauban
