#include "app/embedded/cache.h"

#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

/// The same bytes are the same SHA-256 and more.
bool holds(const fs::path& path, std::span<const std::byte> bytes) {
  std::error_code failed;
  if (!fs::is_regular_file(path, failed) || fs::file_size(path, failed) != bytes.size() || failed) return false;
  const auto mapped = MappedFile::open(path);
  return mapped && std::memcmp((*mapped)->bytes().data(), bytes.data(), bytes.size()) == 0;
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code failed;
  if (fs::create_directories(folder, failed)) fs::permissions(folder, fs::perms::owner_all, failed);
  if (failed) return io("cannot make the folder {}: {}", folder.string(), failed.message());
  return ok();
}

/// Whoever owns a folder may put other files in the place of those just compared.
Result<void> check_own(const fs::path& place) {
  struct stat found {};
  if (::lstat(place.c_str(), &found) != 0) return io("cannot look at {}", place.string());
  if (found.st_uid == ::geteuid() && (S_ISLNK(found.st_mode) || (found.st_mode & S_IWOTH) == 0)) return ok();
  return invalid_input("{} belongs to somebody else, or everybody may write it", place.string());
}

Result<void> write_where_different(const fs::path& path, std::span<const std::byte> bytes) {
  if (holds(path, bytes)) return ok();
  VB_CHECK(make_folder(path.parent_path()));
  VB_TRY(AtomicFile file, AtomicFile::create(path));
  VB_CHECK(file.write(bytes));
  return file.commit();
}

void add_below(std::vector<fs::path>& places, const char* variable, const char* below) {
  const char* const value = std::getenv(variable);
  // The base directory specification has relative values ignored.
  if (value && fs::path(value).is_absolute()) places.push_back(fs::path(value) / below);
}

}  // namespace

std::vector<fs::path> cache_places() {
  std::vector<fs::path> places;
  add_below(places, "XDG_CACHE_HOME", "vauban");
  add_below(places, "HOME", ".cache/vauban");
  std::error_code failed;
  const fs::path temporary = fs::temp_directory_path(failed);
  places.push_back((failed ? fs::path("/tmp") : temporary) / format("vauban-{}", ::geteuid()));
  return places;
}

Result<fs::path> write_cached(const fs::path& place, std::string_view name, std::span<const EmbeddedFile> files) {
  VB_CHECK(make_folder(place));
  VB_CHECK(check_own(place));
  const fs::path folder = place / name;
  for (const EmbeddedFile& file : files) VB_CHECK(write_where_different(folder / file.path, file.bytes));
  return folder;
}

Result<fs::path> cached_files(std::string_view name, std::span<const EmbeddedFile> files) {
  std::string tried;
  for (const fs::path& place : cache_places()) {
    Result<fs::path> written = write_cached(place, name, files);
    if (written) return written;
    tried += format("{}{}", tried.empty() ? "" : "; ", describe(written.error()));
  }
  return with_hint(io("the embedded model cannot be written out: {}", tried),
                   "set XDG_CACHE_HOME to a folder with 8 MB to spare");
}

}  // namespace vauban
