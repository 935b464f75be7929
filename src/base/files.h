/// Files: read-only maps, whole reads, and writes that never leave a torn file.
///
/// All writing goes through FileOps, so that tests can inject a short write, a full disk or a failed fsync.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/result.h"

namespace vauban {

/// A file mapped read-only. Cheap to share; the bytes live as long as the object.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

/// Errors: not_found, io, resource when the file is larger than `limit_bytes`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes = std::size_t{1} << 30);

/// The system calls of a writer. `real_file_ops()` is the operating system.
class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual int open(const char* path, int flags, unsigned mode) = 0;
  virtual long write(int fd, const void* data, std::size_t size) = 0;
  virtual int fsync(int fd) = 0;
  virtual int close(int fd) = 0;
  virtual int rename(const char* from, const char* to) = 0;
  virtual int unlink(const char* path) = 0;
};
FileOps& real_file_ops();

/// Writes beside the target and renames on commit: write temp, fsync, rename, fsync the folder. Without a successful
/// commit() the old file stays as it was and the temporary one is removed.
/// Errors: not_found (no such folder), resource (disk full), io. When only the sync of the folder failed the new file
/// is already in place, and the error says so.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& target, FileOps& ops = real_file_ops());
  ~AtomicFile();
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view text);
  Result<void> commit();

 private:
  struct State;
  explicit AtomicFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};
Result<void> write_file_atomic(const std::filesystem::path& target, std::string_view text,
                               FileOps& ops = real_file_ops());

/// Whether this is the unfinished file of an AtomicFile: after a kill it lies beside its target until removed.
bool is_temporary_file(const std::filesystem::path& path);
/// Removes those of `folder` (not of folders in it). Call while nobody else writes there.
Result<void> remove_temporary_files(const std::filesystem::path& folder);

/// Appends whole lines to a file that may be cut by a crash: open() drops a torn last line (one without '\n').
/// append() writes at once; sync() makes everything durable, and so does the first append() after 250 ms and the
/// destructor. After a failed write or sync every later call fails, since a line may be torn: open the log again.
/// One thread at a time.
class AppendLog {
 public:
  static Result<AppendLog> open(const std::filesystem::path& path, FileOps& ops = real_file_ops(),
                                const Clock& clock = system_clock());
  ~AppendLog();
  AppendLog(AppendLog&&) noexcept;
  AppendLog& operator=(AppendLog&&) noexcept;
  Result<void> append(std::string_view line);  ///< without the newline; must not contain one
  Result<void> sync();

 private:
  struct State;
  explicit AppendLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The whole lines of an AppendLog, also of one whose writer was killed: a torn last line (one without '\n') was not
/// written, and is not returned. Errors: those of read_file.
Result<std::string> read_log(const std::filesystem::path& path);

}  // namespace vauban
