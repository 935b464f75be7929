#include "trace/artifact_store.h"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>

#include "base/faulty_file_ops.h"
#include "base/sha256.h"
#include "support/test_data.h"

namespace vauban {
namespace {

const std::vector<float> kValues{1, -2, 0.5, 4, -0.0f, std::numeric_limits<float>::infinity()};
const std::vector<std::int64_t> kShape{2, 3};

Result<StoredPayload> put(PayloadSink& store, std::span<const float> values, std::string_view name = "q.0") {
  return store.put(name, "f32", kShape, std::as_bytes(values));
}

std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

void flip_last_byte(const std::filesystem::path& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-1, std::ios::end);
  const char last = static_cast<char>(file.get() ^ 1);
  file.seekp(-1, std::ios::end);
  file.put(last);
}

TEST(ArtifactStore, ReadsBackWhatItStored) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  const auto stored = put(*store, kValues);
  VB_ASSERT_OK(stored);
  EXPECT_EQ(stored->path, "artifacts/" + stored->digest + ".safetensors");
  EXPECT_EQ(sha256_hex(test::read_text(run.path() / stored->path)), stored->digest);
  const auto payload = store->read(stored->path);
  VB_ASSERT_OK(payload);
  EXPECT_EQ(payload->tensor_name, "q.0");
  EXPECT_EQ(payload->dtype, "f32");
  EXPECT_EQ(payload->shape, kShape);
  EXPECT_EQ(payload_values(*payload).value(), kValues);
}

TEST(ArtifactStore, StoresEqualBytesOnceAndLeavesNoTemporaryFile) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  const StoredPayload first = put(*store, kValues).value();
  EXPECT_EQ(put(*store, kValues).value().path, first.path);
  EXPECT_EQ(files_in(run.path() / "artifacts"), 1u);
  std::vector<float> other = kValues;
  other[0] = 2;
  EXPECT_NE(put(*store, other).value().path, first.path);
  EXPECT_NE(put(*store, kValues, "q.1").value().path, first.path);
  EXPECT_EQ(files_in(run.path() / "artifacts"), 3u);
}

TEST(ArtifactStore, SeesAFlippedByteAndRepairsItOnTheNextWrite) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  const StoredPayload stored = put(*store, kValues).value();
  VB_EXPECT_OK(store->verify(stored.path, stored.digest));
  flip_last_byte(run.path() / stored.path);
  const auto verified = store->verify(stored.path, stored.digest);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, ErrorCode::corrupt);
  EXPECT_FALSE(store->read(stored.path));
  VB_ASSERT_OK(put(*store, kValues));
  VB_EXPECT_OK(store->verify(stored.path, stored.digest));
}

TEST(ArtifactStore, SeesAFileUnderAForeignName) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  const StoredPayload stored = put(*store, kValues).value();
  const std::string renamed = "artifacts/" + std::string(64, '0') + ".safetensors";
  std::filesystem::rename(run.path() / stored.path, run.path() / renamed);
  EXPECT_EQ(store->verify(renamed, stored.digest).error().code, ErrorCode::corrupt);
  EXPECT_EQ(store->read(renamed).error().code, ErrorCode::corrupt);
  EXPECT_EQ(store->verify(stored.path, stored.digest).error().code, ErrorCode::not_found);
}

TEST(ArtifactStore, RefusesPathsThatAreNotItsOwn) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  const std::vector<std::string> paths{"../secret", "artifacts/../x.safetensors", "",
                                       "artifacts/" + std::string(64, 'G') + ".safetensors"};
  for (const std::string& path : paths) EXPECT_EQ(store->read(path).error().code, ErrorCode::invalid_input) << path;
}

TEST(ArtifactStore, RefusesBytesThatDoNotFitTheShape) {
  const test::TempDir run;
  auto store = ArtifactStore::open(run.path()).value();
  EXPECT_FALSE(put(*store, std::span(kValues).first(5)));
  EXPECT_FALSE(store->put("q.0", "f33", kShape, std::as_bytes(std::span(kValues))));
  EXPECT_FALSE(store->put("q.0", "f32", std::vector<std::int64_t>{-1}, {}));
  EXPECT_EQ(files_in(run.path() / "artifacts"), 0u);
}

TEST(ArtifactStore, AFolderThatCannotBeMadeIsAnError) {
  const test::TempDir run;
  std::ofstream(run / "file") << "x";
  EXPECT_FALSE(ArtifactStore::open(run / "file"));
}

TEST(ArtifactStore, APayloadThatIsThereIsNeitherWrittenNorSyncedAgain) {
  const test::TempDir run;
  test::FaultyFileOps ops;
  auto store = ArtifactStore::open(run.path(), ops).value();
  VB_ASSERT_OK(put(*store, kValues));
  EXPECT_EQ(std::ranges::count(ops.calls, "fsync"), 2) << "the file, and its folder";
  ops.calls.clear();
  VB_ASSERT_OK(put(*store, kValues));
  VB_ASSERT_OK(store->sync());
  EXPECT_TRUE(ops.calls.empty());
  EXPECT_EQ(ops.n_open(), 0);
}

TEST(ArtifactStore, MakesAllDurableInOneSyncWhereAsked) {
  const test::TempDir run;
  test::FaultyFileOps ops({.call = "fsync", .nth = 1, .error_number = EIO});
  auto store = ArtifactStore::open(run.path(), ops, ArtifactStore::Durable::at_sync).value();
  for (const char* name : {"q.0", "q.1", "q.2"}) VB_ASSERT_OK(put(*store, kValues, name));
  EXPECT_EQ(std::ranges::count(ops.calls, "fsync"), 0);
  EXPECT_EQ(files_in(run.path() / "artifacts"), 3u) << "whole files already, for readers";
  EXPECT_FALSE(store->sync()) << "the second file could not be synced";
  VB_ASSERT_OK(store->sync());
  EXPECT_EQ(std::ranges::count(ops.calls, "fsync"), 2 + 3 + 1) << "a failed round is done again";
  ops.calls.clear();
  VB_ASSERT_OK(store->sync());
  EXPECT_TRUE(ops.calls.empty());
  EXPECT_EQ(ops.n_open(), 0);
}

/// Renames fail, as on a folder that has become read-only.
class NoRename final : public FileOps {
 public:
  int open(const char* path, int flags, unsigned mode) override { return real_file_ops().open(path, flags, mode); }
  long write(int fd, const void* data, std::size_t size) override { return real_file_ops().write(fd, data, size); }
  int fsync(int fd) override { return real_file_ops().fsync(fd); }
  int close(int fd) override { return real_file_ops().close(fd); }
  int rename(const char*, const char*) override {
    errno = EROFS;
    return -1;
  }
  int unlink(const char* path) override { return real_file_ops().unlink(path); }
};

TEST(ArtifactStore, AFailedWriteLeavesNothingBehind) {
  const test::TempDir run;
  NoRename ops;
  auto store = ArtifactStore::open(run.path(), ops).value();
  EXPECT_FALSE(put(*store, kValues));
  EXPECT_EQ(files_in(run.path() / "artifacts"), 0u);
}

TEST(MemoryStore, TellsPayloadsApartByNameShapeAndBytes) {
  MemoryStore store;
  const StoredPayload first = put(store, kValues).value();
  EXPECT_EQ(put(store, kValues).value().path, first.path);
  EXPECT_NE(put(store, kValues, "q.1").value().path, first.path);
  EXPECT_NE(store.put("q.0", "f32", std::vector<std::int64_t>{3, 2}, std::as_bytes(std::span(kValues))).value().path,
            first.path);
  EXPECT_EQ(store.payloads().size(), 3u);
  EXPECT_EQ(payload_values(store.payloads().at(first.path)).value(), kValues);
}

}  // namespace
}  // namespace vauban
