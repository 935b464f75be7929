#include "app/projection/trace_folder.h"

#include <cstring>

#include "trace/trace_json.h"

namespace vauban {

Result<std::unique_ptr<TraceFolder>> TraceFolder::open(const std::filesystem::path& folder, const OutFolderKind& kind) {
  VB_TRY(FolderLock lock, take_out_folder(folder, kind));
  VB_TRY(std::unique_ptr<ArtifactStore> store, ArtifactStore::open(folder, real_file_ops(), ArtifactStore::Durable::at_sync));
  VB_TRY(AtomicFile file, AtomicFile::create(folder / "traces.jsonl"));
  return std::unique_ptr<TraceFolder>(new TraceFolder(std::move(lock), std::move(store), std::move(file)));
}

Result<StoredPayload> TraceFolder::put(std::string_view tensor_name, std::string_view dtype,
                                       std::span<const std::int64_t> shape, std::span<const std::byte> bytes) {
  VB_TRY(StoredPayload stored, store_->put(tensor_name, dtype, shape, bytes));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  const std::lock_guard lock(mutex_);
  kept_[stored.path] = std::move(values);
  return stored;
}

Result<std::vector<float>> TraceFolder::values(const TraceArtifact& artifact) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(artifact.payload_path);
  if (found == kept_.end()) return internal("the payload of {} was not stored", artifact.artifact_id);
  return found->second;
}

Result<void> TraceFolder::add(const Trace& trace) {
  VB_TRY(const std::string line, to_json(trace).dump());
  return file_.write(line + "\n");
}

Result<void> TraceFolder::close() {
  VB_CHECK(store_->sync());
  return file_.commit();
}

}  // namespace vauban
