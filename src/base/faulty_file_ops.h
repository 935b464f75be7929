/// For tests: the operating system, with one planted fault.
#pragma once

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/files.h"

namespace vauban::test {

/// Passes every call on and keeps its name; the call `fault.call` number `fault.nth` (from 0) and the `fault.times - 1`
/// next ones of that name fail with `fault.error_number`.
class FaultyFileOps final : public FileOps {
 public:
  struct Fault {
    std::string call;
    int nth = 0;
    int error_number = 0;
    int times = 1;
  };

  FaultyFileOps() = default;
  explicit FaultyFileOps(Fault fault) : fault_(std::move(fault)) {}

  std::size_t max_write_bytes = static_cast<std::size_t>(-1);  ///< longer writes are short ones
  std::vector<std::string> calls;

  int n_open() const { return n_open_; }

  int open(const char* path, int flags, unsigned mode) override {
    if (fails("open")) return -1;
    const int fd = real_file_ops().open(path, flags, mode);
    n_open_ += fd >= 0;
    return fd;
  }
  long write(int fd, const void* data, std::size_t size) override {
    if (fails("write")) return fault_.error_number == 0 ? 0 : -1;
    return real_file_ops().write(fd, data, std::min(size, max_write_bytes));
  }
  int fsync(int fd) override { return fails("fsync") ? -1 : real_file_ops().fsync(fd); }
  int close(int fd) override {
    --n_open_;
    const int closed = real_file_ops().close(fd);
    return fails("close") ? -1 : closed;
  }
  int rename(const char* from, const char* to) override {
    return fails("rename") ? -1 : real_file_ops().rename(from, to);
  }
  int unlink(const char* path) override { return fails("unlink") ? -1 : real_file_ops().unlink(path); }

 private:
  bool fails(const std::string& call) {
    const auto nth = static_cast<int>(std::count(calls.begin(), calls.end(), call));
    calls.push_back(call);
    if (call != fault_.call || nth < fault_.nth || nth >= fault_.nth + fault_.times) return false;
    errno = fault_.error_number;
    return true;
  }

  Fault fault_;
  int n_open_ = 0;
};

}  // namespace vauban::test
