/// Formatting of values into text: `'%s' % x` and `'{}'.format(x)`, with Python's mini language for numbers.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/template/budget.h"
#include "text/template/value.h"

namespace vauban::jinja {

/// [[fill]align][sign][#][0][width][,][.precision][type]
struct FormatSpec {
  std::string fill = " ";
  char align = 0, sign = '-', grouping = 0, type = 0;
  bool alternate = false;
  std::int64_t width = 0, precision = -1;
};
/// Errors: invalid_input for a spec that is none.
Result<FormatSpec> parse_format_spec(std::string_view text);
Result<std::string> format_value(const Value& value, FormatSpec spec, Budget& budget);

/// `text % values`: a tuple gives one value per conversion, a dict the named ones.
Result<Value> percent_format(const Value& text, const Value& values, Budget& budget);
/// `text.format(...)`.
Result<Value> brace_format(const Value& text, const Arguments& arguments, Budget& budget);

}  // namespace vauban::jinja
