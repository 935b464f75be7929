#include "format/safetensors.h"

#include <fstream>

#include "base/result.h"
#include "support/gguf_builder.h"
#include "support/safetensors_bytes.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::as_bytes;
using test::safetensors_bytes;
using test::with_length;

constexpr const char* kCheckVector = R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})";

Result<SafetensorsContents> parse(const std::string& file) { return parse_safetensors(as_bytes(file)); }

void expect_refused(const std::string& file, std::string_view reason, ErrorCode code = ErrorCode::corrupt) {
  const auto result = parse(file);
  ASSERT_FALSE(result.has_value()) << "accepted, but should say: " << reason;
  EXPECT_EQ(result.error().code, code) << describe(result.error());
  EXPECT_NE(describe(result.error()).find(reason), std::string::npos) << describe(result.error());
}

TEST(Safetensors, ReadsTheCheckVectorOfTheReference) {
  const std::string file = safetensors_bytes(kCheckVector, 16);
  EXPECT_EQ(file[0], 60);
  const auto contents = parse(file);
  VB_ASSERT_OK(contents);
  ASSERT_EQ(contents->tensors.size(), 1u);
  EXPECT_EQ(contents->tensors[0].name, "test");
  EXPECT_EQ(contents->tensors[0].view.dtype, DType::i32);
  EXPECT_EQ(contents->tensors[0].view.shape, (Shape{2, 2}));
  EXPECT_EQ(contents->tensors[0].view.bytes.size(), 16u);
  EXPECT_EQ(contents->metadata, Json::object());
}

TEST(Safetensors, ReadsScalarsEmptyTensorsPaddingAndMetadata) {
  const auto contents = parse(safetensors_bytes(
      R"({"__metadata__":{"format":"pt"},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("e":{"dtype":"F64","shape":[3,0],"data_offsets":[4,4]},)"
      R"("f4":{"dtype":"F4","shape":[4],"data_offsets":[4,6]}}   )",
      6));
  VB_ASSERT_OK(contents);
  ASSERT_EQ(contents->tensors.size(), 3u);
  EXPECT_EQ(contents->tensors[0].name, "s");
  EXPECT_EQ(contents->tensors[1].view.bytes.size(), 0u);
  EXPECT_EQ(contents->metadata, Json::object({{"format", "pt"}}));
}

TEST(Safetensors, AcceptsWhatTheReferenceAccepts) {
  VB_EXPECT_OK(parse(safetensors_bytes("{}", 0)));
  VB_EXPECT_OK(parse(safetensors_bytes(R"({"__metadata__":null})", 0)));
  VB_EXPECT_OK(parse(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":true}})", 1)));
}

TEST(Safetensors, ReadsEveryDType) {
  for (const DTypeInfo& type : all_dtypes()) {
    if (type.safetensors.empty()) continue;
    const auto header =
        format(R"({{"t":{{"dtype":"{}","shape":[8],"data_offsets":[0,{}]}}}})", type.safetensors, type.bits);
    const auto contents = parse(safetensors_bytes(header, static_cast<std::size_t>(type.bits)));
    VB_ASSERT_OK(contents);
    EXPECT_EQ(contents->tensors[0].view.dtype, type.id);
  }
}

TEST(Safetensors, RefusesAFileWithoutRoomForTheLength) {
  expect_refused("", "8-byte header length");
  expect_refused("1234567", "8-byte header length");
}

TEST(Safetensors, RefusesAHeaderAboveTheLimit) {
  expect_refused(with_length(safetensors_bytes("{}", 0), 100'000'001), "the limit is 100000000");
}

TEST(Safetensors, RefusesALengthPastTheEnd) {
  expect_refused(with_length(safetensors_bytes("{}", 0), 3), "2 remain");
  expect_refused(with_length(safetensors_bytes("{}", 0), ~std::uint64_t{0}), "the limit");
}

TEST(Safetensors, RefusesAnEmptyHeader) { expect_refused(safetensors_bytes("", 0), "must start with '{'"); }

TEST(Safetensors, RefusesLeadingWhitespace) { expect_refused(safetensors_bytes(" {}", 0), "must start with '{'"); }

TEST(Safetensors, RefusesTextThatIsNotUtf8) { expect_refused(safetensors_bytes("{\"\xff\xfe\":1}", 0), "header"); }

TEST(Safetensors, RefusesTextThatIsNotJson) {
  expect_refused(safetensors_bytes("{not json}", 0), "in the safetensors header");
  expect_refused(safetensors_bytes("{} {}", 0), "in the safetensors header");
}

TEST(Safetensors, RefusesARepeatedKey) {
  expect_refused(
      safetensors_bytes(
          R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
          R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
          1),
      "in the safetensors header");
}

TEST(Safetensors, RefusesASizeThatDoesNotFitTheShape) {
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"I32","shape":[2,2],"data_offsets":[0,8]}})", 8),
                 "takes 16 bytes, data_offsets span 8");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"I32","shape":[2,3],"data_offsets":[0,16]}})", 16),
                 "takes 24 bytes");
}

TEST(Safetensors, RefusesAnOverflowingNumberOfElements) {
  expect_refused(
      safetensors_bytes(R"({"a":{"dtype":"I32","shape":[4611686018427387904,4],"data_offsets":[0,16]}})", 16),
      "overflows");
}

TEST(Safetensors, RefusesAnOverflowingNumberOfBytes) {
  expect_refused(
      safetensors_bytes(R"({"a":{"dtype":"I32","shape":[2305843009213693953,2],"data_offsets":[0,16]}})", 16),
      "overflows");
}

TEST(Safetensors, RefusesNumbersBeyondAnyFile) {
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"I32","shape":[18446744073709551615],"data_offsets":[0,16]}})", 16),
                 "shape");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"I32","shape":[4],"data_offsets":[0,99999999999999999999]}})", 16),
                 "data_offsets");
}

TEST(Safetensors, RefusesNegativeAndFractionalNumbers) {
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1), "shape");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1), "shape");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 1), "data_offsets");
}

TEST(Safetensors, RefusesOverlappingOffsets) {
  expect_refused(
      safetensors_bytes(
          R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
          6),
      "expected data to begin at byte 4, found 2");
}

TEST(Safetensors, RefusesAHole) {
  expect_refused(
      safetensors_bytes(
          R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})",
          10),
      "expected data to begin at byte 4, found 6");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6),
                 "expected data to begin at byte 0");
}

TEST(Safetensors, RefusesAnEndBeforeTheBegin) {
  expect_refused(
      safetensors_bytes(
          R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
          R"("b":{"dtype":"U8","shape":[0],"data_offsets":[4,2]}})",
          4),
      "before its begin");
}

TEST(Safetensors, RefusesTrailingBytes) {
  expect_refused(safetensors_bytes(kCheckVector, 17), "expected 16 bytes of tensor data, the file holds 17");
}

TEST(Safetensors, RefusesMissingBytes) {
  expect_refused(safetensors_bytes(kCheckVector, 15), "ends at byte 16, the file holds 15");
  expect_refused(safetensors_bytes(kCheckVector, 0), "the file holds 0");
}

TEST(Safetensors, RefusesMisalignedFp4) {
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2),
                 "no whole number of bytes");
}

TEST(Safetensors, RefusesUnknownDTypes) {
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"Q4_0","shape":[32],"data_offsets":[0,18]}})", 18),
                 "unknown safetensors dtype 'Q4_0'");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"","shape":[1],"data_offsets":[0,1]}})", 1),
                 "unknown safetensors dtype");
}

TEST(Safetensors, RefusesEntriesWithMissingOrWrongFields) {
  expect_refused(safetensors_bytes(R"({"a":3})", 0), "expected an object with dtype");
  expect_refused(safetensors_bytes(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), "dtype");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,1]}})", 1), "dtype");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "shape");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "data_offsets");
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1),
                 "expected [begin, end]");
}

TEST(Safetensors, RefusesMetadataThatIsNotStrings) {
  expect_refused(safetensors_bytes(R"({"__metadata__":[]})", 0), "__metadata__");
  expect_refused(safetensors_bytes(R"({"__metadata__":{"k":1}})", 0), "expected a string, found integer");
}

TEST(Safetensors, RefusesRanksAboveEightAsUnsupported) {
  expect_refused(safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1),
                 "rank 9", ErrorCode::unsupported);
}

TEST(Safetensors, NamesInMessagesCannotForgeOutput) {
  const auto refused =
      parse(safetensors_bytes(R"({"a\n\u001b[2Jb":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2));
  ASSERT_FALSE(refused);
  const std::string text = describe(refused.error());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Safetensors, OpenNamesTheFileInItsErrors) {
  const test::TempDir folder;
  std::ofstream(folder / "bad.safetensors") << "short";
  const auto refused = open_safetensors(folder / "bad.safetensors");
  ASSERT_FALSE(refused);
  EXPECT_NE(describe(refused.error()).find("bad.safetensors"), std::string::npos);
  EXPECT_EQ(open_safetensors(folder / "absent.safetensors").error().code, ErrorCode::not_found);
}

/// Every safetensors file of the shared data was written by the reference library: all of them open.
TEST(Safetensors, OpensEveryRealFile) {
  VB_NEED_SHARED("models");
  std::size_t files = 0, tensors = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(test::shared_data())) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto model = open_safetensors(entry.path());
    VB_ASSERT_OK(model);
    ++files;
    tensors += (*model)->tensors().size();
  }
  std::printf("%zu files, %zu tensors\n", files, tensors);
  EXPECT_GE(files, 2u);
  EXPECT_GT(tensors, files);
}

}  // namespace
}  // namespace vauban
