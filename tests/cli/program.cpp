#include "cli/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/result.h"
#include "base/strings.h"

extern char** environ;

namespace vauban::test {
namespace {

std::vector<char*> c_strings(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

pid_t spawn(const std::vector<std::string>& args, const std::filesystem::path& folder, const std::filesystem::path& out,
            const std::filesystem::path& err) {
  std::vector<std::string> words{VAUBAN_PROGRAM};
  words.insert(words.end(), args.begin(), args.end());
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, VAUBAN_PROGRAM, &actions, nullptr, c_strings(words).data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << "could not start " << VAUBAN_PROGRAM;
  return error == 0 ? pid : -1;
}

}  // namespace

Program::Program(const std::vector<std::string>& args, const std::filesystem::path& folder, const std::filesystem::path& out)
    : pid_(spawn(args, folder, out.empty() ? streams_ / "out" : out, streams_ / "err")), ended_(pid_ < 0) {}

Program::~Program() {
  if (ended_) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
}

void Program::send(int signal) const { ::kill(pid_, signal); }

void Program::take(int status) {
  ended_ = true;
  outcome_ = {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
  outcome_.out = read_text(streams_ / "out");
  outcome_.err = read_text(streams_ / "err");
}

bool Program::is_running() {
  int status = 0;
  if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) take(status);
  return !ended_;
}

Outcome Program::wait() {
  int status = 0;
  if (!ended_ && ::waitpid(pid_, &status, 0) == pid_) take(status);
  return outcome_;
}

Json Outcome::json() const {
  const Result<Json> parsed = Json::parse(out);
  if (parsed) return *parsed;
  ADD_FAILURE() << "stdout is not one JSON document: " << describe(parsed.error()) << "\nstdout: " << out.substr(0, 500)
                << "\nstderr: " << err;
  return {};
}

std::vector<Json> Outcome::json_lines() const {
  std::vector<Json> lines;
  for (const std::string_view line : split(out, '\n')) {
    if (line.empty()) continue;
    const Result<Json> parsed = Json::parse(line);
    if (!parsed) ADD_FAILURE() << describe(parsed.error()) << " in: " << line;
    lines.push_back(parsed ? *parsed : Json());
  }
  return lines;
}

Outcome vauban(const std::vector<std::string>& args, const std::filesystem::path& folder) { return Program(args, folder).wait(); }

}  // namespace vauban::test
