#include "format/gguf_writer.h"

#include <cerrno>
#include <limits>

#include "base/faulty_file_ops.h"
#include "base/result.h"
#include "support/gguf_builder.h"
#include "support/test_data.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::as_bytes;
using test::GgufBuilder;
using test::le;
using test::TempDir;

TensorOut tensor_of(std::string name, DType dtype, Shape shape, std::string data) {
  return {.name = std::move(name), .dtype = dtype, .shape = shape, .make = [data]() -> Result<TensorBytes> {
            const auto bytes = as_bytes(data);
            return TensorBytes::own({bytes.begin(), bytes.end()});
          }};
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

/// The tensors of a parsed file, in its order.
std::vector<TensorOut> tensors_of(const GgufContents& contents) {
  std::vector<TensorOut> out;
  for (const TensorEntry& entry : contents.tensors)
    out.push_back({.name = entry.name, .dtype = entry.view.dtype, .shape = entry.view.shape, .make = [&entry]() -> Result<TensorBytes> {
                     return TensorBytes{.bytes = entry.view.bytes, .owner = {}};
                   }});
  return out;
}

TEST(GgufWriter, WritesTheBytesOfTheFormat) {
  const TempDir folder;
  GgufBuilder expected;
  expected.text("general.architecture", "llama").number<std::uint32_t>("llama.block_count", 4, 2);
  expected.tensor({.name = "a", .ne = {4, 2}, .type = 0, .data = std::string(32, 'x')});
  expected.tensor({.name = "b", .ne = {3}, .type = 1, .data = std::string(6, 'y')});
  const std::vector<GgufKey> keys{GgufKey::text("general.architecture", "llama"), GgufKey::u32("llama.block_count", 2)};
  const std::vector<TensorOut> tensors{tensor_of("a", DType::f32, {2, 4}, std::string(32, 'x')),
                                       tensor_of("b", DType::f16, {3}, std::string(6, 'y'))};
  VB_ASSERT_OK(write_gguf(folder / "m.gguf", keys, tensors));
  EXPECT_EQ(test::read_text(folder / "m.gguf"), expected.build());
  EXPECT_EQ(gguf_size_bytes(keys, tensors).value(), expected.build().size());
}

TEST(GgufWriter, EveryKindOfValueComesBack) {
  const TempDir folder;
  const std::vector<GgufKey> keys{
      {"u8", GgufType::u8, 255}, {"i8", GgufType::i8, -128}, {"u16", GgufType::u16, 65535},
      {"i16", GgufType::i16, -32768}, {"u32", GgufType::u32, 4294967295u}, {"i32", GgufType::i32, -7},
      {"f32", GgufType::f32, 0.1f}, {"bool", GgufType::boolean, true}, {"text", GgufType::string, "\xff raw \n"},
      {"u64", GgufType::u64, std::numeric_limits<std::uint64_t>::max()},
      {"i64", GgufType::i64, std::numeric_limits<std::int64_t>::min()}, {"f64", GgufType::f64, 0.1},
      GgufKey::list("empty", GgufType::i16, {}), GgufKey::list("words", GgufType::string, {"a", "", "c"}),
      GgufKey::list("scores", GgufType::f32, {Json(1.5f), Json(-2.0f)})};
  VB_ASSERT_OK(write_gguf(folder / "m.gguf", keys, {}));
  const std::string text = test::read_text(folder / "m.gguf");
  const auto back = parse_gguf(as_bytes(text));
  VB_ASSERT_OK(back);
  const std::vector<GgufKey> found = gguf_keys(*back);
  ASSERT_EQ(found.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(found[i].name, keys[i].name);
    EXPECT_EQ(found[i].type, keys[i].type) << keys[i].name;
    EXPECT_EQ(found[i].value, keys[i].value) << keys[i].name;
    if (keys[i].type == GgufType::array) {
      EXPECT_EQ(found[i].element, keys[i].element) << keys[i].name;
    }
  }
}

TEST(GgufWriter, RewritesEverySharedFileByteForByte) {
  VB_NEED_SHARED("models/gguf");
  int files = 0;
  for (const char* root : {"models/gguf", "tiny_models", "tokenizers/ggml-vocab"})
    for (const auto& at : fs::recursive_directory_iterator(test::shared_data() / root)) {
      const std::string source = at.path().extension() == ".gguf" ? test::read_text(at.path()) : "";
      const auto contents = parse_gguf(as_bytes(source));
      if (!contents || contents->version != 3) continue;  // files that must be refused, and no files
      const TempDir folder;
      VB_ASSERT_OK(write_gguf(folder / "m.gguf", gguf_keys(*contents), tensors_of(*contents)));
      EXPECT_TRUE(test::read_text(folder / "m.gguf") == source) << at.path();
      ++files;
    }
  EXPECT_GE(files, 10);
}

TEST(GgufWriter, ObeysADeclaredAlignment) {
  const TempDir folder;
  const std::vector<GgufKey> keys{GgufKey::u32("general.alignment", 256)};
  VB_ASSERT_OK(write_gguf(folder / "m.gguf", keys, {tensor_of("a", DType::i8, {1}, "x"), tensor_of("b", DType::i8, {1}, "y")}));
  const std::string text = test::read_text(folder / "m.gguf");
  EXPECT_EQ(text.size(), 3 * 256u);
  VB_EXPECT_OK(parse_gguf(as_bytes(text)));
}

void expect_refusal(std::vector<GgufKey> keys, std::vector<TensorOut> tensors, const char* named) {
  const TempDir folder;
  const auto refused = write_gguf(folder / "m.gguf", keys, tensors);
  ASSERT_FALSE(refused.has_value()) << named;
  EXPECT_NE(describe(refused.error()).find(named), std::string::npos) << describe(refused.error());
  EXPECT_EQ(files_in(folder.path()), 0u) << named;
}

TEST(GgufWriter, RefusesWhatItsReaderWouldRefuse) {
  const TensorOut good = tensor_of("a", DType::f32, {1}, std::string(4, 'x'));
  expect_refusal({GgufKey::u32("k", -1)}, {}, "a u32");
  expect_refusal({{"k", GgufType::i8, 128}}, {}, "an i8");
  expect_refusal({{"k", GgufType::string, 1}}, {}, "a string");
  expect_refusal({{"k", GgufType::boolean, 1}}, {}, "a bool");
  expect_refusal({GgufKey::list("k", GgufType::i32, {1, "x"})}, {}, "array element 1");
  expect_refusal({GgufKey::list("k", GgufType::array, {1})}, {}, "arrays of arrays");
  expect_refusal({GgufKey::u32("k", 1), GgufKey::u32("k", 2)}, {}, "more than once");
  expect_refusal({GgufKey::u32("", 1)}, {}, "UTF-8");
  expect_refusal({GgufKey::u32("general.alignment", 24)}, {}, "power of two");
  expect_refusal({}, {good, good}, "more than once");
  expect_refusal({}, {tensor_of(std::string(64, 'n'), DType::f32, {1}, "1234")}, "1 to 63");
  expect_refusal({}, {tensor_of("a", DType::u32, {1}, "1234")}, "no type for u32");
  expect_refusal({}, {tensor_of("a", DType::f32, {1, 1, 1, 1, 1}, "1234")}, "5 dimensions");
  expect_refusal({}, {tensor_of("a", DType::f32, {2}, "1234")}, "takes 8 bytes, 4 were made");
  expect_refusal({}, {tensor_of("a", DType::q8_0, {33}, "1234")}, "'a'");
}

TEST(GgufWriter, AFailureLeavesTheOldFileAndNothingBesideIt) {
  const std::vector<TensorOut> tensors{tensor_of("a", DType::f32, {64}, std::string(256, 'x'))};
  const auto write = [&](const fs::path& path, FileOps& ops) { return write_gguf(path, std::vector{GgufKey::u32("k", 1)}, tensors, ops); };
  for (const char* call : {"open", "write", "fsync", "rename"})
    for (int nth = 0; nth < (call == std::string("write") ? 2 : 1); ++nth) {
      const TempDir folder;
      VB_ASSERT_OK(write_file_atomic(folder / "m.gguf", "old"));
      test::FaultyFileOps faulty({.call = call, .nth = nth, .error_number = ENOSPC});
      EXPECT_FALSE(write(folder / "m.gguf", faulty).has_value()) << call;
      EXPECT_EQ(test::read_text(folder / "m.gguf"), "old") << call;
      EXPECT_EQ(files_in(folder.path()), 1u) << call;
    }
  const TempDir folder;
  test::FaultyFileOps harmless;
  VB_EXPECT_OK(write(folder / "m.gguf", harmless));
  EXPECT_NE(test::read_text(folder / "m.gguf"), "old");
}

TEST(GgufWriter, AFileThatIsFoundWrongTakesNoName) {
  const TempDir folder;
  VB_ASSERT_OK(write_file_atomic(folder / "m.gguf", "old"));
  const std::vector<TensorOut> tensors{tensor_of("a", DType::f32, {64}, std::string(256, 'x'))};
  const auto refused = write_gguf_checked(folder / "m.gguf", {}, tensors, [&](const fs::path& made) -> Result<void> {
    EXPECT_NE(made, folder / "m.gguf");
    EXPECT_TRUE(open_gguf(made).has_value()) << "it is complete";
    return resource("no memory to read it");
  });
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::resource);
  EXPECT_EQ(test::read_text(folder / "m.gguf"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
  VB_EXPECT_OK(write_gguf_checked(folder / "m.gguf", {}, tensors, [](const fs::path&) { return ok(); }));
  EXPECT_NE(test::read_text(folder / "m.gguf"), "old");
}

TEST(GgufWriter, ATensorThatCannotBeMadeLeavesNoFile) {
  const TempDir folder;
  const TensorOut bad{.name = "a", .dtype = DType::f32, .shape = {1}, .make = []() -> Result<TensorBytes> { return corrupt("not a number"); }};
  const auto failed = write_gguf(folder / "m.gguf", {}, {bad});
  ASSERT_FALSE(failed.has_value());
  EXPECT_NE(describe(failed.error()).find("'a'"), std::string::npos);
  EXPECT_EQ(files_in(folder.path()), 0u);
}

}  // namespace
}  // namespace vauban
