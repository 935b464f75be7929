#include "app/out_folder.h"

#include "base/files.h"
#include "base/strings.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTraces = "traces.jsonl", kPayloads = "artifacts";

bool is_payload_folder(const fs::path& path) {
  std::error_code ignored;
  return path.filename() == kPayloads && fs::is_directory(path, ignored);
}

Result<void> refuse_foreign_files(const fs::path& folder, const OutFolderKind& kind) {
  std::error_code error;
  const bool is_own = fs::is_regular_file(folder / kind.answer, error);
  error.clear();
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path name = it->path().filename();
    const bool own = is_own && (name == kind.answer || (kind.has_traces && name == kTraces));
    if (own || is_temporary_file(name) || is_payload_folder(it->path())) continue;
    return with_hint(invalid_input("'{}' is not empty and holds no answer of `vauban {}` alone: '{}' would be overwritten or mixed in",
                                   folder.string(), kind.command, printable(name.string(), 60)),
                     "use another --out, or an empty folder");
  }
  if (error) return io("could not list '{}': {}", folder.string(), error.message());
  return ok();
}

}  // namespace

Result<void> check_out_folder(const fs::path& folder, const OutFolderKind& kind) {
  std::error_code ignored;
  const fs::file_status there = fs::status(folder, ignored);
  if (!fs::exists(there)) return ok();
  if (fs::is_directory(there)) return refuse_foreign_files(folder, kind);
  return invalid_input("expected a folder at '{}', found a file", folder.string());
}

Result<FolderLock> take_out_folder(const fs::path& folder, const OutFolderKind& kind) {
  VB_CHECK(check_out_folder(folder, kind));
  VB_TRY(FolderLock lock, FolderLock::take(folder));
  VB_CHECK(remove_temporary_files(folder));
  std::error_code ignored;
  if (fs::is_directory(folder / kPayloads, ignored)) VB_CHECK(remove_temporary_files(folder / kPayloads));
  return lock;
}

Result<void> check_out_file(const fs::path& file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored))
    return with_hint(invalid_input("expected a file at '{}', found a folder", file.string()), "name a file in it");
  VB_CHECK(AtomicFile::create(file));
  return ok();
}

}  // namespace vauban
