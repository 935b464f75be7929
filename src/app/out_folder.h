/// OutFolder: the folder that `trace`, `probe`, `scan` and `profile` write: an answer, perhaps traces.jsonl, and payloads
/// in artifacts/. Each replaces what it wrote itself, and nothing else.
#pragma once

#include <filesystem>
#include <string_view>

#include "app/folder_lock.h"
#include "base/result.h"

namespace vauban {

struct OutFolderKind {
  std::string_view command;  ///< "probe"
  std::string_view answer;   ///< "probe.json": written last, so it says whose folder it is
  bool has_traces = true;    ///< traces.jsonl too
};

inline constexpr OutFolderKind kTraceFolder{.command = "trace", .answer = "trace.json", .has_traces = false},
    kProbeFolder{.command = "probe", .answer = "probe.json"}, kScanFolder{.command = "scan", .answer = "scan.json"},
    kProfileFolder{.command = "profile", .answer = "sweep.json"};

/// Whether the command may write there: the folder is absent, empty, the command's own, or holds only what a run that was
/// killed may leave (payloads and temporary files). Changes nothing. Call before the work starts.
/// Errors: invalid_input naming the first file that would be overwritten or mixed in; io.
Result<void> check_out_folder(const std::filesystem::path& folder, const OutFolderKind& kind);

/// The same, then makes the folder, holds it and removes the temporary files of a killed run. Errors: resource too, when
/// another process holds it.
Result<FolderLock> take_out_folder(const std::filesystem::path& folder, const OutFolderKind& kind);

/// Whether a file can be written there, by making a temporary one beside it; for commands that run long before they write.
/// Errors: invalid_input for a folder and what is no regular file; those of AtomicFile::create.
Result<void> check_out_file(const std::filesystem::path& file);

}  // namespace vauban
