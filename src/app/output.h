/// Output: stdout is the product, stderr is for progress and logs.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

class Output {
 public:
  Output(bool json, std::FILE* out = stdout, std::FILE* err = stderr) : json_(json), out_(out), err_(err) {}
  bool json() const { return json_; }

  /// One JSON document and a newline. Errors: internal for a number that JSON cannot hold; io.
  Result<void> print_json(const Json& document, int indent = 2);
  /// One compact JSON line, for commands that stream.
  Result<void> print_json_line(const Json& document) { return print_json(document, -1); }
  void text(std::string_view text);  ///< exactly these bytes, flushed
  void note(std::string_view line);  ///< a line on stderr

 private:
  bool json_;
  std::FILE* out_;
  std::FILE* err_;
};

/// Draws `task  12/60 prompts  3.4/s  ETA 14 s` on stderr when it is a terminal, and a line every ten seconds when not.
/// Silent for the first two seconds.
class ProgressPrinter final : public ProgressSink {
 public:
  ProgressPrinter(const Clock& clock, bool quiet);
  ~ProgressPrinter() override;
  void update(std::string_view task, std::uint64_t done, std::uint64_t total, std::string_view unit) override;
  void finish(std::string_view task) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The error as the command line prints it: cli.md.
Json to_json(const Error& error);
/// 0..4 and 130: the table of cli.md.
int exit_code_of(ErrorCode code);

}  // namespace vauban
