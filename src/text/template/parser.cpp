#include "text/template/parser.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "text/template/parser_state.h"

namespace vauban::jinja {
namespace {

using StatementPtr = std::unique_ptr<Statement>;
using Ends = std::initializer_list<std::string_view>;

class StatementParser {
 public:
  explicit StatementParser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(tokens_) {}
  Result<Body> run();

 private:
  /// Up to a tag named in `ends`, which is left unread (its begin is consumed).
  Result<Body> body(Ends ends);
  /// Up to the tag `end`, which is consumed whole.
  Result<Body> closed_body(std::string_view end);
  Result<StatementPtr> statement();
  Result<StatementPtr> print();
  Result<StatementPtr> if_tag();
  Result<StatementPtr> for_tag();
  Result<StatementPtr> set_tag();
  Result<StatementPtr> macro_tag();
  Result<StatementPtr> call_tag();
  Result<StatementPtr> filter_tag();
  Result<StatementPtr> with_tag();
  Result<StatementPtr> block_tag();
  Result<StatementPtr> generation_tag();
  Result<StatementPtr> flow_tag(Flow flow);
  Result<StatementPtr> load_tag(const std::string& tag);
  Result<Parameters> parameters();
  /// The body of a macro or call block, with what it uses of the special names.
  /// What is written inside is captured, so that a loop around cannot be left from there.
  Result<Body> captured_body(std::string_view end);
  Result<void> macro_body(MacroDefinition& macro, std::string_view end);
  Result<std::unique_ptr<FilterExpression>> filter_chain(bool start_inline);
  Result<void> block_end() { return tokens_.expect(TokenKind::block_end); }

  struct Tag {
    std::string_view name;
    Result<StatementPtr> (StatementParser::*parse)();
  };
  static const Tag kTags[];

  TokenReader tokens_;
  ExpressionParser expressions_;
  int nesting_ = 0, loops_ = 0;
};

const StatementParser::Tag StatementParser::kTags[] = {
    {"if", &StatementParser::if_tag},         {"for", &StatementParser::for_tag},
    {"set", &StatementParser::set_tag},       {"macro", &StatementParser::macro_tag},
    {"call", &StatementParser::call_tag},     {"filter", &StatementParser::filter_tag},
    {"with", &StatementParser::with_tag},     {"block", &StatementParser::block_tag},
    {"print", &StatementParser::print},       {"generation", &StatementParser::generation_tag},
};

Result<Body> StatementParser::run() {
  VB_TRY(Body body, body({}));
  if (tokens_.peek().kind != TokenKind::end)
    return syntax_error(tokens_.line(), format("no block is open that '{}' could end", printable(tokens_.peek().text, 60)));
  if (!expressions_.unknown().empty()) return expressions_.unknown().front();
  return body;
}

Result<Body> StatementParser::body(Ends ends) {
  if (++nesting_ > kMaxNesting) return syntax_error(tokens_.line(), format("blocks nest deeper than {} levels", kMaxNesting));
  Body body;
  while (tokens_.peek().kind != TokenKind::end) {
    const Token& token = tokens_.peek();
    if (token.kind == TokenKind::data) {
      auto text = std::make_unique<TextStatement>();
      text->line = token.line;
      text->text = tokens_.next().text;
      body.push_back(std::move(text));
      continue;
    }
    StatementPtr made;
    if (token.kind == TokenKind::print_begin) {
      tokens_.next();
      VB_TRY(made, print());
      VB_CHECK(tokens_.expect(TokenKind::print_end));
    } else {
      VB_CHECK(tokens_.expect(TokenKind::block_begin));
      const Token& tag = tokens_.peek();
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return tag.is_name(end); })) {
        --nesting_;
        return body;
      }
      VB_TRY(made, statement());
      VB_CHECK(block_end());
    }
    made->line = token.line;
    body.push_back(std::move(made));
  }
  --nesting_;
  if (ends.size() > 0) return syntax_error(tokens_.line(), format("the template ends before '{}'", *(ends.end() - 1)));
  return body;
}

Result<Body> StatementParser::closed_body(std::string_view end) {
  VB_CHECK(block_end());
  VB_TRY(Body made, body({end}));
  tokens_.next();
  return made;
}

Result<Body> StatementParser::captured_body(std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  VB_TRY(Body made, closed_body(end));
  loops_ = loops;
  return made;
}

/// After `{%`; the end of the tag is left to the caller.
Result<StatementPtr> StatementParser::statement() {
  if (tokens_.peek().kind != TokenKind::name) return tokens_.unexpected("the name of a tag");
  const int line = tokens_.line();
  const std::string tag = tokens_.next().text;
  if (tag == "break") return flow_tag(Flow::break_loop);
  if (tag == "continue") return flow_tag(Flow::continue_loop);
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") return load_tag(tag);
  for (const Tag& known : kTags)
    if (known.name == tag) return (this->*known.parse)();
  return syntax_error(line, format("unknown tag '{}'", printable(tag, 60)));
}

Result<StatementPtr> StatementParser::print() {
  auto node = std::make_unique<PrintStatement>();
  VB_TRY(node->value, expressions_.tuple());
  return node;
}

Result<StatementPtr> StatementParser::if_tag() {
  auto node = std::make_unique<IfStatement>();
  const std::size_t unknown_before = expressions_.unknown().size();
  while (true) {
    VB_TRY(ExpressionPtr test, expressions_.tuple(false));
    VB_CHECK(block_end());
    VB_TRY(Body branch, body({"elif", "else", "endif"}));
    node->branches.emplace_back(std::move(test), std::move(branch));
    if (tokens_.skip_name("elif")) continue;
    if (tokens_.skip_name("else")) {
      VB_TRY(node->otherwise, closed_body("endif"));
    } else {
      tokens_.next();
    }
    break;
  }
  expressions_.unknown().resize(unknown_before);  // as in a conditional expression
  return node;
}

Result<StatementPtr> StatementParser::for_tag() {
  auto node = std::make_unique<ForStatement>();
  VB_TRY(node->target, expressions_.target(false, "in"));
  if (!tokens_.skip_name("in")) return tokens_.unexpected("'in'");
  VB_TRY(node->items, expressions_.tuple(false, false, "recursive"));
  if (tokens_.skip_name("if")) {
    VB_TRY(node->condition, expressions_.expression());
  }
  node->recursive = tokens_.skip_name("recursive");
  VB_CHECK(block_end());
  ++loops_;
  VB_TRY(node->body, body({"endfor", "else"}));
  --loops_;
  if (tokens_.skip_name("else")) {
    VB_TRY(node->otherwise, closed_body("endfor"));
  } else {
    tokens_.next();
  }
  return node;
}

Result<StatementPtr> StatementParser::set_tag() {
  VB_TRY(Target target, expressions_.target(true));
  if (tokens_.skip_op("=")) {
    auto node = std::make_unique<SetStatement>();
    node->target = std::move(target);
    VB_TRY(node->value, expressions_.tuple());
    return node;
  }
  auto node = std::make_unique<SetBlockStatement>();
  node->target = std::move(target);
  if (tokens_.peek().is_op("|")) {
    VB_TRY(node->filter, filter_chain(false));
  }
  VB_TRY(node->body, captured_body("endset"));
  return node;
}

Result<Parameters> StatementParser::parameters() {
  VB_CHECK(tokens_.expect_op("("));
  Parameters made;
  while (!tokens_.peek().is_op(")")) {
    if (!made.names.empty()) VB_CHECK(tokens_.expect_op(","));
    if (tokens_.peek().is_op(")")) break;
    VB_TRY(std::string name, tokens_.expect_name());
    made.names.push_back(std::move(name));
    if (tokens_.skip_op("=")) {
      VB_TRY(ExpressionPtr value, expressions_.expression());
      made.defaults.push_back(std::move(value));
    } else if (!made.defaults.empty()) {
      return syntax_error(tokens_.line(), "a parameter without a default stands after one with a default");
    }
  }
  VB_CHECK(tokens_.expect_op(")"));
  return made;
}

Result<void> StatementParser::macro_body(MacroDefinition& macro, std::string_view end) {
  const SpecialNames outer = std::exchange(expressions_.specials(), {});
  VB_TRY(macro.body, captured_body(end));
  const SpecialNames inner = expressions_.specials();
  macro.uses_varargs = inner.varargs;
  macro.uses_kwargs = inner.kwargs;
  macro.uses_caller = inner.caller;
  expressions_.specials() = outer;
  return ok();
}

Result<StatementPtr> StatementParser::macro_tag() {
  auto node = std::make_unique<MacroStatement>();
  VB_TRY(node->macro.name, tokens_.expect_name());
  VB_TRY(node->macro.parameters, parameters());
  VB_CHECK(macro_body(node->macro, "endmacro"));
  return node;
}

Result<StatementPtr> StatementParser::call_tag() {
  auto node = std::make_unique<CallStatement>();
  const int line = tokens_.line();
  node->caller.name = "caller";
  if (tokens_.peek().is_op("(")) {
    VB_TRY(node->caller.parameters, parameters());
  }
  VB_TRY(ExpressionPtr call, expressions_.expression());
  if (!dynamic_cast<CallExpression*>(call.get())) return syntax_error(line, "a call block needs the call of a macro");
  node->call.reset(static_cast<CallExpression*>(call.release()));
  VB_CHECK(macro_body(node->caller, "endcall"));
  return node;
}

Result<std::unique_ptr<FilterExpression>> StatementParser::filter_chain(bool start_inline) {
  VB_TRY(ExpressionPtr chain, expressions_.filters(nullptr, start_inline));
  return std::unique_ptr<FilterExpression>(static_cast<FilterExpression*>(chain.release()));
}

Result<StatementPtr> StatementParser::filter_tag() {
  auto node = std::make_unique<FilterStatement>();
  VB_TRY(node->filter, filter_chain(true));
  VB_TRY(node->body, captured_body("endfilter"));
  return node;
}

Result<StatementPtr> StatementParser::with_tag() {
  auto node = std::make_unique<WithStatement>();
  while (tokens_.peek().kind != TokenKind::block_end) {
    if (!node->variables.empty()) VB_CHECK(tokens_.expect_op(","));
    VB_TRY(Target target, expressions_.target(false));
    VB_CHECK(tokens_.expect_op("="));
    VB_TRY(ExpressionPtr value, expressions_.expression());
    node->variables.emplace_back(std::move(target), std::move(value));
  }
  VB_TRY(node->body, closed_body("endwith"));
  return node;
}

Result<StatementPtr> StatementParser::block_tag() {
  auto node = std::make_unique<BlockStatement>();
  VB_TRY(const std::string name, tokens_.expect_name());
  tokens_.skip_name("scoped");
  tokens_.skip_name("required");
  VB_TRY(node->body, closed_body("endblock"));
  tokens_.skip_name(name);
  return node;
}

Result<StatementPtr> StatementParser::generation_tag() {
  auto node = std::make_unique<GenerationStatement>();
  VB_TRY(node->body, captured_body("endgeneration"));
  return node;
}

Result<StatementPtr> StatementParser::flow_tag(Flow flow) {
  if (loops_ == 0) return syntax_error(tokens_.line(), "break and continue belong inside a loop");
  auto node = std::make_unique<FlowStatement>();
  node->flow = flow;
  return node;
}

Result<StatementPtr> StatementParser::load_tag(const std::string& tag) {
  auto node = std::make_unique<LoadStatement>();
  node->tag = tag;
  while (tokens_.peek().kind != TokenKind::block_end && tokens_.peek().kind != TokenKind::end) tokens_.next();
  return node;
}

}  // namespace

Result<Body> parse_template(std::string_view source, const Syntax& syntax) {
  VB_TRY(std::vector<Token> tokens, tokenize(source, syntax));
  return StatementParser(std::move(tokens)).run();
}

}  // namespace vauban::jinja
