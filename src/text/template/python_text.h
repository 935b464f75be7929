/// Values as text, the way Python writes them: str(), repr() and json.dumps.
#pragma once

#include <optional>
#include <string>

#include "text/template/budget.h"
#include "text/template/value.h"

namespace vauban::jinja {

std::string integer_text(Integer value);
std::string float_text(double value);  ///< shortest round-trip: "1.0", "1e+16", "inf"
std::string string_repr(std::string_view text);  ///< repr of a string

/// Errors: resource when the budget is used up.
Result<std::string> to_text(const Value& value, Budget& budget);  ///< str()
Result<std::string> repr(const Value& value, Budget& budget);

struct JsonStyle {
  bool ascii = false, sort_keys = false;
  std::optional<std::string> indent;  ///< per level
  std::string item_separator = ", ", key_separator = ": ";
};
/// Errors: invalid_input for what JSON has no word for (undefined, generators, ranges); infinities and NaN are written
/// as Python does.
Result<std::string> to_json_text(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace vauban::jinja
