/// What the two halves of the parser share: the tokens and where they are. Private to the parser.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template/ast.h"
#include "text/template/lexer.h"

namespace vauban::jinja {

constexpr int kMaxNesting = 200;  ///< of expressions and of blocks in the source

class TokenReader {
 public:
  explicit TokenReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip_op(std::string_view op) { return peek().is_op(op) && (next(), true); }
  bool skip_name(std::string_view name) { return peek().is_name(name) && (next(), true); }
  Result<void> expect_op(std::string_view op);
  Result<std::string> expect_name();
  Result<void> expect(TokenKind kind);
  int line() const { return peek().line; }
  Error unexpected(std::string_view expected) const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

/// What a macro's body uses of the special names.
struct SpecialNames {
  bool varargs = false, kwargs = false, caller = false;
};

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenReader& tokens) : tokens_(tokens) {}

  Result<ExpressionPtr> expression(bool with_condition = true);
  /// `a, b` as a tuple. `explicit_brackets`: an empty one is allowed.
  Result<ExpressionPtr> tuple(bool with_condition = true, bool explicit_brackets = false, std::string_view end_name = {});
  Result<ExpressionPtr> filters(ExpressionPtr operand, bool start_inline);
  Result<ExpressionPtr> unary(bool with_filter = true);
  Result<Target> target(bool with_namespace, std::string_view end_name = {});
  Result<ArgumentList> arguments();

  /// Filters and tests that do not exist, and are not inside a condition: the template cannot be used.
  std::vector<Error>& unknown() { return unknown_; }
  SpecialNames& specials() { return specials_; }

 private:
  Result<ExpressionPtr> condition();
  Result<ExpressionPtr> either();
  Result<ExpressionPtr> both();
  Result<ExpressionPtr> negation();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concat();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power();
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> number(const Token& token);
  Result<ExpressionPtr> list();
  Result<ExpressionPtr> dict();
  Result<ExpressionPtr> postfix(ExpressionPtr operand);
  Result<ExpressionPtr> filter_chain(ExpressionPtr operand);
  Result<ExpressionPtr> test(ExpressionPtr operand);
  Result<ExpressionPtr> subscript(ExpressionPtr operand);
  Result<ExpressionPtr> call(ExpressionPtr callee);
  Result<ExpressionPtr> binary(std::string op, ExpressionPtr left, ExpressionPtr right, int line);
  Result<Target> one_target(bool with_namespace);
  bool at_tuple_end(std::string_view end_name) const;
  /// Sets line and depth. Errors: invalid_input when the tree nests too deep.
  Result<ExpressionPtr> finish(ExpressionPtr node, int line, std::initializer_list<const Expression*> children);
  Result<ExpressionPtr> finish(ExpressionPtr node, int line, const ArgumentList& arguments, const Expression* operand);

  TokenReader& tokens_;
  std::vector<Error> unknown_;
  SpecialNames specials_;
  int nesting_ = 0;
};

}  // namespace vauban::jinja
