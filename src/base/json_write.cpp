#include <charconv>
#include <cmath>

#include "base/json.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kMaxDepth = 256;  // what parse() takes

/// The shortest digits that read back as the same T, laid out as Python's repr does: plain from 1e-4 to 1e16, else
/// with an exponent; always with '.' or 'e', so that the reader sees a float.
template <class T>
void append_float(std::string& out, T value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  const bool negative = text[e + 1] == '-';
  int exponent = 0;
  std::from_chars(text.data() + e + 2, text.data() + text.size(), exponent);
  if (negative) exponent = -exponent;
  if (exponent < -4 || exponent >= 16) {
    out += text;
    return;
  }
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  if (exponent < 0) {
    out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
    return;
  }
  const std::size_t whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.append(whole + 1 - digits.size(), '0');
  out.append(digits, 0, whole).append(".").append(digits, whole);
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20)
    out += format("\\u{:04x}", static_cast<unsigned char>(c));
  else
    out += c;
}

}  // namespace

struct Json::Writer {
  /// One step into a container: a member when `key` is set, else an index.
  struct Step {
    const std::string* key;
    std::size_t index;
  };

  int indent;
  std::string out;
  std::vector<Step> path;

  /// "$.metrics[3].value"
  std::string where() const {
    std::string text = "$";
    for (const Step& step : path)
      text += step.key ? format(".{}", printable(*step.key, 80)) : format("[{}]", step.index);
    return text;
  }

  void new_line() {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent) * path.size(), ' ');
  }

  Result<void> string(std::string_view text) {
    if (!is_valid_utf8(text)) return invalid_input("cannot write {} as JSON: the string is not UTF-8", where());
    out += '"';
    for (const char c : text) append_escaped(out, c);
    out += '"';
    return ok();
  }

  Result<void> open(char bracket) {
    if (path.size() >= kMaxDepth)
      return invalid_input("cannot write {} as JSON: nesting is deeper than {} levels", where(), kMaxDepth);
    out += bracket;
    return ok();
  }

  void enter(Step step) {
    path.push_back(step);
    new_line();
  }

  Result<void> write(const Array& items) {
    VB_CHECK(open('['));
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ',';
      enter({nullptr, i});
      VB_CHECK(value(items[i]));
      path.pop_back();
    }
    if (!items.empty()) new_line();
    out += ']';
    return ok();
  }

  Result<void> write(const Object& members) {
    VB_CHECK(open('{'));
    bool first = true;
    for (const auto& [key, member] : members) {
      if (!first) out += ',';
      first = false;
      enter({&key, 0});
      VB_CHECK(string(key));
      out += indent < 0 ? ":" : ": ";
      VB_CHECK(value(member));
      path.pop_back();
    }
    if (!members.empty()) new_line();
    out += '}';
    return ok();
  }

  template <class T>
  requires std::is_floating_point_v<T> Result<void> write(T number) {
    if (!std::isfinite(number))
      return invalid_input("cannot write {} as JSON: expected a finite number, found {}", where(), number);
    append_float(out, number);
    return ok();
  }
  template <class T>
  requires std::is_integral_v<T> Result<void> write(T number) {
    if constexpr (std::is_same_v<T, bool>)
      out += number ? "true" : "false";
    else
      out += format("{}", number);
    return ok();
  }
  Result<void> write(std::monostate) {
    out += "null";
    return ok();
  }
  Result<void> write(const std::string& text) { return string(text); }

  Result<void> value(const Json& json) {
    return std::visit([this](const auto& held) { return write(held); }, json.value_);
  }
};

Result<std::string> Json::dump(int indent) const {
  Writer writer{.indent = indent, .out = {}, .path = {}};
  VB_CHECK(writer.value(*this));
  return std::move(writer.out);
}

}  // namespace vauban
