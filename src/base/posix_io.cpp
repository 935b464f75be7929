#include "base/posix_io.h"

#include <cerrno>
#include <fcntl.h>
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
  do raw = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  while (raw < 0 && errno == EINTR);
  if (raw < 0) return os_error("open", path, errno);
  Fd fd(raw);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return os_error("read the size of", path, errno);
  if (S_ISDIR(info.st_mode)) return invalid_input("expected a file at '{}', found a folder", path.string());
  const bool is_regular = S_ISREG(info.st_mode);
  return Input{std::move(fd), is_regular, is_regular ? static_cast<std::size_t>(info.st_size) : 0};
}

Result<std::size_t> read_some(const Fd& fd, std::span<std::byte> buffer, const std::filesystem::path& path) {
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return os_error("read", path, errno);
  }
}

}  // namespace vauban::posix
