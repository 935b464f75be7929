#include "text/models/merges.h"

#include <gtest/gtest.h>

#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

Json in_json(Json merges) { return Json::object({{"merges", std::move(merges)}}); }
Json in_gguf(Json merges) { return Json::object({{"tokenizer.ggml.merges", std::move(merges)}}); }
const MergePairs kTwo{{"a", "b"}, {"ab", "c"}};

TEST(Merges, AVersionLineIsNoMergeAndTakesNoRank) {
  const Json list = Json::array({"#version: 0.2", "a b", "ab c"});
  EXPECT_EQ(merges_of_tokenizer_json(in_json(list)).value(), kTwo);
  EXPECT_EQ(merges_of_gguf(in_gguf(list)).value(), kTwo);
}

TEST(Merges, ATokenizerJsonWritesPairsOrTextsWithOneSpace) {
  const Json pairs = Json::array({Json::array({"a", "b"}), Json::array({"a b", "c"})});
  EXPECT_EQ(merges_of_tokenizer_json(in_json(pairs)).value(), (MergePairs{{"a", "b"}, {"a b", "c"}}));
  for (const Json& bad : {Json::array({"ab"}), Json::array({"a b c"}), Json::array({7}), Json::array({"a b", Json::array({"a", "b"})}),
                          Json::array({Json::array({"a", "b"}), "a b"}), Json::array({Json::array({"a", 1})})}) {
    const auto read = merges_of_tokenizer_json(in_json(bad));
    ASSERT_FALSE(read.has_value()) << bad.dump().value();
    EXPECT_EQ(read.error().code, ErrorCode::corrupt);
  }
}

TEST(Merges, APieceOfAGgufMayBeASpaceItself) {
  EXPECT_EQ(merges_of_gguf(in_gguf(Json::array({"  a", "b c"}))).value(), (MergePairs{{" ", "a"}, {"b", "c"}}));
  for (const char* bad : {"ab", "ab ", " "}) EXPECT_FALSE(merges_of_gguf(in_gguf(Json::array({bad})))) << bad;
}

}  // namespace
}  // namespace vauban
