// The expressions of a template, lowest precedence first.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/strings.h"
#include "text/template/parser_state.h"

namespace vauban::jinja {
namespace {

std::string describe_token(const Token& token) {
  switch (token.kind) {
    case TokenKind::data: return "text";
    case TokenKind::print_begin: return "'{{'";
    case TokenKind::print_end: return "the end of the print statement";
    case TokenKind::block_begin: return "'{%'";
    case TokenKind::block_end: return "the end of the block tag";
    case TokenKind::end: return "the end of the template";
    default: return format("'{}'", printable(token.text, 60));
  }
}

bool is_constant_name(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames{"true", "false", "True", "False", "none", "None"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

ExpressionPtr constant(Value value) {
  auto node = std::make_unique<Constant>();
  node->value = std::move(value);
  return node;
}

int depth_of(const Expression* node) { return node ? node->depth : 0; }

struct Nested {
  explicit Nested(int& depth) : depth_(depth) { ++depth_; }
  ~Nested() { --depth_; }
  int& depth_;
};

}  // namespace

Error TokenReader::unexpected(std::string_view expected) const {
  return syntax_error(line(), format("expected {}, found {}", expected, describe_token(peek())));
}
Result<void> TokenReader::expect_op(std::string_view op) {
  if (!skip_op(op)) return unexpected(format("'{}'", op));
  return ok();
}
Result<std::string> TokenReader::expect_name() {
  if (peek().kind != TokenKind::name) return unexpected("a name");
  return next().text;
}
Result<void> TokenReader::expect(TokenKind kind) {
  if (peek().kind != kind) return unexpected(describe_token({kind, {}, 0}));
  next();
  return ok();
}

Result<ExpressionPtr> ExpressionParser::finish(ExpressionPtr node, int line,
                                               std::initializer_list<const Expression*> children) {
  node->line = line;
  for (const Expression* child : children) node->depth = std::max(node->depth, 1 + depth_of(child));
  if (node->depth > kMaxNesting) return syntax_error(line, format("an expression nests deeper than {} levels", kMaxNesting));
  return node;
}

Result<ExpressionPtr> ExpressionParser::finish(ExpressionPtr node, int line, const ArgumentList& arguments,
                                               const Expression* operand) {
  int depth = std::max({depth_of(operand), depth_of(arguments.star.get()), depth_of(arguments.star_star.get())});
  for (const auto& argument : arguments.positional) depth = std::max(depth, argument->depth);
  for (const auto& [name, argument] : arguments.named) depth = std::max(depth, argument->depth);
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

Result<ExpressionPtr> ExpressionParser::expression(bool with_condition) {
  const Nested nested(nesting_);
  if (nesting_ > kMaxNesting)
    return syntax_error(tokens_.line(), format("expressions nest deeper than {} levels", kMaxNesting));
  return with_condition ? condition() : either();
}

Result<ExpressionPtr> ExpressionParser::condition() {
  const std::size_t unknown_before = unknown_.size();
  const int line = tokens_.line();
  VB_TRY(ExpressionPtr value, either());
  while (tokens_.skip_name("if")) {
    auto node = std::make_unique<ConditionalExpression>();
    node->yes = std::move(value);
    VB_TRY(node->test, either());
    if (tokens_.skip_name("else")) {
      VB_TRY(node->no, expression());
    }
    unknown_.resize(unknown_before);  // an unknown filter inside a condition fails only when it is reached
    const std::array<const Expression*, 3> parts{node->test.get(), node->yes.get(), node->no.get()};
    VB_TRY(value, finish(std::move(node), line, {parts[0], parts[1], parts[2]}));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::binary(std::string op, ExpressionPtr left, ExpressionPtr right, int line) {
  auto node = std::make_unique<BinaryExpression>();
  node->op = std::move(op);
  node->left = std::move(left);
  node->right = std::move(right);
  const Expression *first = node->left.get(), *second = node->right.get();
  return finish(std::move(node), line, {first, second});
}

Result<ExpressionPtr> ExpressionParser::either() {
  VB_TRY(ExpressionPtr left, both());
  while (tokens_.peek().is_name("or")) {
    const int line = tokens_.next().line;
    VB_TRY(ExpressionPtr right, both());
    VB_TRY(left, binary("or", std::move(left), std::move(right), line));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::both() {
  VB_TRY(ExpressionPtr left, negation());
  while (tokens_.peek().is_name("and")) {
    const int line = tokens_.next().line;
    VB_TRY(ExpressionPtr right, negation());
    VB_TRY(left, binary("and", std::move(left), std::move(right), line));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::negation() {
  if (!tokens_.peek().is_name("not")) return comparison();
  const Nested nested(nesting_);
  const int line = tokens_.next().line;
  if (nesting_ > kMaxNesting) return syntax_error(line, format("expressions nest deeper than {} levels", kMaxNesting));
  auto node = std::make_unique<UnaryExpression>();
  node->op = "not";
  VB_TRY(node->operand, negation());
  const Expression* operand = node->operand.get();
  return finish(std::move(node), line, {operand});
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  static constexpr std::array<std::string_view, 6> kComparisons{"==", "!=", "<", "<=", ">", ">="};
  const int line = tokens_.line();
  VB_TRY(ExpressionPtr first, sum());
  auto node = std::make_unique<CompareExpression>();
  int depth = first->depth;
  while (true) {
    const Token& token = tokens_.peek();
    std::string op;
    if (token.kind == TokenKind::op && std::find(kComparisons.begin(), kComparisons.end(), token.text) != kComparisons.end())
      op = token.text;
    else if (token.is_name("in"))
      op = "in";
    else if (token.is_name("not") && tokens_.peek(1).is_name("in"))
      op = "not in";
    if (op.empty()) break;
    tokens_.next();
    if (op == "not in") tokens_.next();
    VB_TRY(ExpressionPtr operand, sum());
    depth = std::max(depth, operand->depth);
    node->rest.emplace_back(std::move(op), std::move(operand));
  }
  if (node->rest.empty()) return first;
  node->first = std::move(first);
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

Result<ExpressionPtr> ExpressionParser::sum() {
  VB_TRY(ExpressionPtr left, concat());
  while (tokens_.peek().is_op("+") || tokens_.peek().is_op("-")) {
    const int line = tokens_.line();
    std::string op = tokens_.next().text;
    VB_TRY(ExpressionPtr right, concat());
    VB_TRY(left, binary(std::move(op), std::move(left), std::move(right), line));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::concat() {
  const int line = tokens_.line();
  VB_TRY(ExpressionPtr first, product());
  if (!tokens_.peek().is_op("~")) return first;
  auto node = std::make_unique<ConcatExpression>();
  int depth = first->depth;
  node->parts.push_back(std::move(first));
  while (tokens_.skip_op("~")) {
    VB_TRY(ExpressionPtr part, product());
    depth = std::max(depth, part->depth);
    node->parts.push_back(std::move(part));
  }
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

Result<ExpressionPtr> ExpressionParser::product() {
  static constexpr std::array<std::string_view, 4> kProducts{"*", "/", "//", "%"};
  VB_TRY(ExpressionPtr left, power());
  while (tokens_.peek().kind == TokenKind::op &&
         std::find(kProducts.begin(), kProducts.end(), tokens_.peek().text) != kProducts.end()) {
    const int line = tokens_.line();
    std::string op = tokens_.next().text;
    VB_TRY(ExpressionPtr right, power());
    VB_TRY(left, binary(std::move(op), std::move(left), std::move(right), line));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::power() {
  VB_TRY(ExpressionPtr left, unary());
  while (tokens_.peek().is_op("**")) {
    const int line = tokens_.next().line;
    VB_TRY(ExpressionPtr right, unary());
    VB_TRY(left, binary("**", std::move(left), std::move(right), line));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::unary(bool with_filter) {
  const Nested nested(nesting_);
  const int line = tokens_.line();
  if (nesting_ > kMaxNesting) return syntax_error(line, format("expressions nest deeper than {} levels", kMaxNesting));
  ExpressionPtr value;
  if (tokens_.peek().is_op("-") || tokens_.peek().is_op("+")) {
    auto node = std::make_unique<UnaryExpression>();
    node->op = tokens_.next().text;
    VB_TRY(node->operand, unary(false));
    const Expression* operand = node->operand.get();
    VB_TRY(value, finish(std::move(node), line, {operand}));
  } else {
    VB_TRY(value, primary());
  }
  VB_TRY(value, postfix(std::move(value)));
  if (!with_filter) return value;
  return filter_chain(std::move(value));
}

Result<ExpressionPtr> ExpressionParser::number(const Token& token) {
  const std::string_view text = token.text;
  if (token.kind == TokenKind::real) {
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    // Beyond the range it is infinity or zero, as in Python; from_chars leaves `value` alone there.
    if (read.ec == std::errc::result_out_of_range) value = std::strtod(std::string(text).c_str(), nullptr);
    return finish(constant(Value(value)), token.line, {});
  }
  int base = 10;
  std::string_view digits = text;
  if (text.size() > 2 && text[0] == '0' && !(text[1] >= '0' && text[1] <= '9')) {
    base = (text[1] | 0x20) == 'x' ? 16 : (text[1] | 0x20) == 'o' ? 8 : 2;
    digits.remove_prefix(2);
  }
  Integer value = 0;
  for (const char c : digits) {
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (digit >= base || __builtin_mul_overflow(value, static_cast<Integer>(base), &value) ||
        __builtin_add_overflow(value, static_cast<Integer>(digit), &value))
      return syntax_error(token.line, format("'{}' is no integer of at most 128 bits", printable(text, 60)));
  }
  return finish(constant(Value(value)), token.line, {});
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Token token = tokens_.peek();
  switch (token.kind) {
    case TokenKind::name: {
      tokens_.next();
      if (token.text == "true" || token.text == "True") return finish(constant(Value(true)), token.line, {});
      if (token.text == "false" || token.text == "False") return finish(constant(Value(false)), token.line, {});
      if (token.text == "none" || token.text == "None") return finish(constant(Value::none()), token.line, {});
      specials_.varargs = specials_.varargs || token.text == "varargs";
      specials_.kwargs = specials_.kwargs || token.text == "kwargs";
      specials_.caller = specials_.caller || token.text == "caller";
      auto node = std::make_unique<NameExpression>();
      node->name = token.text;
      return finish(std::move(node), token.line, {});
    }
    case TokenKind::string: {
      std::string text;
      while (tokens_.peek().kind == TokenKind::string) text += tokens_.next().text;
      return finish(constant(Value(std::move(text))), token.line, {});
    }
    case TokenKind::integer:
    case TokenKind::real: tokens_.next(); return number(token);
    default: break;
  }
  if (token.is_op("[")) return list();
  if (token.is_op("{")) return dict();
  if (!tokens_.skip_op("(")) return tokens_.unexpected("an expression");
  VB_TRY(ExpressionPtr inner, tuple(true, true));
  VB_CHECK(tokens_.expect_op(")"));
  return inner;
}

Result<ExpressionPtr> ExpressionParser::list() {
  const int line = tokens_.next().line;
  auto node = std::make_unique<SequenceExpression>();
  int depth = 0;
  while (!tokens_.peek().is_op("]")) {
    if (!node->items.empty()) VB_CHECK(tokens_.expect_op(","));
    if (tokens_.peek().is_op("]")) break;
    VB_TRY(ExpressionPtr item, expression());
    depth = std::max(depth, item->depth);
    node->items.push_back(std::move(item));
  }
  VB_CHECK(tokens_.expect_op("]"));
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

Result<ExpressionPtr> ExpressionParser::dict() {
  const int line = tokens_.next().line;
  auto node = std::make_unique<DictExpression>();
  int depth = 0;
  while (!tokens_.peek().is_op("}")) {
    if (!node->entries.empty()) VB_CHECK(tokens_.expect_op(","));
    if (tokens_.peek().is_op("}")) break;
    VB_TRY(ExpressionPtr key, expression());
    VB_CHECK(tokens_.expect_op(":"));
    VB_TRY(ExpressionPtr value, expression());
    depth = std::max({depth, key->depth, value->depth});
    node->entries.emplace_back(std::move(key), std::move(value));
  }
  VB_CHECK(tokens_.expect_op("}"));
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

bool ExpressionParser::at_tuple_end(std::string_view end_name) const {
  const Token& token = tokens_.peek();
  return token.kind == TokenKind::print_end || token.kind == TokenKind::block_end || token.is_op(")") ||
         (!end_name.empty() && token.is_name(end_name));
}

Result<ExpressionPtr> ExpressionParser::tuple(bool with_condition, bool explicit_brackets, std::string_view end_name) {
  const int line = tokens_.line();
  auto node = std::make_unique<SequenceExpression>();
  node->kind = Kind::tuple;
  bool is_tuple = false;
  int depth = 0;
  while (!at_tuple_end(end_name)) {
    VB_TRY(ExpressionPtr item, expression(with_condition));
    depth = std::max(depth, item->depth);
    node->items.push_back(std::move(item));
    if (!tokens_.skip_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !node->items.empty()) return std::move(node->items.front());
  if (!is_tuple && !explicit_brackets) return tokens_.unexpected("an expression");
  node->depth = depth + 1;
  return finish(std::move(node), line, {});
}

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr operand) {
  while (true) {
    const Token& token = tokens_.peek();
    if (token.is_op(".") || token.is_op("[")) {
      VB_TRY(operand, subscript(std::move(operand)));
    } else if (token.is_op("(")) {
      VB_TRY(operand, call(std::move(operand)));
    } else {
      return operand;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::subscript(ExpressionPtr operand) {
  const int line = tokens_.line();
  const Expression* object = operand.get();
  if (tokens_.skip_op(".")) {
    const Token token = tokens_.next();
    if (token.kind == TokenKind::name) {
      auto node = std::make_unique<AttributeExpression>();
      node->object = std::move(operand);
      node->name = token.text;
      return finish(std::move(node), line, {object});
    }
    if (token.kind != TokenKind::integer) return syntax_error(token.line, "expected a name or a number after '.'");
    auto node = std::make_unique<ItemExpression>();
    node->object = std::move(operand);
    VB_TRY(node->key, number(token));
    return finish(std::move(node), line, {object});
  }
  tokens_.next();
  auto slice = std::make_unique<SliceExpression>();
  std::array<ExpressionPtr*, 3> bounds{&slice->start, &slice->stop, &slice->step};
  std::size_t part = 0;
  ExpressionPtr single;
  while (true) {
    if (!tokens_.peek().is_op(":") && !tokens_.peek().is_op("]")) {
      VB_TRY(*bounds[part], part == 0 ? tuple() : expression());
    }
    if (!tokens_.peek().is_op(":") || part == 2) break;
    tokens_.next();
    ++part;
  }
  VB_CHECK(tokens_.expect_op("]"));
  if (part == 0 && !slice->start) slice->start = constant(Value::tuple({}));  // Jinja2 takes `x[]` as `x[()]`
  const int depth = 1 + std::max({object->depth, depth_of(slice->start.get()), depth_of(slice->stop.get()),
                                  depth_of(slice->step.get())});
  if (part > 0) {
    slice->object = std::move(operand);
    slice->depth = depth;
    return finish(std::move(slice), line, {});
  }
  auto node = std::make_unique<ItemExpression>();
  node->object = std::move(operand);
  node->key = std::move(slice->start);
  node->depth = depth;
  return finish(std::move(node), line, {});
}

Result<ArgumentList> ExpressionParser::arguments() {
  VB_CHECK(tokens_.expect_op("("));
  ArgumentList list;
  bool first = true;
  while (!tokens_.peek().is_op(")")) {
    if (!first) VB_CHECK(tokens_.expect_op(","));
    first = false;
    if (tokens_.peek().is_op(")")) break;
    const int line = tokens_.line();
    if (tokens_.skip_op("*")) {
      if (list.star || list.star_star) return syntax_error(line, "expected one *list, before any **dict");
      VB_TRY(list.star, expression());
    } else if (tokens_.skip_op("**")) {
      if (list.star_star) return syntax_error(line, "expected one **dict");
      VB_TRY(list.star_star, expression());
    } else if (tokens_.peek().kind == TokenKind::name && tokens_.peek(1).is_op("=")) {
      std::string name = tokens_.next().text;
      tokens_.next();
      VB_TRY(ExpressionPtr value, expression());
      list.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!list.named.empty() || list.star || list.star_star)
        return syntax_error(line, "a positional argument stands after a named one");
      VB_TRY(ExpressionPtr value, expression());
      list.positional.push_back(std::move(value));
    }
  }
  VB_CHECK(tokens_.expect_op(")"));
  return list;
}

Result<ExpressionPtr> ExpressionParser::call(ExpressionPtr callee) {
  const int line = tokens_.line();
  auto node = std::make_unique<CallExpression>();
  VB_TRY(node->arguments, arguments());
  node->callee = std::move(callee);
  CallExpression& made = *node;
  return finish(std::move(node), line, made.arguments, made.callee.get());
}

Result<ExpressionPtr> ExpressionParser::filter_chain(ExpressionPtr operand) {
  while (true) {
    const Token& token = tokens_.peek();
    if (token.is_op("|")) {
      VB_TRY(operand, filters(std::move(operand), false));
    } else if (token.is_name("is")) {
      VB_TRY(operand, test(std::move(operand)));
    } else if (token.is_op("(")) {
      VB_TRY(operand, call(std::move(operand)));
    } else {
      return operand;
    }
  }
}

/// `a.b` as one name, as filters of extensions are called.
static Result<std::string> dotted_name(TokenReader& tokens) {
  VB_TRY(std::string name, tokens.expect_name());
  while (tokens.skip_op(".")) {
    VB_TRY(const std::string part, tokens.expect_name());
    name += "." + part;
  }
  return name;
}

Result<ExpressionPtr> ExpressionParser::filters(ExpressionPtr operand, bool start_inline) {
  while (start_inline || tokens_.peek().is_op("|")) {
    if (!start_inline) tokens_.next();
    start_inline = false;
    const int line = tokens_.line();
    auto node = std::make_unique<FilterExpression>();
    VB_TRY(node->name, dotted_name(tokens_));
    node->filter = find_filter(node->name);
    if (!node->filter) unknown_.push_back(syntax_error(line, format("no filter is named '{}'", printable(node->name, 60))));
    if (tokens_.peek().is_op("(")) {
      VB_TRY(node->arguments, arguments());
    }
    node->operand = std::move(operand);
    FilterExpression& made = *node;
    VB_TRY(operand, finish(std::move(node), line, made.arguments, made.operand.get()));
  }
  return operand;
}

Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr operand) {
  const int line = tokens_.next().line;
  auto node = std::make_unique<TestExpression>();
  node->negated = tokens_.skip_name("not");
  VB_TRY(node->name, dotted_name(tokens_));
  node->test = find_test(node->name);
  if (!node->test) unknown_.push_back(syntax_error(line, format("no test is named '{}'", printable(node->name, 60))));
  const Token& token = tokens_.peek();
  const bool is_literal = token.kind == TokenKind::string || token.kind == TokenKind::integer ||
                          token.kind == TokenKind::real || token.is_op("[") || token.is_op("{");
  const bool is_argument = token.kind == TokenKind::name && !token.is_name("else") && !token.is_name("or") &&
                           !token.is_name("and");
  if (token.is_op("(")) {
    VB_TRY(node->arguments, arguments());
  } else if (is_literal || is_argument) {
    if (token.is_name("is")) return syntax_error(line, "tests cannot be chained with 'is'");
    VB_TRY(ExpressionPtr argument, primary());
    VB_TRY(argument, postfix(std::move(argument)));
    node->arguments.positional.push_back(std::move(argument));
  }
  node->operand = std::move(operand);
  TestExpression& made = *node;
  return finish(std::move(node), line, made.arguments, made.operand.get());
}

Result<Target> ExpressionParser::one_target(bool with_namespace) {
  Target target;
  target.line = tokens_.line();
  if (tokens_.skip_op("(")) {
    VB_TRY(target, this->target(false, {}));
    VB_CHECK(tokens_.expect_op(")"));
    return target;
  }
  VB_TRY(target.name, tokens_.expect_name());
  if (is_constant_name(target.name)) return syntax_error(target.line, format("'{}' cannot be assigned to", target.name));
  if (with_namespace && tokens_.skip_op(".")) {
    VB_TRY(target.attribute, tokens_.expect_name());
  }
  return target;
}

Result<Target> ExpressionParser::target(bool with_namespace, std::string_view end_name) {
  const Nested nested(nesting_);
  if (nesting_ > kMaxNesting) return syntax_error(tokens_.line(), "a target nests too deep");
  VB_TRY(Target first, one_target(with_namespace));
  if (!tokens_.peek().is_op(",")) return first;
  Target tuple{.name = {}, .attribute = {}, .parts = {}, .is_tuple = true, .line = first.line};
  tuple.parts.push_back(std::move(first));
  while (tokens_.skip_op(",")) {
    if (at_tuple_end(end_name) || tokens_.peek().is_op("=")) break;
    VB_TRY(Target part, one_target(with_namespace));
    tuple.parts.push_back(std::move(part));
  }
  return tuple;
}

}  // namespace vauban::jinja
