#include "base/posix_io.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace vauban::posix {
namespace {

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ErrorCode::resource;
    default:
      return ErrorCode::io;
  }
}

Error unreadable(const std::filesystem::path& path, std::string_view found) {
  return invalid_input("expected a file at '{}', found {}", path.string(), found);
}

/// Until there is something to read or the last writer has gone. poll() is the call that a signal always ends.
Result<void> wait_for(const Fd& fd, const std::filesystem::path& path) {
  pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, -1) >= 0) return ok();
  if (errno == EINTR) return cancelled("stopped while waiting for '{}'", path.string());
  return os_error("wait for", path, errno);
}

}  // namespace

Error os_error(std::string_view action, const std::filesystem::path& path, int error_number) {
  const std::string reason = std::generic_category().message(error_number);
  return make_error(code_of(error_number), "cannot {} '{}': {}", action, path.string(), reason);
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Input> open_input(const std::filesystem::path& path) {
  int raw = -1;
  // Without O_NONBLOCK the open of a pipe waits for its writer.
  do raw = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  while (raw < 0 && errno == EINTR);
  if (raw < 0 && errno == ENXIO) return unreadable(path, "a socket or a device");
  if (raw < 0) return os_error("open", path, errno);
  Fd fd(raw);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return os_error("read the size of", path, errno);
  if (S_ISDIR(info.st_mode)) return unreadable(path, "a folder");
  const bool is_regular = S_ISREG(info.st_mode);
  if (!is_regular && !S_ISFIFO(info.st_mode) && ::isatty(fd.get()) != 1) return unreadable(path, "a device");
  return Input{std::move(fd), is_regular, is_regular ? static_cast<std::size_t>(info.st_size) : 0};
}

Result<Input> open_regular(const std::filesystem::path& path, std::string_view purpose) {
  VB_TRY(Input input, open_input(path));
  if (input.is_regular) return input;
  return with_hint(invalid_input("expected a regular file at '{}', to {}; found a pipe or a terminal", path.string(), purpose),
                   "write what it gives into a file, and name that");
}

Result<std::size_t> read_some(const Input& input, std::span<std::byte> buffer, const std::filesystem::path& path) {
  for (;;) {
    if (!input.is_regular) VB_CHECK(wait_for(input.fd, path));
    const ssize_t got = ::read(input.fd.get(), buffer.data(), buffer.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR && errno != EAGAIN) return os_error("read", path, errno);
  }
}

}  // namespace vauban::posix
