/// Runs the vauban executable and keeps what it said.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "support/test_data.h"

namespace vauban::test {

struct Outcome {
  int exit_code = -1;  ///< -1 when a signal ended the program
  int signal = 0;
  std::string out, err;

  /// The one JSON document on stdout; a failure of the test, and null, when it is anything else.
  Json json() const;
  /// A JSON document per line.
  std::vector<Json> json_lines() const;
};

/// A running program. The destructor kills it if nobody waited.
class Program {
 public:
  /// `out`: where stdout goes instead of into the outcome.
  explicit Program(const std::vector<std::string>& args, const std::filesystem::path& folder = {}, const std::filesystem::path& out = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  pid_t pid() const { return pid_; }
  void send(int signal) const;
  bool is_running();
  Outcome wait();

 private:
  void take(int status);
  TempDir streams_;
  pid_t pid_ = -1;
  bool ended_ = false;
  Outcome outcome_;
};

/// `vauban ARGS`, run in `folder` (default: the current one), to its end.
Outcome vauban(const std::vector<std::string>& args, const std::filesystem::path& folder = {});

}  // namespace vauban::test
