#include "trace/spill_pool.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>

#include "base/format.h"

namespace vauban {
namespace {

Error system_error(std::string_view action, const std::filesystem::path& path, int number) {
  const ErrorCode code = number == ENOSPC || number == EDQUOT ? ErrorCode::resource : ErrorCode::io;
  Error error = make_error(code, "cannot {} the temporary file '{}': {}", action, path.string(), std::strerror(number));
  return with_hint(std::move(error),
                   "free space there, ask for fewer payloads, or set another folder for temporary files");
}

}  // namespace

SpillPool::SpillPool(std::size_t memory_limit_bytes, std::filesystem::path folder, FileOps& ops)
    : memory_limit_bytes_(memory_limit_bytes), parent_(std::move(folder)), ops_(ops) {}

SpillPool::~SpillPool() {
  std::error_code ignored;
  if (spilled()) std::filesystem::remove_all(folder_, ignored);
}

SpillPool::Log SpillPool::open() {
  entries_.emplace_back();
  return entries_.size() - 1;
}

std::filesystem::path SpillPool::file_of(Log log) const { return folder_ / format("log.{}", log); }

Result<void> SpillPool::make_folder() {
  if (spilled()) return ok();
  std::string pattern = (parent_ / "vauban-spill-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) return system_error("create a folder for", pattern, errno);
  folder_ = pattern;
  return ok();
}

Result<void> SpillPool::flush(Log log) {
  Entry& entry = entries_[log];
  if (entry.buffer.empty()) return ok();
  VB_CHECK(make_folder());
  const std::filesystem::path path = file_of(log);
  const int fd = ops_.open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return system_error("open", path, errno);
  std::span<const std::byte> rest = entry.buffer;
  int failure = 0;
  while (!rest.empty() && failure == 0) {
    const long written = ops_.write(fd, rest.data(), rest.size());
    if (written >= 0)
      rest = rest.subspan(static_cast<std::size_t>(written));
    else if (errno != EINTR)
      failure = errno;
  }
  if (ops_.close(fd) != 0 && failure == 0) failure = errno;
  if (failure != 0) return system_error("write", path, failure);
  entry.bytes_on_disk += entry.buffer.size();
  bytes_in_memory_ -= entry.buffer.size();
  std::vector<std::byte>().swap(entry.buffer);
  return ok();
}

Result<void> SpillPool::flush_all() {
  for (Log log = 0; log < entries_.size(); ++log) VB_CHECK(flush(log));
  return ok();
}

Result<void> SpillPool::append(Log log, std::span<const std::byte> bytes) {
  std::vector<std::byte>& buffer = entries_[log].buffer;
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
  bytes_in_memory_ += bytes.size();
  if (bytes_in_memory_ <= memory_limit_bytes_) return ok();
  return flush_all();
}

std::uint64_t SpillPool::size_bytes(Log log) const { return entries_[log].bytes_on_disk + entries_[log].buffer.size(); }

Result<SpillPool::Contents> SpillPool::read(Log log) {
  if (entries_[log].bytes_on_disk == 0) return Contents{entries_[log].buffer, nullptr};
  VB_CHECK(flush(log));
  VB_TRY(std::shared_ptr<const MappedFile> map, MappedFile::open(file_of(log)));
  if (map->bytes().size() != entries_[log].bytes_on_disk)
    return io("temporary file '{}': expected {} bytes, found {}: something else wrote to it", file_of(log).string(),
              entries_[log].bytes_on_disk, map->bytes().size());
  return Contents{map->bytes(), map};
}

void SpillPool::discard(Log log) {
  Entry& entry = entries_[log];
  bytes_in_memory_ -= entry.buffer.size();
  if (entry.bytes_on_disk > 0) ops_.unlink(file_of(log).c_str());
  entry = Entry();
}

}  // namespace vauban
