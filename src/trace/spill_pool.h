/// SpillPool: byte logs that are appended to and read back once, in bounded memory.
///
/// The logs of one pool share a memory limit. When it is passed, what they hold goes to files in a private folder below
/// the given one; the folder is removed with the pool. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace vauban {

class SpillPool {
 public:
  using Log = std::size_t;

  SpillPool(std::size_t memory_limit_bytes, std::filesystem::path folder, FileOps& ops = real_file_ops());
  ~SpillPool();
  SpillPool(const SpillPool&) = delete;
  SpillPool& operator=(const SpillPool&) = delete;

  Log open();
  /// Errors: io or resource when a spill file cannot be written.
  Result<void> append(Log log, std::span<const std::byte> bytes);
  std::uint64_t size_bytes(Log log) const;

  /// All bytes of a log; they live as long as this object and until the next append or discard.
  struct Contents {
    std::span<const std::byte> bytes;
    std::shared_ptr<const MappedFile> map;  ///< null while the log is in memory
  };
  Result<Contents> read(Log log);
  /// Frees the log's memory and removes its file. Its number is not used again.
  void discard(Log log);

  bool spilled() const { return !folder_.empty(); }

 private:
  struct Entry {
    std::vector<std::byte> buffer;
    std::uint64_t bytes_on_disk = 0;
  };
  std::filesystem::path file_of(Log log) const;
  Result<void> make_folder();
  Result<void> flush(Log log);
  Result<void> flush_all();

  std::size_t memory_limit_bytes_, bytes_in_memory_ = 0;
  std::filesystem::path parent_, folder_;
  FileOps& ops_;
  std::vector<Entry> entries_;
};

}  // namespace vauban
