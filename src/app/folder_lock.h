/// FolderLock: holds a folder while a command writes it, so that two processes cannot write it at once.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace vauban {

class FolderLock {
 public:
  /// Makes the folder. Errors: io; resource when another process holds it.
  static Result<FolderLock> take(const std::filesystem::path& folder);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace vauban
