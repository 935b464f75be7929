#include "app/out_folder.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "support/test_data.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "x";
}

TEST(OutFolder, TakesAnAbsentAnEmptyAndItsOwnFolder) {
  const test::TempDir folder;
  VB_EXPECT_OK(check_out_folder(folder / "absent", kProbeFolder));
  EXPECT_FALSE(fs::exists(folder / "absent")) << "a check makes nothing";
  VB_EXPECT_OK(check_out_folder(folder.path(), kProbeFolder));
  put(folder / "probe.json");
  put(folder / "traces.jsonl");
  put(folder / "artifacts/a.safetensors");
  VB_EXPECT_OK(check_out_folder(folder.path(), kProbeFolder));
}

TEST(OutFolder, RefusesWhatAnotherCommandOrTheUserWrote) {
  for (const char* name : {"scan.json", "trace.json", "sweep.json", "manifest.json", "notes.txt", "traces.jsonl", "artifacts"}) {
    const test::TempDir folder;
    put(folder / name);
    const auto refused = check_out_folder(folder.path(), kProbeFolder);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr(name));
  }
  const test::TempDir mixed;
  put(mixed / "probe.json");
  put(mixed / "traces.jsonl");
  put(mixed / "trace.json");
  EXPECT_FALSE(check_out_folder(mixed.path(), kProbeFolder));
  EXPECT_FALSE(check_out_folder(mixed.path(), kTraceFolder));
  EXPECT_FALSE(check_out_folder(mixed / "probe.json", kProbeFolder)) << "a file";
}

TEST(OutFolder, RemovesWhatAKilledRunLeft) {
  const test::TempDir folder;
  const fs::path left = folder / ".probe.json.vauban-tmp-1-0", payload = folder / "artifacts/.a.vauban-tmp-1-0";
  put(left);
  put(payload);
  put(folder / "artifacts/a.safetensors");
  const auto lock = take_out_folder(folder.path(), kScanFolder);
  VB_ASSERT_OK(lock);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_FALSE(fs::exists(payload));
  EXPECT_TRUE(fs::exists(folder / "artifacts/a.safetensors"));
  const auto second = take_out_folder(folder.path(), kScanFolder);
  ASSERT_FALSE(second) << "it is held";
  EXPECT_EQ(second.error().code, ErrorCode::resource);
}

TEST(OutFolder, AFileCanBeWrittenThereOrNot) {
  const test::TempDir folder;
  VB_EXPECT_OK(check_out_file(folder / "new.safetensors"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_EQ(check_out_file(folder.path()).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(check_out_file(folder / "absent/new.safetensors").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace vauban
