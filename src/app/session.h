/// Session: what one command runs with. Made once per process, after the flags have been read.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "app/output.h"
#include "base/context.h"

namespace vauban {

/// Set by SIGINT and SIGTERM; lives as long as the process.
CancelToken& process_cancel_token();
void install_signal_handlers();

class Session {
 public:
  /// `given`: names of the options that the command line set, where defaults may still be overruled by a file.
  Session(const CommonOptions& options, std::vector<std::string> command_line, std::vector<std::string> given = {});
  const CommonOptions& options() const { return options_; }
  const Context& context() const { return context_; }
  Output& out() { return out_; }
  /// The command as it was typed; for reports' `commands`.
  const std::vector<std::string>& command_line() const { return command_line_; }
  bool was_given(std::string_view option) const { return std::ranges::find(given_, option) != given_.end(); }

 private:
  CommonOptions options_;
  std::vector<std::string> command_line_, given_;
  ThreadPool pool_;
  SystemClock clock_;
  ProgressPrinter progress_;
  Context context_;
  Output out_;
};

}  // namespace vauban
