#include "text/template/lexer.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "text/template/string_literal.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

/// CRLF and CR become LF; one newline at the end goes.
std::string normalised(std::string_view source, bool keep_trailing_newline) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!keep_trailing_newline && out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  Lexer(std::string source, const Syntax& syntax) : source_(std::move(source)), syntax_(syntax) {}
  Result<std::vector<Token>> run();

 private:
  enum class Tag { print, block };

  bool ahead(std::string_view text) const { return std::string_view(source_).substr(at_).starts_with(text); }
  void advance(std::size_t count) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
  }
  void skip_blanks() {
    std::size_t end = at_;
    while (end < source_.size() && is_blank(source_[end])) ++end;
    advance(end - at_);
  }
  void push(TokenKind kind, std::string text, int line) { tokens_.push_back({kind, std::move(text), line}); }
  void push_data(std::string_view text, char sign, bool may_lstrip, int line);
  Result<void> text_and_tag();
  Result<void> comment();
  Result<bool> raw();
  Result<void> raw_body(int line);
  Result<void> inside(Tag tag);
  bool tag_end(Tag tag);
  void end_of_block(std::size_t size, char sign);
  Result<void> expression_token();
  Result<void> number();
  void name();
  Result<void> string(char quote);
  Result<void> op();
  std::size_t digits_from(std::size_t at) const;

  std::string source_;
  Syntax syntax_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  ///< the last tag ended with a newline
  std::vector<Token> tokens_;
  std::string open_brackets_;  ///< closing ones that are awaited
};

/// `text` stands before a tag with `sign`.
void Lexer::push_data(std::string_view text, char sign, bool may_lstrip, int line) {
  if (sign == '-') {
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  } else if (sign != '+' && may_lstrip && syntax_.lstrip_blocks) {
    const std::size_t newline = text.rfind('\n');
    const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    if ((start > 0 || line_starting_) && std::all_of(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(), is_blank))
      text = text.substr(0, start);
  }
  if (!text.empty()) push(TokenKind::data, std::string(text), line);
}

/// After the end tag of a block or comment, of `size` characters.
void Lexer::end_of_block(std::size_t size, char sign) {
  advance(size);
  const std::size_t before = at_;
  if (sign == '-')
    skip_blanks();
  else if (sign != '+' && syntax_.trim_blocks && ahead("\n"))
    advance(1);
  line_starting_ = at_ > before && source_[at_ - 1] == '\n';
}

Result<void> Lexer::comment() {
  const int line = line_;
  const std::size_t end = source_.find("#}", at_ + 2);
  if (end == std::string::npos) return syntax_error(line, "the comment that starts here has no end '#}'");
  const char sign = source_[end - 1] == '-' || source_[end - 1] == '+' ? source_[end - 1] : ' ';
  // `{#-#}`: the sign belongs to the start.
  const bool shared = sign != ' ' && end - 1 < at_ + 3;
  advance(end - at_);
  end_of_block(2, shared ? ' ' : sign);
  return ok();
}

/// `{% raw %}` at a block tag; false when it is another one.
Result<bool> Lexer::raw() {
  const std::size_t start = at_;
  const int line = line_;
  advance(2);
  if (ahead("-") || ahead("+")) advance(1);
  skip_blanks();
  const bool is_raw = ahead("raw");
  if (is_raw) advance(3);
  skip_blanks();
  if (!is_raw || !(ahead("%}") || ahead("-%}"))) {
    at_ = start;
    line_ = line;
    return false;
  }
  const bool strip = ahead("-");
  advance(strip ? 3 : 2);
  if (strip) skip_blanks();
  line_starting_ = source_[at_ - 1] == '\n';
  VB_CHECK(raw_body(line));
  return true;
}

Result<void> Lexer::raw_body(int line) {
  for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 2)) {
    std::size_t end = tag + 2;
    const char sign = end < source_.size() && (source_[end] == '-' || source_[end] == '+') ? source_[end++] : ' ';
    while (end < source_.size() && is_blank(source_[end])) ++end;
    if (source_.compare(end, 6, "endraw") != 0) continue;
    end += 6;
    while (end < source_.size() && is_blank(source_[end])) ++end;
    const char end_sign = end < source_.size() && (source_[end] == '-' || source_[end] == '+') ? source_[end++] : ' ';
    if (source_.compare(end, 2, "%}") != 0) continue;
    push_data(std::string_view(source_).substr(at_, tag - at_), sign, true, line_);
    advance(end - at_);
    end_of_block(2, end_sign);
    return ok();
  }
  return syntax_error(line, "the raw block that starts here has no {% endraw %}");
}

Result<void> Lexer::text_and_tag() {
  std::size_t brace = source_.find('{', at_);
  while (brace != std::string::npos && brace + 1 < source_.size() &&
         std::string_view("{%#").find(source_[brace + 1]) == std::string_view::npos)
    brace = source_.find('{', brace + 1);
  if (brace == std::string::npos || brace + 1 >= source_.size()) {
    push(TokenKind::data, source_.substr(at_), line_);
    advance(source_.size() - at_);
    return ok();
  }
  const char kind = source_[brace + 1];
  const char sign = brace + 2 < source_.size() ? source_[brace + 2] : ' ';
  push_data(std::string_view(source_).substr(at_, brace - at_), sign, kind != '{', line_);
  advance(brace - at_);
  if (kind == '#') return comment();
  if (kind == '%') {
    VB_TRY(const bool was_raw, raw());
    if (was_raw) return ok();
  }
  push(kind == '{' ? TokenKind::print_begin : TokenKind::block_begin, {}, line_);
  advance(sign == '-' || sign == '+' ? 3 : 2);
  return inside(kind == '{' ? Tag::print : Tag::block);
}

/// The end of the tag here? Then it is consumed.
bool Lexer::tag_end(Tag tag) {
  if (!open_brackets_.empty()) return false;
  const int line = line_;
  if (tag == Tag::block) {
    const char sign = ahead("-%}") || ahead("+%}") ? source_[at_] : ' ';
    if (sign == ' ' && !ahead("%}")) return false;
    end_of_block(sign == ' ' ? 2 : 3, sign);
    push(TokenKind::block_end, {}, line);
    return true;
  }
  const bool strip = ahead("-}}");
  if (!strip && !ahead("}}")) return false;
  advance(strip ? 3 : 2);
  if (strip) skip_blanks();
  line_starting_ = source_[at_ - 1] == '\n';
  push(TokenKind::print_end, {}, line);
  return true;
}

Result<void> Lexer::inside(Tag tag) {
  const int start = line_;
  while (true) {
    if (tag_end(tag)) return ok();
    if (at_ >= source_.size()) return syntax_error(start, "the tag that starts here has no end");
    if (is_blank(source_[at_]))
      skip_blanks();
    else
      VB_CHECK(expression_token());
  }
}

Result<void> Lexer::expression_token() {
  const char c = source_[at_];
  if (is_ascii_digit(c)) return number();
  if (c == '\'' || c == '"') return string(c);
  const char32_t point = code_point_at(source_, at_).value;
  if (c == '_' || is_letter(point)) {
    name();
    return ok();
  }
  return op();
}

/// End of a run of digits with single underscores between them, or `at` when there is none.
std::size_t Lexer::digits_from(std::size_t at) const {
  std::size_t end = at;
  while (end < source_.size() && is_ascii_digit(source_[end])) {
    ++end;
    if (end + 1 < source_.size() && source_[end] == '_' && is_ascii_digit(source_[end + 1])) ++end;
  }
  return end;
}

Result<void> Lexer::number() {
  const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
  std::size_t end = digits_from(at_);
  bool real = false;
  const auto char_at = [&](std::size_t i) { return i < source_.size() ? source_[i] : '\0'; };
  if (char_at(at_) == '0' && end == at_ + 1 && std::string_view("xXoObB").find(char_at(end)) != std::string_view::npos &&
      char_at(end) != '\0') {
    ++end;
    while (end < source_.size() && (std::isxdigit(static_cast<unsigned char>(source_[end])) || source_[end] == '_')) ++end;
  } else if (!after_dot) {
    if (char_at(end) == '.' && is_ascii_digit(char_at(end + 1))) {
      end = digits_from(end + 1);
      real = true;
    }
    if (char_at(end) == 'e' || char_at(end) == 'E') {
      const std::size_t start = end + (char_at(end + 1) == '+' || char_at(end + 1) == '-' ? 2 : 1);
      const std::size_t stop = digits_from(start);
      if (stop > start) {
        end = stop;
        real = true;
      }
    }
  }
  std::string digits = source_.substr(at_, end - at_);
  std::erase(digits, '_');
  push(real ? TokenKind::real : TokenKind::integer, std::move(digits), line_);
  advance(end - at_);
  return ok();
}

void Lexer::name() {
  std::size_t end = at_;
  while (end < source_.size()) {
    const CodePoint point = code_point_at(source_, end);
    if (!is_word_character(point.value)) break;
    end += point.size;
  }
  end = std::max(end, at_ + 1);
  push(TokenKind::name, source_.substr(at_, end - at_), line_);
  advance(end - at_);
}

Result<void> Lexer::string(char quote) {
  std::size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) return syntax_error(line_, "the string that starts here has no end");
  auto text = decode_string_literal(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
  if (!text) return syntax_error(line_, text.error().message);
  push(TokenKind::string, *std::move(text), line_);
  advance(end + 1 - at_);
  return ok();
}

Result<void> Lexer::op() {
  static constexpr std::array<std::string_view, 26> kOperators{
      "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
  const auto found = std::find_if(kOperators.begin(), kOperators.end(), [&](std::string_view op) { return ahead(op); });
  if (found == kOperators.end())
    return syntax_error(line_, format("unexpected character '{}'", printable(std::string_view(source_).substr(at_, 1))));
  const char c = source_[at_];
  if (c == '(' || c == '[' || c == '{') open_brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
  if (c == ')' || c == ']' || c == '}') {
    if (open_brackets_.empty() || open_brackets_.back() != c) return syntax_error(line_, format("unexpected '{}'", c));
    open_brackets_.pop_back();
  }
  push(TokenKind::op, std::string(*found), line_);
  advance(found->size());
  return ok();
}

Result<std::vector<Token>> Lexer::run() {
  while (at_ < source_.size()) VB_CHECK(text_and_tag());
  push(TokenKind::end, {}, line_);
  return std::move(tokens_);
}

}  // namespace

Error syntax_error(int line, std::string_view what) { return invalid_input("template line {}: {}", line, what); }

Result<std::vector<Token>> tokenize(std::string_view source, const Syntax& syntax) {
  if (const auto bad = first_invalid_utf8(source))
    return invalid_input("the template is not UTF-8: byte {} starts no character", *bad);
  return Lexer(normalised(source, syntax.keep_trailing_newline), syntax).run();
}

}  // namespace vauban::jinja
