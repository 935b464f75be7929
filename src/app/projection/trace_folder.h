/// TraceFolder: where a command that runs many prompts leaves what it observed: DIR/traces.jsonl, one trace a line
/// (what the replay runtime opens), and the payloads in DIR/artifacts/. The file appears whole, on close(); a run that
/// was interrupted leaves only payloads, which are named by their content.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "app/out_folder.h"
#include "base/files.h"
#include "base/result.h"
#include "trace/artifact_store.h"
#include "vauban/trace.h"

namespace vauban {

/// Also keeps what it stored in memory until it is taken. Thread-safe, as sinks are.
class TraceFolder final : public PayloadSink {
 public:
  /// Errors: those of take_out_folder, the store and the file.
  static Result<std::unique_ptr<TraceFolder>> open(const std::filesystem::path& folder, const OutFolderKind& kind);

  Result<StoredPayload> put(std::string_view tensor_name, std::string_view dtype, std::span<const std::int64_t> shape,
                            std::span<const std::byte> bytes) override;
  /// The f32 values of a payload that was put since the last forget(). Errors: internal when there is none.
  Result<std::vector<float>> values(const TraceArtifact& artifact) const;
  void forget() { kept_.clear(); }

  Result<void> add(const Trace& trace);
  Result<void> close();

 private:
  TraceFolder(FolderLock lock, std::unique_ptr<ArtifactStore> store, AtomicFile file)
      : lock_(std::move(lock)), store_(std::move(store)), file_(std::move(file)) {}
  FolderLock lock_;
  std::unique_ptr<ArtifactStore> store_;
  AtomicFile file_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<float>> kept_;  ///< by path
};

}  // namespace vauban
