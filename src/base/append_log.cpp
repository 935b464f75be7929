#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/context.h"
#include "base/files.h"
#include "base/posix_io.h"

namespace vauban {
namespace {

constexpr std::chrono::milliseconds kSyncInterval{250};
constexpr std::size_t kScanBytes = std::size_t{64} << 10;

/// Bytes up to and with the last newline, read backwards since logs are long and the torn part is short.
Result<std::size_t> whole_lines_bytes(const posix::Input& input, const std::filesystem::path& path) {
  std::string block;
  for (std::size_t end = input.size_bytes; end > 0;) {
    const std::size_t begin = end > kScanBytes ? end - kScanBytes : 0;
    block.resize(end - begin);
    const ssize_t got = ::pread(input.fd.get(), block.data(), block.size(), static_cast<off_t>(begin));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return posix::os_error("read", path, errno);
    if (static_cast<std::size_t>(got) != block.size()) return io("'{}' shrank while it was read", path.string());
    if (const std::size_t newline = block.rfind('\n'); newline != std::string::npos) return begin + newline + 1;
    end = begin;
  }
  return std::size_t{0};
}

Result<void> drop_torn_line(const std::filesystem::path& path) {
  std::error_code problem;
  if (!std::filesystem::exists(path, problem)) return ok();
  VB_TRY(const posix::Input input, posix::open_regular(path, "append to it"));
  VB_TRY(const std::size_t whole, whole_lines_bytes(input, path));
  if (whole == input.size_bytes) return ok();
  std::filesystem::resize_file(path, whole, problem);
  if (problem) return posix::os_error("drop the torn last line of", path, problem.value());
  return ok();
}

}  // namespace

struct AppendLog::State {
  std::filesystem::path path;
  FileOps& ops;
  const Clock& clock;
  int fd;
  std::chrono::nanoseconds synced_at;
  bool has_unsynced = true;  // a new file, or the cut of a torn line
  bool failed = false;

  State(std::filesystem::path file, FileOps& file_ops, const Clock& time, int descriptor)
      : path(std::move(file)), ops(file_ops), clock(time), fd(descriptor), synced_at(time.monotonic()) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (!failed) (void)sync();  // nobody is left to tell; who needs to know calls sync()
    ops.close(fd);
  }

  /// A line may now be torn, which only the next open() repairs, so nothing may follow it.
  Error fail(std::string_view action, int error_number) {
    failed = true;
    return posix::os_error(action, path, error_number);
  }

  Result<void> write(std::string_view text) {
    while (!text.empty()) {
      const long written = ops.write(fd, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return fail("append to", written < 0 ? errno : ENOSPC);
      text.remove_prefix(std::min(static_cast<std::size_t>(written), text.size()));
      has_unsynced = true;
    }
    return ok();
  }

  Result<void> check_usable() const {
    if (failed) return io("an earlier write to '{}' failed; open it again to go on", path.string());
    return ok();
  }

  Result<void> sync() {
    VB_CHECK(check_usable());
    if (!has_unsynced) return ok();
    int status = 0;
    do status = ops.fsync(fd);
    while (status < 0 && errno == EINTR);
    // After a failed fsync the kernel may have dropped the pages, so that a second one could succeed falsely.
    if (status < 0) return fail("sync", errno);
    synced_at = clock.monotonic();
    has_unsynced = false;
    return ok();
  }
};

AppendLog::AppendLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
AppendLog::~AppendLog() = default;
AppendLog::AppendLog(AppendLog&&) noexcept = default;
AppendLog& AppendLog::operator=(AppendLog&&) noexcept = default;

Result<AppendLog> AppendLog::open(const std::filesystem::path& path, FileOps& ops, const Clock& clock) {
  VB_CHECK(drop_torn_line(path));
  int fd = -1;
  do fd = ops.open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return posix::os_error("open", path, errno);
  return AppendLog(std::make_unique<State>(path, ops, clock, fd));
}

Result<void> AppendLog::append(std::string_view line) {
  VB_CHECK(state_->check_usable());
  if (line.find('\n') != std::string_view::npos)
    return internal("a line for '{}' contains a newline", state_->path.string());
  std::string text;
  text.reserve(line.size() + 1);
  text.append(line).push_back('\n');
  VB_CHECK(state_->write(text));
  if (state_->clock.monotonic() - state_->synced_at >= kSyncInterval) return state_->sync();
  return ok();
}

Result<void> AppendLog::sync() { return state_->sync(); }

Result<std::string> read_log(const std::filesystem::path& path) {
  VB_TRY(std::string text, read_file(path));
  text.resize(text.rfind('\n') + 1);  // npos + 1 == 0: no whole line
  return text;
}

}  // namespace vauban
