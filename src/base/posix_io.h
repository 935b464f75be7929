/// The few POSIX calls that more than one file of base needs, with EINTR retried and errors named. For base only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace vauban::posix {

/// not_found, resource or io by `error_number`: "cannot <action> '<path>': <reason of the system>".
Error os_error(std::string_view action, const std::filesystem::path& path, int error_number);

/// A descriptor that closes itself. Not for writing: a close that fails is not reported.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// What lies at `path`, for reading. Errors: not_found, io, invalid_input for a folder.
struct Input {
  Fd fd;
  bool is_regular;
  std::size_t size_bytes;  ///< 0 when not regular (a pipe)
};
Result<Input> open_input(const std::filesystem::path& path);

/// Reads up to buffer.size() bytes; 0 means the end.
Result<std::size_t> read_some(const Fd& fd, std::span<std::byte> buffer, const std::filesystem::path& path);

}  // namespace vauban::posix
