/// What filters and methods of text share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template/budget.h"
#include "text/template/value.h"

namespace vauban::jinja {

/// The lines of str.splitlines(): CR, LF, CRLF and the separators of Unicode end one.
std::vector<std::string_view> python_lines(std::string_view text, bool keep_ends);
/// str.split() without a separator; at most `most` cuts, -1: all.
std::vector<std::string> split_on_space(std::string_view text, std::int64_t most);
/// str.replace; an empty `from` stands between all characters. `count` < 0: all.
Result<Value> replaced(std::string_view text, std::string_view from, std::string_view to, std::int64_t count,
                       Budget& budget, bool safe);
Result<Value> centered(std::string_view text, std::int64_t width, std::string_view fill, Budget& budget);

}  // namespace vauban::jinja
