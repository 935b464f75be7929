#include "format/hf_writer.h"

#include <algorithm>
#include <cerrno>

#include "base/faulty_file_ops.h"
#include "base/result.h"
#include "format/model_source.h"
#include "support/test_data.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

TensorOut ramp(std::string name, std::int64_t count, float first) {
  return {.name = std::move(name), .dtype = DType::f32, .shape = {count}, .make = [=]() -> Result<TensorBytes> {
            std::vector<float> values(static_cast<std::size_t>(count));
            for (std::size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<float>(i);
            const auto bytes = std::as_bytes(std::span(values));
            return TensorBytes::own({bytes.begin(), bytes.end()});
          }};
}

HfFolder small_folder() {
  HfFolder folder;
  folder.json_files["config.json"] = Json::object({{"model_type", "llama"}});
  folder.text_files["chat_template.jinja"] = "{{ messages }}\n";
  folder.tensors = {ramp("b", 8, 1), ramp("a", 4, 100), ramp("c", 2, -5)};
  return folder;
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(HfWriter, WritesAFolderThatOpensAsAModel) {
  const TempDir work;
  VB_ASSERT_OK(write_hf_folder(work / "m", small_folder()));
  const auto source = ModelSource::open(work / "m");
  VB_ASSERT_OK(source);
  EXPECT_EQ(source->config.find("model_type")->as_string(), "llama");
  EXPECT_TRUE(source->chat_template.has_value());
  EXPECT_EQ(decode_f32(source->file->find("a")->view).value(), (std::vector<float>{100, 101, 102, 103}));
  EXPECT_EQ(files_in(work.path()), 1u);
}

TEST(HfWriter, SplitsAboveTheLimitAndTheShardsReadAsOneModel) {
  const TempDir work;
  HfFolder folder = small_folder();
  VB_ASSERT_OK(write_hf_folder(work / "whole", folder));
  folder.shard_bytes = 24;
  VB_ASSERT_OK(write_hf_folder(work / "split/", folder));
  EXPECT_TRUE(fs::exists(work / "split/model.safetensors.index.json"));
  EXPECT_TRUE(fs::exists(work / "split/model-00002-of-00002.safetensors"));
  const auto whole = ModelSource::open(work / "whole"), split = ModelSource::open(work / "split");
  VB_ASSERT_OK(split);
  EXPECT_EQ(whole->file->digest(), split->file->digest());
  EXPECT_EQ(split->file->files().size(), 2u);
}

TEST(HfWriter, LeavesWhatExistsAlone) {
  const TempDir work;
  fs::create_directory(work / "m");
  VB_ASSERT_OK(write_hf_folder(work / "m", small_folder()));  // an empty folder is as good as none
  const auto refused = write_hf_folder(work / "m", small_folder());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
  VB_EXPECT_OK(ModelSource::open(work / "m"));
  HfFolder outside = small_folder();
  outside.text_files["../x"] = "";
  EXPECT_FALSE(write_hf_folder(work / "n", outside).has_value());
  EXPECT_EQ(files_in(work.path()), 1u);
}

/// Every system call of a write fails once.
TEST(HfWriter, AppearsWholeOrNotAtAll) {
  test::FaultyFileOps counting;
  {
    const TempDir work;
    VB_ASSERT_OK(write_hf_folder(work / "m", small_folder(), counting));
  }
  int planted = 0;
  for (const char* call : {"open", "write", "fsync", "rename"}) {
    const auto times = std::count(counting.calls.begin(), counting.calls.end(), call);
    for (int nth = 0; nth < times; ++nth, ++planted) {
      const TempDir work;
      test::FaultyFileOps faulty({.call = call, .nth = nth, .error_number = ENOSPC});
      const auto written = write_hf_folder(work / "m", small_folder(), faulty);
      EXPECT_FALSE(written.has_value()) << call << " " << nth;
      // The last two calls sync the parent: the folder is complete by then, and the error says that it may not last.
      if (fs::exists(work / "m")) {
        VB_EXPECT_OK(ModelSource::open(work / "m"));
      }
      EXPECT_EQ(files_in(work.path()), fs::exists(work / "m") ? 1u : 0u) << call << " " << nth;
    }
  }
  EXPECT_GE(planted, 12);
}

}  // namespace
}  // namespace vauban
