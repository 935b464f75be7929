/// Keys that the writer puts into metadata objects and the reader takes out again.
#pragma once

#include <string_view>

namespace vauban {

inline constexpr std::string_view kMissingKinds = "missing_requested_artifacts";
inline constexpr std::string_view kUnsupportedKinds = "unsupported_requested_artifacts";
/// Of a trace in the older form: the fields it did not state, so that their defaults are not taken for findings.
inline constexpr std::string_view kAbsentFields = "absent_fields";
/// Of a span: what stood in its profile's own metadata, which only older files have.
inline constexpr std::string_view kProfileMetadata = "profile_metadata";

}  // namespace vauban
