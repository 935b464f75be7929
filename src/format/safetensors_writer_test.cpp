#include "format/safetensors_writer.h"

#include <cmath>
#include <cstring>

#include "base/result.h"
#include "format/safetensors.h"
#include "support/test_data.h"

namespace vauban {
namespace {

TensorView view_of(std::span<const float> values, Shape shape) { return {DType::f32, shape, std::as_bytes(values)}; }

/// Fails the n-th write (0-based) as a full disk does.
class FullDisk final : public FileOps {
 public:
  explicit FullDisk(int allowed) : allowed_(allowed) {}
  int open(const char* path, int flags, unsigned mode) override { return real_file_ops().open(path, flags, mode); }
  long write(int fd, const void* data, std::size_t size) override {
    if (allowed_-- > 0) return real_file_ops().write(fd, data, size);
    errno = ENOSPC;
    return -1;
  }
  int fsync(int fd) override { return real_file_ops().fsync(fd); }
  int close(int fd) override { return real_file_ops().close(fd); }
  int rename(const char* from, const char* to) override { return real_file_ops().rename(from, to); }
  int unlink(const char* path) override { return real_file_ops().unlink(path); }

 private:
  int allowed_;
};

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(SafetensorsWriter, WritesTheBytesOfTheFormat) {
  const test::TempDir folder;
  const std::int32_t numbers[4] = {};
  VB_ASSERT_OK(write_safetensors(folder / "t", {{"test", {DType::i32, {2, 2}, std::as_bytes(std::span(numbers))}}}));
  const std::string header = R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})";
  EXPECT_EQ(test::read_text(folder / "t"),
            std::string("\x40\0\0\0\0\0\0\0", 8) + header + "    " + std::string(16, '\0'));
}

TEST(SafetensorsWriter, OrdersByTypeThenNameWhateverTheInputOrder) {
  const test::TempDir folder;
  const float f[2] = {1, 2};
  const std::byte bytes[8] = {};
  const NamedTensorView a{"a", view_of(f, {2})}, b{"b", view_of(f, {2})};
  const NamedTensorView c{"c", {DType::f16, {4}, bytes}}, d{"d", {DType::i64, {1}, bytes}},
      e{"e", {DType::u8, {8}, bytes}};
  VB_ASSERT_OK(write_safetensors(folder / "one", {e, c, b, a, d}, {{"k", "v"}}));
  VB_ASSERT_OK(write_safetensors(folder / "two", {a, b, c, d, e}, {{"k", "v"}}));
  EXPECT_EQ(test::read_text(folder / "one"), test::read_text(folder / "two"));
  const std::string text = test::read_text(folder / "one");
  const auto contents = parse_safetensors(std::as_bytes(std::span(text)));
  VB_ASSERT_OK(contents);
  std::string order;
  for (const TensorEntry& tensor : contents->tensors) order += tensor.name;
  EXPECT_EQ(order, "dabce");
  EXPECT_EQ(contents->metadata, Json::object({{"k", "v"}}));
}

TEST(SafetensorsWriter, KeepsNanBitsAndOddNames) {
  const test::TempDir folder;
  const float values[] = {std::nanf(""), INFINITY, -0.0f};
  VB_ASSERT_OK(write_safetensors(folder / "t", {{"we\"ird\n\xc3\xa9", view_of(values, {3})},
                                                {"scalar", view_of({values, 1}, {})},
                                                {"none", view_of({}, {0, 7})}}));
  const auto model = open_safetensors(folder / "t");
  VB_ASSERT_OK(model);
  ASSERT_EQ((*model)->tensors().size(), 3u);
  const TensorEntry* odd = (*model)->find("we\"ird\n\xc3\xa9");
  ASSERT_NE(odd, nullptr);
  EXPECT_EQ(std::memcmp(odd->view.bytes.data(), values, sizeof values), 0);
  EXPECT_EQ((*model)->find("scalar")->view.shape.rank(), 0);
}

TEST(SafetensorsWriter, ReplacesAFileThatIsMapped) {
  const test::TempDir folder;
  const float old_value[] = {1}, new_value[] = {2};
  VB_ASSERT_OK(write_safetensors(folder / "t", {{"x", view_of(old_value, {1})}}));
  const auto mapped = open_safetensors(folder / "t");
  VB_ASSERT_OK(mapped);
  VB_ASSERT_OK(write_safetensors(folder / "t", {{"x", view_of(new_value, {1})}}));
  EXPECT_EQ(decode_f32((*mapped)->find("x")->view).value(), std::vector<float>{1});
  EXPECT_EQ(decode_f32((*open_safetensors(folder / "t"))->find("x")->view).value(), std::vector<float>{2});
}

TEST(SafetensorsWriter, AFullDiskLeavesTheOldFile) {
  const test::TempDir folder;
  const float value[] = {1};
  VB_ASSERT_OK(write_safetensors(folder / "t", {{"x", view_of(value, {1})}}));
  const std::string before = test::read_text(folder / "t");
  for (int allowed = 0; allowed < 3; ++allowed) {
    FullDisk disk(allowed);
    const auto failed = write_safetensors(folder / "t", {{"y", view_of(value, {1})}}, {}, disk);
    if (failed) break;  // the writer needs fewer calls than that
    EXPECT_EQ(test::read_text(folder / "t"), before);
    EXPECT_EQ(files_in(folder.path()), 1u) << "a temporary file was left behind";
  }
  FullDisk full(0);
  EXPECT_FALSE(write_safetensors(folder / "t", {{"y", view_of(value, {1})}}, {}, full));
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  const test::TempDir folder;
  const float value[] = {1, 2};
  const std::byte block[18] = {};
  const auto code = [&](std::vector<NamedTensorView> tensors, SafetensorsMetadata metadata = {}) {
    const auto result = write_safetensors(folder / "t", tensors, metadata);
    EXPECT_FALSE(result);
    return result ? ErrorCode::internal : result.error().code;
  };
  EXPECT_EQ(code({{"x", view_of(value, {2})}, {"x", view_of(value, {2})}}), ErrorCode::invalid_input);
  EXPECT_EQ(code({{"__metadata__", view_of(value, {2})}}), ErrorCode::invalid_input);
  EXPECT_EQ(code({{"x", view_of(value, {3})}}), ErrorCode::invalid_input);
  EXPECT_EQ(code({{"x", {DType::q4_0, {32}, block}}}), ErrorCode::unsupported);
  EXPECT_EQ(code({{"x", {DType::f4, {3}, {block, 2}}}}), ErrorCode::invalid_input);
  EXPECT_EQ(code({{"\xff", view_of(value, {2})}}), ErrorCode::invalid_input);
  EXPECT_EQ(code({}, {{"k", "\xff"}}), ErrorCode::invalid_input);
  EXPECT_EQ(files_in(folder.path()), 0u);
}

/// The shared files come from the reference library: read and written again, they are the same bytes (unless their
/// writer kept an order of its own, or several metadata keys, whose order is random there).
TEST(SafetensorsWriter, RewritesRealFilesByteForByte) {
  VB_NEED_SHARED("models");
  const test::TempDir folder;
  std::size_t same = 0, other = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(test::shared_data())) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto model = open_safetensors(entry.path());
    VB_ASSERT_OK(model);
    std::vector<NamedTensorView> tensors;
    for (const TensorEntry& tensor : (*model)->tensors()) tensors.push_back({tensor.name, tensor.view});
    SafetensorsMetadata metadata;
    for (const auto& [key, value] : (*model)->metadata().entries()) metadata[key] = value.as_string();
    VB_ASSERT_OK(write_safetensors(folder / "copy", tensors, metadata));
    const bool equal = test::read_text(folder / "copy") == test::read_text(entry.path());
    (equal ? same : other) += 1;
    if (!equal) std::printf("differs: %s (%zu metadata keys)\n", entry.path().c_str(), metadata.size());
  }
  std::printf("%zu byte-equal, %zu not\n", same, other);
  EXPECT_GT(same, 10 * other);
}

}  // namespace
}  // namespace vauban
