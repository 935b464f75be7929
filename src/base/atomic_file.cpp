#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/posix_io.h"

namespace vauban {
namespace {

constexpr int kNameAttempts = 1000;
constexpr std::size_t kNameBytes = 180;  // of the target's name, since a name may have 255
constexpr std::string_view kTemporaryMark = ".vauban-tmp-";

class RealFileOps final : public FileOps {
 public:
  int open(const char* path, int flags, unsigned mode) override { return ::open(path, flags, mode); }
  long write(int fd, const void* data, std::size_t size) override { return ::write(fd, data, size); }
  int fsync(int fd) override { return ::fsync(fd); }
  int close(int fd) override { return ::close(fd); }
  int rename(const char* from, const char* to) override { return std::rename(from, to); }
  int unlink(const char* path) override { return ::unlink(path); }
};

template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  return folder.empty() ? "." : folder;
}

std::filesystem::path temporary_name(const std::filesystem::path& target, int attempt) {
  const std::string name = target.filename().string().substr(0, kNameBytes);
  return folder_of(target) / format(".{}{}{}-{}", name, kTemporaryMark, ::getpid(), attempt);
}

/// The mode that a replaced file keeps.
unsigned mode_for(const std::filesystem::path& target) {
  std::error_code absent;
  const auto status = std::filesystem::status(target, absent);
  if (absent || !std::filesystem::exists(status)) return 0666;
  return static_cast<unsigned>(status.permissions()) & 0777;
}

}  // namespace

FileOps& real_file_ops() {
  static RealFileOps ops;  // holds nothing
  return ops;
}

struct AtomicFile::State {
  FileOps& ops;
  std::filesystem::path target;
  std::filesystem::path temporary;
  int fd;
  bool failed = false;
  bool renamed = false;

  State(FileOps& file_ops, std::filesystem::path to, std::filesystem::path from, int descriptor)
      : ops(file_ops), target(std::move(to)), temporary(std::move(from)), fd(descriptor) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (fd >= 0) ops.close(fd);
    if (!renamed) ops.unlink(temporary.c_str());
  }

  Error fail(std::string_view action, int error_number) {
    failed = true;
    return with_context(posix::os_error(action, temporary, error_number),
                        format("while writing '{}'", target.string()));
  }

  Result<void> check_open() const {
    if (renamed) return internal("'{}' was already committed", target.string());
    if (failed) return io("an earlier write of '{}' failed", target.string());
    return ok();
  }

  Result<void> close_temporary() {
    // Linux has released the descriptor even when close() was interrupted, and the bytes are already synced.
    const int closed = ops.close(std::exchange(fd, -1));
    if (closed < 0 && errno != EINTR) return fail("close", errno);
    return ok();
  }

  Result<void> replace_target() {
    if (retried([&] { return ops.fsync(fd); }) < 0) return fail("sync", errno);
    VB_CHECK(close_temporary());
    if (retried([&] { return ops.rename(temporary.c_str(), target.c_str()); }) < 0) return fail("rename", errno);
    renamed = true;
    return ok();
  }

  Result<void> sync_folder(int folder) {
    if (retried([&] { return ops.fsync(folder); }) == 0) return ok();
    if (errno == EINVAL || errno == ENOTSUP) return ok();  // file systems where a folder needs no sync
    return with_context(posix::os_error("sync the folder of", target, errno),
                        "the new file is in place, but may be lost by a power failure");
  }
};

AtomicFile::AtomicFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
AtomicFile::~AtomicFile() = default;
AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;
AtomicFile& AtomicFile::operator=(AtomicFile&&) noexcept = default;

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& target, FileOps& ops) {
  if (!target.has_filename()) return invalid_input("expected the path of a file, found '{}'", target.string());
  // A rename would turn a device, a pipe or a link into a file.
  std::error_code ignored;
  const std::filesystem::file_status there = std::filesystem::symlink_status(target, ignored);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there) && !std::filesystem::is_directory(there))
    return invalid_input("'{}' is not a regular file: it is left as it is", target.string());
  const unsigned mode = mode_for(target);
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    const std::filesystem::path temporary = temporary_name(target, attempt);
    const int fd = retried([&] { return ops.open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode); });
    if (fd >= 0) return AtomicFile(std::make_unique<State>(ops, target, temporary, fd));
    if (errno != EEXIST) return posix::os_error("create a file beside", target, errno);
  }
  return io("cannot create a file beside '{}': {} temporary names are taken", target.string(), kNameAttempts);
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  VB_CHECK(state_->check_open());
  while (!bytes.empty()) {
    const long written = retried([&] { return state_->ops.write(state_->fd, bytes.data(), bytes.size()); });
    if (written < 0) return state_->fail("write", errno);
    if (written == 0) return state_->fail("write", ENOSPC);  // no progress and no reason: do not spin
    bytes = bytes.subspan(std::min(static_cast<std::size_t>(written), bytes.size()));
  }
  return ok();
}

Result<void> AtomicFile::write(std::string_view text) { return write(std::as_bytes(std::span(text))); }

Result<void> AtomicFile::commit() {
  VB_CHECK(state_->check_open());
  FileOps& ops = state_->ops;
  // Opened before the rename, so that a folder that cannot be opened leaves the old file.
  const std::filesystem::path folder_path = folder_of(state_->target);
  const int folder = retried([&] { return ops.open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  if (folder < 0) return state_->fail("open the folder of", errno);
  Result<void> done = state_->replace_target();
  if (done) done = state_->sync_folder(folder);
  ops.close(folder);
  return done;
}

Result<void> write_file_atomic(const std::filesystem::path& target, std::string_view text, FileOps& ops) {
  VB_TRY(AtomicFile file, AtomicFile::create(target, ops));
  VB_CHECK(file.write(text));
  return file.commit();
}

bool is_temporary_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') && name.find(kTemporaryMark) != std::string::npos;
}

Result<void> remove_temporary_files(const std::filesystem::path& folder) {
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (!is_temporary_file(entry->path())) continue;
    std::filesystem::remove(entry->path(), problem);
    if (problem) return posix::os_error("remove", entry->path(), problem.value());
  }
  if (problem) return posix::os_error("list", folder, problem.value());
  return ok();
}

}  // namespace vauban
