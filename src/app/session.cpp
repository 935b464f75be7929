#include "app/session.h"

#include <csignal>

namespace vauban {

CancelToken& process_cancel_token() {
  static CancelToken token;
  return token;
}

namespace {
// The second signal ends the process the ordinary way, in case the first is not noticed.
void on_signal(int signal) {
  process_cancel_token().cancel();
  std::signal(signal, SIG_DFL);
}
}  // namespace

void install_signal_handlers() {
  process_cancel_token();
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);
}

Session::Session(const CommonOptions& options, std::vector<std::string> command_line, std::vector<std::string> given)
    : options_(options),
      command_line_(std::move(command_line)),
      given_(std::move(given)),
      pool_(options.threads),
      progress_(clock_, options.quiet),
      context_{pool_, clock_, progress_, process_cancel_token(), options.seed},
      out_(options.json) {}

}  // namespace vauban
