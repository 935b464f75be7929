/// Reading members of a tokenizer file: every error is `corrupt`, and says which key, what was expected, what was
/// found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace vauban::fields {

/// The member, or nullptr when it is absent or null.
const Json* present(const Json& object, std::string_view key);

Result<bool> boolean(const Json& object, std::string_view key);
Result<bool> boolean_or(const Json& object, std::string_view key, bool fallback);
Result<std::string> string(const Json& object, std::string_view key);
Result<std::string> string_or(const Json& object, std::string_view key, std::string fallback);
Result<std::int64_t> integer(const Json& object, std::string_view key, std::int64_t low, std::int64_t high);
Result<const Json::Array*> array(const Json& object, std::string_view key);
Result<const Json::Object*> object(const Json& object, std::string_view key);
/// A string of exactly one code point.
Result<char32_t> character(const Json& object, std::string_view key);
/// The "type" of a component.
Result<std::string> type(const Json& component, std::string_view what);

}  // namespace vauban::fields
