/// Stores of payloads: one safetensors file per tensor, named by its own SHA-256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

/// One payload read back.
struct Payload {
  std::string tensor_name, dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

/// The folder `artifacts` of a run. Equal tensors with equal names are one file; one that is there is read, and not
/// written or synced again. Thread-safe. A crash leaves whole files, and at most one temporary one per writer; before
/// sync() a power failure may leave damaged ones, which the next put() replaces.
class ArtifactStore final : public PayloadSink {
 public:
  /// When a payload becomes durable: in put() itself, or all of them in sync(), before the trace that names them is
  /// written.
  enum class Durable { at_once, at_sync };
  /// Makes `run_folder`/artifacts if needed. Errors: io, resource.
  static Result<std::unique_ptr<ArtifactStore>> open(std::filesystem::path run_folder, FileOps& ops = real_file_ops(),
                                                     Durable durable = Durable::at_once);

  /// -> "artifacts/<sha256>.safetensors", relative to the run folder. Errors: invalid_input for bytes that do not fit
  /// the shape or an unknown dtype, io, resource. A damaged file of that name is replaced.
  Result<StoredPayload> put(std::string_view tensor_name, std::string_view dtype, std::span<const std::int64_t> shape,
                            std::span<const std::byte> bytes) override;

  /// Makes durable what was put since the last call. Errors: io; what was not synced is tried again by the next call.
  Result<void> sync();

  /// Recomputes the digest of a stored file. Errors: not_found; corrupt when it differs from `digest`, or when the name
  /// is not that of its content; invalid_input for a path that is not one of this store's.
  Result<void> verify(std::string_view path, std::string_view digest) const;

  /// verify() of the name, then the one tensor inside.
  Result<Payload> read(std::string_view path) const;

 private:
  ArtifactStore(std::filesystem::path run_folder, FileOps& ops, Durable durable)
      : run_folder_(std::move(run_folder)), ops_(ops), durable_(durable) {}
  Result<std::filesystem::path> locate(std::string_view path) const;

  std::filesystem::path run_folder_;
  FileOps& ops_;
  Durable durable_;
  std::mutex mutex_;
  std::vector<std::filesystem::path> unsynced_;
};

/// Keeps payloads in memory: for tests, and for callers that read them at once. Thread-safe while writing.
class MemoryStore final : public PayloadSink {
 public:
  /// The path is "memory/<digest>"; the digest covers name, type, shape and bytes.
  Result<StoredPayload> put(std::string_view tensor_name, std::string_view dtype, std::span<const std::int64_t> shape,
                            std::span<const std::byte> bytes) override;
  const std::map<std::string, Payload>& payloads() const { return payloads_; }

 private:
  std::mutex mutex_;
  std::map<std::string, Payload> payloads_;
};

/// The values of an f32 or f16 payload. Errors: unsupported for another type.
Result<std::vector<float>> payload_values(const Payload& payload);

}  // namespace vauban
