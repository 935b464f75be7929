/// What makes two trace requests the same question.
#pragma once

#include <string>

#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

/// SHA-256 of the request's JSON without trace_id and metadata. Errors: invalid_input for a number JSON cannot hold.
Result<std::string> request_digest(const TraceRequest& request);

/// Key of the digest in the metadata of a trace.
inline constexpr std::string_view kRequestDigest = "request_digest";

}  // namespace vauban
