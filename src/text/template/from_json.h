/// JSON as template values.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "text/template/value.h"

namespace vauban::jinja {

Result<Value> from_json(const Json& json);
/// The text of a JSON value; objects keep the order of their keys. Errors: those of Json::parse.
Result<Value> from_json_text(std::string_view text);

}  // namespace vauban::jinja
