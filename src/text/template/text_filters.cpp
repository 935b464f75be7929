// Filters that make text.
#include <algorithm>

#include "base/strings.h"
#include "text/template/code_points.h"
#include "text/template/escape.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/operators.h"
#include "text/template/percent_format.h"
#include "text/template/python_text.h"
#include "text/template/text_helpers.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

template <std::string (*change)(std::string_view)>
Result<Value> changed(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  return new_text(evaluator.budget(), change(text), self.is_safe());
}

/// Jinja's own rule: every run between white space, '-', '(', '{', '[', '<' begins in upper case.
std::string title_words(std::string_view text) {
  std::string out;
  bool first = true;
  for (const char32_t point : to_code_points(text)) {
    out += from_code_points(first ? upper(point) : lower(point));
    first = is_python_space(point) || std::u32string_view(U"-({[<").find(point) != std::u32string_view::npos;
  }
  return out;
}

Result<Value> trim_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"chars"}));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  const bool given = bound.get(0) && !bound[0].is_none();
  VB_TRY(const std::string unwanted, bound.text(0, ""));
  return new_text(evaluator.budget(), stripped(text, given ? &unwanted : nullptr, true, true), self.is_safe());
}

Result<Value> replace_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"old", "new", "count"}, 2));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  VB_TRY(const std::string from, to_text(bound[0], evaluator.budget()));
  VB_TRY(const std::string to, to_text(bound[1], evaluator.budget()));
  VB_TRY(const std::int64_t count, bound.whole(2, -1));
  return replaced(text, from, to, count, evaluator.budget(), false);
}

Result<Value> indent_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"width", "first", "blank"}));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  std::string margin;
  if (bound.get(0) && bound[0].is_string()) {
    margin = bound[0].text();
  } else {
    VB_TRY(const std::int64_t width, bound.whole(0, 4));
    VB_CHECK(evaluator.budget().bytes(static_cast<std::size_t>(std::max<std::int64_t>(width, 0))));
    margin.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
  }
  const bool blank = bound.truth(2, false);
  std::string out = bound.truth(1, false) ? margin : "";
  bool first = true;
  const std::string ended = text + "\n";
  for (const std::string_view line : python_lines(ended, false)) {
    if (!first) out += "\n";
    if (!first && (blank || !line.empty())) {
      VB_CHECK(evaluator.budget().bytes(margin.size()));
      out += margin;
    }
    out += line;
    first = false;
  }
  return new_text(evaluator.budget(), std::move(out), self.is_safe());
}

Result<Value> center_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"width"}));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  VB_TRY(const std::int64_t width, bound.whole(0, 80));
  return centered(text, width, " ", evaluator.budget());
}

Result<Value> format_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    return invalid_input("FilterArgumentError: format takes positional or named arguments, not both");
  VB_TRY(std::string text, to_text(self, evaluator.budget()));
  Value values = Value::tuple(arguments.positional);
  if (!arguments.named.empty()) {
    auto dict = std::make_shared<Dict>();
    for (const auto& [name, value] : arguments.named) VB_CHECK(dict->set(Value(name), value));
    values = Value(std::shared_ptr<const Dict>(std::move(dict)));
  }
  return percent_format(Value(std::move(text)), values, evaluator.budget());
}

Result<Value> truncate_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"length", "killwords", "end", "leeway"}));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  VB_TRY(const std::int64_t length, bound.whole(0, 255));
  VB_TRY(const std::string end, bound.text(2, "..."));
  VB_TRY(const std::int64_t leeway, bound.whole(3, 5));
  const std::u32string points = to_code_points(text);
  const auto end_size = static_cast<std::int64_t>(count_code_points(end));
  if (length < end_size) return invalid_input("AssertionError: truncate to {} characters is shorter than its end", length);
  if (leeway < 0) return invalid_input("AssertionError: the leeway of truncate is negative");
  if (static_cast<std::int64_t>(points.size()) <= length || static_cast<std::int64_t>(points.size()) - length <= leeway)
    return self.is_string() ? self : Value(text);
  std::string kept = from_code_points(std::u32string_view(points).substr(0, static_cast<std::size_t>(length - end_size)));
  if (!bound.truth(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return new_text(evaluator.budget(), kept + end);
}

Result<Value> wordcount_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  int words = 0;
  bool inside = false;
  for (const char32_t point : to_code_points(text)) {
    const bool word = is_word_character(point);
    words += word && !inside;
    inside = word;
  }
  return Value(words);
}

/// One paragraph, greedily: a word that does not fit begins a line; a word longer than a line is cut.
std::vector<std::string> wrapped(std::string_view paragraph, std::size_t width, bool cut_words) {
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  for (const std::string_view word : split(paragraph, ' ')) {
    const std::u32string points = to_code_points(word);
    const std::size_t gap = used > 0 ? 1 : 0;
    if (used > 0 && used + gap + points.size() > width) {
      lines.emplace_back();
      used = 0;
    }
    if (used > 0) lines.back() += ' ', ++used;
    std::size_t at = 0;
    for (; cut_words && points.size() - at > width; at += width) {
      lines.back() += from_code_points(points.substr(at, width));
      lines.emplace_back();
    }
    lines.back() += from_code_points(points.substr(at));
    used += points.size() - at;
  }
  return lines;
}

Result<Value> wordwrap_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  VB_TRY(const std::int64_t width, bound.whole(0, 79));
  VB_TRY(const std::string separator, bound.text(2, "\n"));
  if (width < 1) return invalid_input("ValueError: wordwrap needs a width of 1 or more");
  std::vector<std::string> lines;
  for (const std::string_view paragraph : python_lines(text, false))
    for (std::string& line : wrapped(paragraph, static_cast<std::size_t>(width), bound.truth(1, true)))
      lines.push_back(std::move(line));
  VB_CHECK(evaluator.budget().bytes(lines.size() * separator.size()));
  return new_text(evaluator.budget(), join(lines, separator));
}

/// The text with the entities of escaped() as characters again, once.
std::string unescaped(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&#34;", '"'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&amp;", '&'}};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto* const entity = std::find_if(std::begin(kEntities), std::end(kEntities),
                                            [&](const auto& known) { return text.substr(at).starts_with(known.first); });
    const bool known = entity != std::end(kEntities);
    out += known ? entity->second : text[at];
    at += known ? entity->first.size() : 1;
  }
  return out;
}

std::string without_tags(std::string_view text) {
  std::string out;
  // Behind the last of each, the search need not be made again.
  const std::size_t last_close = text.rfind('>'), last_comment_close = text.rfind("-->");
  for (std::size_t at = 0; at < text.size();) {
    const bool comment = text.substr(at).starts_with("<!--");
    const std::size_t last = comment ? last_comment_close : last_close;
    const bool tag = text[at] == '<' && last != std::string_view::npos && last >= at;
    const std::size_t end = tag ? text.find(comment ? "-->" : ">", at) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[at++];
    } else {
      at = end + (comment ? 3 : 1);
    }
  }
  return join(split_on_space(unescaped(out), -1), " ");
}

Result<Value> escape_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  if (self.is_safe()) return self;
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  return new_text(evaluator.budget(), escaped(text), true);
}

Result<Value> forceescape_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  return new_text(evaluator.budget(), escaped(text), true);
}

Result<Value> safe_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  VB_TRY(std::string text, to_text(self, evaluator.budget()));
  return new_text(evaluator.budget(), std::move(text), true);
}

Result<Value> string_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  if (self.is_string()) return self;
  VB_TRY(std::string text, to_text(self, evaluator.budget()));
  return new_text(evaluator.budget(), std::move(text));
}

std::string url_quoted(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query);
    if (plain)
      out += c;
    else
      out += c == ' ' && query ? "+" : format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

Result<Value> urlencode_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  Budget& budget = evaluator.budget();
  if (!self.is_dict()) {
    VB_TRY(const std::string text, to_text(self, budget));
    return new_text(budget, url_quoted(text, false));
  }
  std::vector<std::string> pairs;
  for (const auto& [key, value] : self.dict().entries()) {
    VB_TRY(const std::string name, to_text(key, budget));
    VB_TRY(const std::string text, to_text(value, budget));
    pairs.push_back(url_quoted(name, true) + "=" + url_quoted(text, true));
  }
  return new_text(budget, join(pairs, "&"));
}

}  // namespace

std::span<const Native> text_filters() {
  static constexpr Native kFilters[] = {
      {"capitalize", changed<capitalized>}, {"lower", changed<lower_text>},     {"upper", changed<upper_text>},
      {"title", changed<title_words>},      {"trim", trim_filter},              {"replace", replace_filter},
      {"indent", indent_filter},            {"center", center_filter},          {"format", format_filter},
      {"truncate", truncate_filter},        {"wordcount", wordcount_filter},    {"wordwrap", wordwrap_filter},
      {"striptags", changed<without_tags>}, {"escape", escape_filter},          {"e", escape_filter},
      {"forceescape", forceescape_filter},  {"safe", safe_filter},              {"string", string_filter},
      {"urlencode", urlencode_filter},
  };
  return kFilters;
}

}  // namespace vauban::jinja
