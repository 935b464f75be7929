/// The source of a template as tokens: text between tags (with white space already removed as the tags ask), tags, and
/// what stands inside them. Rules of Jinja2's lexer (jinja2/lexer.py, 3.1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban::jinja {

struct Syntax {
  bool trim_blocks = true;    ///< the first newline after a block tag goes
  bool lstrip_blocks = true;  ///< blanks between the start of a line and a block tag go
  bool keep_trailing_newline = false;
};

enum class TokenKind { data, print_begin, print_end, block_begin, block_end, name, string, integer, real, op, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  ///< of a string: decoded; of an integer or real: digits without underscores
  int line = 1;
  bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

/// Errors: invalid_input with the line. The last token is `end`.
Result<std::vector<Token>> tokenize(std::string_view source, const Syntax& syntax);
/// "line 3: what": every error of a template has this form.
Error syntax_error(int line, std::string_view what);

}  // namespace vauban::jinja
