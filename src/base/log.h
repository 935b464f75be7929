/// Logger: lines for people, on stderr. A log line is never evidence, and stdout is the product, so never goes there.
///
///   log.warn("{} prompts have no category", n);      ->      warning: 3 prompts have no category
///
/// Made in main and passed on. Any thread may log; lines do not mix. Control characters are escaped, since a text from
/// a model file may be among the arguments.
#pragma once

#include <cstdio>
#include <string_view>
#include <utility>

#include "base/format.h"

namespace vauban {

enum class LogLevel { info, warning, silent };  ///< the least severe that is still written

class Logger {
 public:
  /// `sink` stays the caller's and must outlive this.
  explicit Logger(LogLevel level, std::FILE* sink = stderr) : level_(level), sink_(sink) {}

  template <class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) const {
    if (level_ <= LogLevel::info) write("", fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> text, Args&&... args) const {
    if (level_ <= LogLevel::warning) write("warning: ", fmt::format(text, std::forward<Args>(args)...));
  }

 private:
  void write(std::string_view prefix, std::string_view message) const;

  LogLevel level_;
  std::FILE* sink_;
};

}  // namespace vauban
