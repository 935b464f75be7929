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

struct Input {
  Fd fd;
  bool is_regular;
  std::size_t size_bytes;  ///< 0 when not regular (a pipe)
};
/// What lies at `path`, for reading once from its begin to its end: a regular file, a pipe (also /dev/stdin and a shell's
/// `<(...)`) or a terminal. Never waits: a pipe without a writer opens at once, and read_some waits for it.
/// Errors: not_found, io, invalid_input for a folder, a socket or a device, which may have no end.
Result<Input> open_input(const std::filesystem::path& path);
/// The same where the size must be known or the file is read again: regular files only. Errors: invalid_input for a pipe
/// or a terminal too, saying "to <purpose>".
Result<Input> open_regular(const std::filesystem::path& path, std::string_view purpose);

/// Reads up to buffer.size() bytes; 0 means the end. Errors: io; cancelled where a signal with a handler (Ctrl-C) comes
/// while it waits for a pipe or a terminal.
Result<std::size_t> read_some(const Input& input, std::span<std::byte> buffer, const std::filesystem::path& path);

}  // namespace vauban::posix
