// str.format, in the sandbox: fields reach attributes and items only as templates do.
#include <algorithm>

#include "base/strings.h"
#include "text/template/operators.h"
#include "text/template/percent_format.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

class BraceFormatter {
 public:
  BraceFormatter(const Arguments& arguments, Budget& budget) : arguments_(arguments), budget_(budget) {}
  Result<std::string> run(std::string_view text, int depth);

 private:
  Result<std::string> field(std::string_view text, int depth);
  Result<Value> argument(std::string_view name);
  Result<Value> walk(Value value, std::string_view path);

  const Arguments& arguments_;
  Budget& budget_;
  std::size_t automatic_ = 0;
};

bool is_digits(std::string_view text) {
  return !text.empty() && text.size() < 10 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<Value> BraceFormatter::argument(std::string_view name) {
  if (name.empty() || is_digits(name)) {
    const std::size_t index = name.empty() ? automatic_++ : static_cast<std::size_t>(parse_int(name).value_or(0));
    if (index < arguments_.positional.size()) return arguments_.positional[index];
    return invalid_input("IndexError: the format names argument {}, {} were given", index, arguments_.positional.size());
  }
  for (const auto& [known, value] : arguments_.named)
    if (known == name) return value;
  return invalid_input("KeyError: the format names '{}', which was not given", printable(name, 80));
}

/// ".name" and "[key]" after the argument.
Result<Value> BraceFormatter::walk(Value value, std::string_view path) {
  while (!path.empty()) {
    const bool item = path[0] == '[';
    const std::size_t end = item ? path.find(']') : std::min(path.find_first_of(".[", 1), path.size());
    if (end == std::string_view::npos) return invalid_input("ValueError: a field of the format has no ']'");
    const std::string_view part = path.substr(1, end - 1);
    if (item) {
      const Value key = is_digits(part) ? Value(static_cast<Integer>(parse_int(part).value_or(0))) : Value(part);
      VB_TRY(value, get_item(value, key, budget_));
    } else {
      VB_TRY(value, get_attribute(value, part));
    }
    path.remove_prefix(item ? end + 1 : end);
    if (!path.empty() && path[0] != '.' && path[0] != '[') return invalid_input("ValueError: a field of the format is not well formed");
  }
  return value;
}

Result<std::string> BraceFormatter::field(std::string_view text, int depth) {
  const std::size_t colon = text.find(':');
  std::string_view name = text.substr(0, colon);
  char conversion = 0;
  if (name.size() >= 2 && name[name.size() - 2] == '!') {
    conversion = name.back();
    name.remove_suffix(2);
  }
  const std::size_t rest = std::min(name.find_first_of(".["), name.size());
  VB_TRY(Value value, argument(name.substr(0, rest)));
  VB_TRY(value, walk(std::move(value), name.substr(rest)));
  if (conversion == 's' || conversion == 'r') {
    VB_TRY(std::string written, conversion == 'r' ? repr(value, budget_) : to_text(value, budget_));
    value = Value(std::move(written));
  } else if (conversion) {
    return invalid_input("ValueError: unknown conversion '{}'", printable(std::string(1, conversion)));
  }
  if (colon == std::string_view::npos) return to_text(value, budget_);
  VB_TRY(const std::string inner, run(text.substr(colon + 1), depth + 1));
  VB_TRY(const FormatSpec spec, parse_format_spec(inner));
  return format_value(value, spec, budget_);
}

Result<std::string> BraceFormatter::run(std::string_view text, int depth) {
  if (depth > 2) return invalid_input("ValueError: fields of a format nest too deep");
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
      out += c;
      ++at;
    } else if (c == '}') {
      return invalid_input("ValueError: a single '}}' stands in the format");
    } else if (c == '{') {
      std::size_t end = at + 1;
      for (int open = 1; end < text.size(); ++end) {
        open += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
        if (open == 0) break;
      }
      if (end >= text.size()) return invalid_input("ValueError: a field of the format has no '}}'");
      VB_TRY(const std::string piece, field(text.substr(at + 1, end - at - 1), depth));
      out += piece;
      at = end;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<Value> brace_format(const Value& text, const Arguments& arguments, Budget& budget) {
  VB_CHECK(budget.steps(text.text().size() / 16));
  VB_TRY(std::string out, BraceFormatter(arguments, budget).run(text.text(), 0));
  return new_text(budget, std::move(out), text.is_safe());
}

}  // namespace vauban::jinja
