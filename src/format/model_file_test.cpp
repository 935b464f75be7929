#include "format/model_file.h"

#include <cstring>
#include <thread>

#include "base/result.h"
#include "base/sha256.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "support/gguf_builder.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using Model = std::shared_ptr<const ModelFile>;

const float kValues[4] = {1, 2, 3, 4};

std::string value_bytes() { return {reinterpret_cast<const char*>(kValues), sizeof kValues}; }

Model small_model(const test::TempDir& folder, const SafetensorsMetadata& metadata = {}) {
  const TensorView view{DType::f32, {2, 2}, std::as_bytes(std::span(kValues))};
  EXPECT_TRUE(write_safetensors(folder / "m.safetensors", {{"b", view}, {"a", view}}, metadata));
  return open_safetensors(folder / "m.safetensors").value();
}

TEST(ModelFile, FindsTensorsByName) {
  const test::TempDir folder;
  const Model model = small_model(folder);
  EXPECT_EQ(model->tensors()[0].name, "a");
  ASSERT_NE(model->find("b"), nullptr);
  EXPECT_EQ(model->find("b")->name, "b");
  EXPECT_EQ(model->find("c"), nullptr);
  EXPECT_EQ(model->find(""), nullptr);
  EXPECT_EQ(to_string(model->container()), "safetensors");
}

TEST(ModelFile, RefusesARepeatedName) {
  const test::TempDir folder;
  const auto file = small_model(folder)->files()[0];
  const TensorEntry entry{.name = "x", .view = {}, .file = 0};
  const auto refused = ModelFile::make(Container::gguf, {file}, {entry, entry}, Json::object());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("'x' is stored more than once"), std::string::npos);
  const TensorEntry stray{.name = "x", .view = {}, .file = 1};
  EXPECT_EQ(ModelFile::make(Container::gguf, {file}, {stray}, Json::object()).error().code, ErrorCode::internal);
}

TEST(ModelFile, DigestsAreThoseOfTheDocumentedBytes) {
  const test::TempDir folder;
  const Model model = small_model(folder);
  const std::string tensor = std::string("a\0f32", 5) + test::le(std::uint64_t{2}) + test::le(std::uint64_t{2}) +
                             test::le(std::uint64_t{2}) + value_bytes();
  EXPECT_EQ(model->tensor_digest(*model->find("a")), sha256_hex(tensor));
  EXPECT_EQ(model->digest(), sha256_hex(model->tensor_digest(*model->find("a")) + "\n" +
                                        model->tensor_digest(*model->find("b")) + "\n"));
  EXPECT_EQ(model->file_digest(0), sha256_hex(test::read_text(folder / "m.safetensors")));
}

TEST(ModelFile, DigestsDoNotDependOnTheContainer) {
  const test::TempDir one, two;
  test::GgufBuilder builder;
  builder.tensor({.name = "b", .ne = {2, 2}, .type = 0, .data = value_bytes()})
      .tensor({.name = "a", .ne = {2, 2}, .type = 0, .data = value_bytes()});
  VB_ASSERT_OK(write_file_atomic(two / "m.gguf", builder.build()));
  const auto gguf = open_gguf(two / "m.gguf");
  VB_ASSERT_OK(gguf);
  EXPECT_EQ((*gguf)->digest(), small_model(one, {{"note", "other bytes in the file"}})->digest());
}

TEST(ModelFile, AnyChangedBitChangesTheDigest) {
  const test::TempDir folder;
  const std::string before = small_model(folder)->digest();
  std::string bytes = test::read_text(folder / "m.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  VB_ASSERT_OK(write_file_atomic(folder / "m.safetensors", bytes));
  EXPECT_NE(open_safetensors(folder / "m.safetensors").value()->digest(), before);
}

TEST(ModelFile, AForeignEntryIsHashedAsItIs) {
  const test::TempDir folder;
  const Model model = small_model(folder);
  TensorEntry changed = *model->find("a");
  changed.view.shape = {4};
  EXPECT_NE(model->tensor_digest(changed), model->tensor_digest(*model->find("a")));
}

TEST(ModelFile, ManyThreadsMayAskForDigests) {
  const test::TempDir folder;
  const Model model = small_model(folder);
  std::vector<std::string> seen(8);
  std::vector<std::thread> threads;
  for (std::string& mine : seen) threads.emplace_back([&] { mine = model->digest() + model->file_digest(0); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& mine : seen) EXPECT_EQ(mine, seen[0]);
}

}  // namespace
}  // namespace vauban
