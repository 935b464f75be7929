#include "base/files.h"

#include <cerrno>
#include <new>
#include <sys/mman.h>

#include "base/posix_io.h"

namespace vauban {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;

Error too_large(const std::filesystem::path& path, std::size_t limit_bytes) {
  return resource("'{}' is larger than the limit of {} bytes", path.string(), limit_bytes);
}

Result<std::string> read_all(const posix::Input& input, const std::filesystem::path& path, std::size_t limit_bytes) {
  std::string text;
  text.reserve(input.size_bytes);
  std::string buffer(kReadBytes, '\0');  // a pipe or a device has no size to go by
  for (;;) {
    VB_TRY(const std::size_t got, posix::read_some(input, std::as_writable_bytes(std::span(buffer)), path));
    if (got == 0) return text;
    if (got > limit_bytes - text.size()) return too_large(path, limit_bytes);
    text.append(buffer, 0, got);
  }
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  VB_TRY(const posix::Input input, posix::open_regular(path, "map it into memory"));
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->path_ = path;
  if (input.size_bytes == 0) return std::shared_ptr<const MappedFile>(std::move(file));  // mmap refuses length 0
  void* start = ::mmap(nullptr, input.size_bytes, PROT_READ, MAP_PRIVATE, input.fd.get(), 0);
  if (start == MAP_FAILED) return posix::os_error("map", path, errno);
  file->bytes_ = {static_cast<const std::byte*>(start), input.size_bytes};
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  VB_TRY(const posix::Input input, posix::open_input(path));
  if (input.size_bytes > limit_bytes) return too_large(path, limit_bytes);
  try {
    return read_all(input, path, limit_bytes);
  } catch (const std::bad_alloc&) {
    return resource("not enough memory to read the {} bytes of '{}'", input.size_bytes, path.string());
  }
}

}  // namespace vauban
