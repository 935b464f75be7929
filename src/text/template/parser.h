/// A template's source as a tree. Grammar of Jinja2 3.1 (jinja2/parser.py) with loop controls and `{% generation %}`.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/template/ast.h"
#include "text/template/lexer.h"

namespace vauban::jinja {

/// Errors: invalid_input with the line.
Result<Body> parse_template(std::string_view source, const Syntax& syntax);

}  // namespace vauban::jinja
