#include "base/config/toml_scan.h"

#include <algorithm>
#include <string>

#include "base/config/toml.h"

namespace vauban {
namespace {

class Scanner {
 public:
  Scanner(std::string_view text, std::string_view file_name) : text_(text), file_name_(file_name) {}

  Result<void> run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'')
        skip_string(c);
      else if (c == '#')
        skip_comment();
      else
        VB_CHECK(step(c));
    }
    return ok();
  }

 private:
  Result<void> step(char c) {
    switch (c) {
      case '\n': new_line(); break;
      case '[':
      case '{': VB_CHECK(open(c)); break;
      case ']':
      case '}': close(); break;
      case ',': dots_ = 0; break;
      case '=': VB_CHECK(end_of_key()); break;
      case '.': VB_CHECK(dot()); break;
      default: break;
    }
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') line_is_blank_ = false;
    ++at_;
    return ok();
  }

  void new_line() {
    ++line_;
    line_start_ = at_ + 1;
    line_is_blank_ = true;
    dots_ = 0;
  }

  Result<void> open(char c) {
    dots_ = 0;
    if (c == '[' && depth_ == 0 && line_is_blank_) VB_CHECK(count_table());
    if (++depth_ > kMaxTomlDepth) return beyond("nesting", kMaxTomlDepth, "levels");
    return ok();
  }

  void close() {
    dots_ = 0;
    if (depth_ > 0) --depth_;
  }

  Result<void> end_of_key() {
    if (dots_ > 0) VB_CHECK(count_table());
    dots_ = 0;
    return ok();
  }

  Result<void> dot() {
    if (++dots_ >= kMaxTomlDepth) return beyond("a dotted key", kMaxTomlDepth, "parts");
    return ok();
  }

  Result<void> count_table() {
    if (++tables_ > kMaxTomlTables) return beyond("the document", kMaxTomlTables, "table headers and dotted keys");
    return ok();
  }

  Error beyond(std::string_view what, int limit, std::string_view unit) const {
    return resource("{}:{}:{}: {} has more than {} {}", file_name_, line_, at_ - line_start_ + 1, what, limit, unit);
  }

  void skip_comment() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  /// A single-line string also ends, unclosed, at the end of its line: the parser will say so.
  void skip_string(char quote) {
    line_is_blank_ = false;
    const std::string_view rest = text_.substr(at_);
    const bool multi_line = rest.size() >= 3 && rest[1] == quote && rest[2] == quote;
    at_ += multi_line ? 3 : 1;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && quote == '"') {
        skip_escape();
      } else if (text_[at_] == '\n') {
        if (!multi_line) return;
        skip_line_break();
      } else if (text_[at_] == quote && (!multi_line || text_.substr(at_ + 1, 2) == std::string(2, quote))) {
        at_ += multi_line ? 3 : 1;
        for (int extra = 0; multi_line && extra < 2 && at_ < text_.size() && text_[at_] == quote; ++extra) ++at_;
        return;
      }
    }
  }

  void skip_escape() {
    if (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
  }

  void skip_line_break() {
    ++line_;
    line_start_ = at_ + 1;
  }

  std::string_view text_, file_name_;
  std::size_t at_ = 0, line_start_ = 0, line_ = 1;
  int depth_ = 0, dots_ = 0, tables_ = 0;
  bool line_is_blank_ = true;
};

}  // namespace

Result<void> scan_toml(std::string_view text, std::string_view file_name) { return Scanner(text, file_name).run(); }

}  // namespace vauban
