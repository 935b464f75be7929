#include "text/template/percent_format.h"

#include <cmath>

#include "base/strings.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

/// One `%` conversion after another.
class PercentFormatter {
 public:
  PercentFormatter(std::string_view text, const Value& values, Budget& budget) : text_(text), values_(values), budget_(budget) {}
  Result<std::string> run();

 private:
  Result<Value> next_value();
  Result<FormatSpec> spec();
  Result<std::int64_t> number();
  Result<std::string> conversion();
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  std::string_view text_;
  const Value& values_;
  Budget& budget_;
  std::size_t at_ = 0, used_ = 0;
  std::optional<Value> named_;
};

Result<Value> PercentFormatter::next_value() {
  if (named_) return *std::exchange(named_, std::nullopt);
  const bool several = values_.is(Kind::tuple);
  const std::size_t count = several ? values_.items().size() : 1;
  if (used_ >= count) return invalid_input("TypeError: not enough arguments for the format string");
  return several ? values_.items()[used_++] : (++used_, values_);
}

Result<std::int64_t> PercentFormatter::number() {
  if (here() != '*') {
    std::int64_t value = 0;
    for (; here() >= '0' && here() <= '9'; ++at_)
      if ((value = value * 10 + (here() - '0')) > (1 << 20)) return invalid_input("ValueError: the width is too big");
    return value;
  }
  ++at_;
  VB_TRY(const Value value, next_value());
  if (!value.is_whole() || value.whole() < 0 || value.whole() > (1 << 20))
    return invalid_input("TypeError: '*' needs a small integer");
  return static_cast<std::int64_t>(value.whole());
}

Result<FormatSpec> PercentFormatter::spec() {
  FormatSpec spec;
  if (here() == '(') {
    const std::size_t end = text_.find(')', at_);
    if (end == std::string_view::npos) return invalid_input("ValueError: the key of the format has no ')'");
    if (!values_.is_dict()) return invalid_input("TypeError: the format needs a mapping");
    const Value* found = values_.dict().find(text_.substr(at_ + 1, end - at_ - 1));
    if (!found) return invalid_input("KeyError: '{}'", printable(text_.substr(at_ + 1, end - at_ - 1), 80));
    named_ = *found;
    at_ = end + 1;
  }
  bool zero = false;
  for (; std::string_view("-+ #0").find(here()) != std::string_view::npos && here() != '\0'; ++at_) {
    if (here() == '-') spec.align = '<';
    if (here() == '+' || (here() == ' ' && spec.sign != '+')) spec.sign = here();
    spec.alternate = spec.alternate || here() == '#';
    zero = zero || here() == '0';
  }
  if (!spec.align) spec.align = zero ? '=' : '>';
  if (zero && spec.align == '=') spec.fill = "0";
  VB_TRY(spec.width, number());
  if (here() == '.') {
    ++at_;
    VB_TRY(spec.precision, number());
  }
  return spec;
}

Result<std::string> PercentFormatter::conversion() {
  VB_TRY(FormatSpec spec, spec());
  const char type = here();
  ++at_;
  if (type == '%') return std::string("%");
  VB_TRY(Value value, next_value());
  if (type == 's' || type == 'r' || type == 'a' || type == 'c') {
    if (type == 'r' || type == 'a') {
      VB_TRY(std::string text, repr(value, budget_));
      value = Value(std::move(text));
    }
    if (type == 'c' && value.is_whole()) {
      const Integer point = value.whole();
      if (point < 0 || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return invalid_input("OverflowError: %c needs a character");
      value = Value(to_utf8(static_cast<char32_t>(point)));
    }
    spec.type = 's';
    if (spec.align == '=') spec.align = '>', spec.fill = " ";
    return format_value(value, spec, budget_);
  }
  if (std::string_view("diuxXoeEfFgG").find(type) == std::string_view::npos || type == '\0')
    return invalid_input("ValueError: unsupported format character '{}'", printable(std::string(1, type)));
  if (!value.is_number()) return invalid_input("TypeError: %{} needs a number, found {}", type, value.type_name());
  spec.type = type == 'i' || type == 'u' ? 'd' : type;
  const bool whole = std::string_view("dxXo").find(spec.type) != std::string_view::npos;
  if (whole && value.is(Kind::real)) {
    if (spec.type != 'd' || !(std::abs(value.real()) < 1e30)) return invalid_input("TypeError: %{} needs an integer", type);
    value = Value(static_cast<Integer>(value.real()));
  }
  if (whole) spec.precision = -1;
  return format_value(value, spec, budget_);
}

Result<std::string> PercentFormatter::run() {
  std::string out;
  while (at_ < text_.size()) {
    const std::size_t percent = text_.find('%', at_);
    out += text_.substr(at_, percent == std::string_view::npos ? percent : percent - at_);
    if (percent == std::string_view::npos) break;
    at_ = percent + 1;
    VB_TRY(const std::string piece, conversion());
    out += piece;
  }
  const bool left_over = values_.is(Kind::tuple) ? used_ < values_.items().size() : used_ == 0 && !values_.is_dict();
  if (left_over) return invalid_input("TypeError: not all arguments were used by the format string");
  return out;
}

}  // namespace

Result<Value> percent_format(const Value& text, const Value& values, Budget& budget) {
  if (values.is_undefined()) return undefined_error(values);
  VB_CHECK(budget.steps(text.text().size() / 16));
  VB_TRY(std::string out, PercentFormatter(text.text(), values, budget).run());
  return new_text(budget, std::move(out), text.is_safe());
}

}  // namespace vauban::jinja
